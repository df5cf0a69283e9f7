import { LRUCache } from 'lru-cache';
import { compilePermissions, type Permissions } from '../domain/permissions.ts';
import { isLive, permissionsOf, roleIdsOf } from '../domain/user.ts';
import type { Repository } from '../data/repository/types.ts';
import type { PrincipalDocument } from '../domain/documents/principal.ts';
import type { RoleDocument } from '../domain/documents/role.ts';

/** What a principal may do, and by which roles. */
export interface PrincipalPermissions {
  readonly principal: PrincipalDocument;
  readonly roles: readonly RoleDocument[];
  readonly permissions: Permissions;
}

/** What principals may do, as their roles are now. */
export interface EffectivePermissions {
  /** From the cache if that is allowed; null if there is no such principal, or it is disabled or has expired. */
  of(uuid: string): Promise<PrincipalPermissions | null>;
  /** The same at once, from the cache; undefined if something has to be loaded. */
  peek(uuid: string): PrincipalPermissions | null | undefined;
  /** The same from the primary. */
  getFresh(uuid: string): Promise<PrincipalPermissions | null>;
  /** The roles of a principal, whether or not it may log in. */
  rolesOf(principal: PrincipalDocument, fresh?: boolean): Promise<readonly RoleDocument[]>;
}

const maxKept = 10_000;

const sameItems = (one: readonly unknown[], other: readonly unknown[]): boolean =>
  one.length === other.length && one.every((item, index) => item === other[index]);

/** Opens them. Permissions are put into their fast form once for each set of role documents. */
export const createEffectivePermissions = (options: {
  readonly principals: Repository<PrincipalDocument>;
  readonly roles: Repository<RoleDocument>;
  readonly now: () => number;
}): EffectivePermissions => {
  const { principals, roles, now } = options;
  const kept = new LRUCache<string, { readonly roles: readonly RoleDocument[]; readonly permissions: Permissions }>({
    max: maxKept,
  });

  const rolesOf = async (principal: PrincipalDocument, fresh = false): Promise<readonly RoleDocument[]> => {
    const found = await Promise.all(roleIdsOf(principal).map((id) => (fresh ? roles.getFresh(id) : roles.get(id))));
    return found.filter((role) => role !== null);
  };

  const authorityOf = (principal: PrincipalDocument, held: readonly RoleDocument[]): PrincipalPermissions => {
    const { _id: uuid } = principal;
    const before = kept.get(uuid);
    if (before !== undefined && sameItems(before.roles, held)) return { principal, ...before };
    const made = { roles: held, permissions: compilePermissions(permissionsOf(held)) };
    kept.set(uuid, made);
    return { principal, ...made };
  };

  const load = async (uuid: string, fresh: boolean): Promise<PrincipalPermissions | null> => {
    const principal = await (fresh ? principals.getFresh(uuid) : principals.get(uuid));
    if (principal === null || !isLive(principal, now())) return null;
    // What belongs to a user is worth as much as he.
    if (principal.owner !== undefined) {
      const owner = await (fresh ? principals.getFresh(principal.owner) : principals.get(principal.owner));
      if (owner === null || !isLive(owner, now())) return null;
    }
    return authorityOf(principal, await rolesOf(principal, fresh));
  };

  /** Authorities as they were last found, and what they rest on. */
  const found = new LRUCache<string, { readonly version: number; readonly authority: PrincipalPermissions }>({ max: maxKept });

  const peek = (uuid: string): PrincipalPermissions | null | undefined => {
    const principal = principals.peek(uuid);
    if (principal === undefined) return undefined;
    if (principal === null || !isLive(principal, now())) return null;
    if (principal.owner !== undefined) {
      const owner = principals.peek(principal.owner);
      if (owner === undefined) return undefined;
      if (owner === null || !isLive(owner, now())) return null;
    }
    const version = roles.version();
    const last = found.get(uuid);
    if (last !== undefined && last.version === version && last.authority.principal === principal) return last.authority;
    const held: RoleDocument[] = [];
    for (const id of roleIdsOf(principal)) {
      const role = roles.peek(id);
      if (role === undefined) return undefined;
      if (role !== null) held.push(role);
    }
    const authority = authorityOf(principal, held);
    if (version !== undefined) found.set(uuid, { version, authority });
    return authority;
  };

  return { peek, of: (uuid) => load(uuid, false), getFresh: (uuid) => load(uuid, true), rolesOf };
};
