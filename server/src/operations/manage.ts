import { RegistryError } from '@rollcall/client/contract';
import { uncovered, type Grant } from '../domain/permissions.ts';
import { permissionsOf } from '../domain/user.ts';
import type { Actor } from '../actor.ts';
import type { Services } from '../implement.ts';
import type { DeviceDocument } from '../store/collections.ts';

type Called = Services & { readonly actor: Actor };

const permissionsOfCaller = async ({ authorities, actor }: Called) => {
  const authority = actor.principal === true ? await authorities.fresh(actor.uuid) : null;
  if (authority === null) throw new RegistryError('forbidden');
  return authority.permissions;
};

/** Fails with `forbidden` unless the caller's own roles allow all of this: nobody gives what he has not. */
export const mayGive = async (call: Called, grants: readonly Grant[]): Promise<void> => {
  if (grants.length > 0 && uncovered(await permissionsOfCaller(call), grants).length > 0) throw new RegistryError('forbidden');
};

/** Fails with `forbidden` unless a role of the caller allows writing there: what a whitelist alone does not open. */
export const mayManage = async (call: Called, path: string): Promise<void> => {
  if (!(await permissionsOfCaller(call)).cover('http', 'write', path)) throw new RegistryError('forbidden');
};

/**
 * Fails with `forbidden` if a token of this device would let the caller do what he may not: a whitelist never leads to somebody's roles.
 */
export const mayLogInAs = async (device: DeviceDocument, call: Called & { readonly subject: string }): Promise<void> => {
  const { uuid } = device;
  if (device._rollcall?.principal !== true || (call.actor.uuid === uuid && call.subject === uuid)) return;
  await mayManage(call, `/api/users/${uuid}/tokens`);
  const principal = await call.principals.fresh(uuid);
  if (principal !== null) await mayGive(call, permissionsOf(await call.authorities.rolesOf(principal, true)));
};
