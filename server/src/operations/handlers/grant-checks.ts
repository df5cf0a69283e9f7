import { RegistryError } from '@rollcall/client/contract';
import { uncovered, type Grant } from '../../domain/permissions.ts';
import type { Actor } from '../../domain/actor.ts';
import type { Services } from '../handler.ts';

type Called = Services & { readonly actor: Actor };

const permissionsOfCaller = async ({ effectivePermissions, actor }: Called) => {
  const authority = actor.principal === true ? await effectivePermissions.getFresh(actor.uuid) : null;
  if (authority === null) throw new RegistryError('forbidden');
  return authority.permissions;
};

/** Fails with `forbidden` unless the caller's own roles allow everything that is granted. */
export const assertMayGrant = async (call: Called, grants: readonly Grant[]): Promise<void> => {
  if (grants.length > 0 && uncovered(await permissionsOfCaller(call), grants).length > 0) throw new RegistryError('forbidden');
};

/**
 * Fails with `forbidden` unless a role of the caller allows writing to this path.
 * An access list alone is not enough.
 */
export const mayManage = async (call: Called, path: string): Promise<void> => {
  if (!(await permissionsOfCaller(call)).allow('http', 'write', path)) throw new RegistryError('forbidden');
};
