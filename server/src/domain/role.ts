import type { Pagination, Permission, Role } from '@rollcall/client/contract';
import { asTombstone } from './tombstone.ts';
import type { Grant } from './permissions.ts';
import type { Revision } from './revision.ts';
import type { RoleDocument } from './documents/role.ts';

/**
 * The role of those who may do everything; the name that the access control reference gives it
 * means the same role.
 */
export const administratorRole = 'registry-admin';
const otherNames: Readonly<Record<string, string>> = { 'connectware-admin': administratorRole };

/** The form of a role's name that has to be unique. */
export const roleNameKey = (name: string): string => {
  const lower = name.toLowerCase();
  return Object.hasOwn(otherNames, lower) ? (otherNames[lower] ?? lower) : lower;
};

/** A role as those see it who may. */
export const roleView = ({ _id, name, isShared, permissions }: RoleDocument): Role => ({ id: _id, name, isShared, permissions });

/** A role that is removed: its name is free from now on. */
export const removedRole = (before: RoleDocument, by: string, now: number): Revision<RoleDocument> => {
  const { nameLower: _name, ...left } = before;
  return asTombstone(left, by, now);
};

/** Whether two permissions are equal. */
export const isSame = (one: Grant, other: Grant): boolean =>
  one.resource === other.resource && one.operation === other.operation && one.context === other.context;

/** These permissions, each once, with ids: those of equal ones in `before` are kept. */
export const numbered = (
  wanted: readonly Grant[],
  before: readonly Permission[],
  id: (index: number) => string,
): Permission[] => {
  const permissions: Permission[] = [];
  for (const [index, grant] of wanted.entries()) {
    if (permissions.some((one) => isSame(one, grant))) continue;
    const { resource, operation, context } = grant;
    permissions.push({ id: before.find((one) => isSame(one, grant))?.id ?? id(index), resource, operation, context });
  }
  return permissions;
};

/** The numbers of a page (AC-1), and which rows are on it. */
export const pageOf = (
  totalRows: number,
  { pageNumber = 1, rowsPerPage = 25 }: { readonly pageNumber?: number | undefined; readonly rowsPerPage?: number | undefined },
): { readonly pagination: Pagination; readonly skip: number; readonly limit: number } => {
  const totalPages = Math.ceil(totalRows / rowsPerPage);
  const skip = (pageNumber - 1) * rowsPerPage;
  const pagination: Pagination = {
    totalPages,
    totalRows,
    totalRowsInPage: Math.max(0, Math.min(rowsPerPage, totalRows - skip)),
    currentPage: pageNumber,
    nextPage: pageNumber < totalPages ? pageNumber + 1 : null,
    rowsPerPage,
  };
  return { pagination, skip, limit: rowsPerPage };
};
