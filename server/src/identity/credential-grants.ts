import { RegistryError } from '@rollcall/client/contract';
import type { Actor } from '../domain/actor.ts';
import { fingerprintOfHook } from '../domain/credential-hooks.ts';
import type { WebhookRule } from '../domain/webhook-rules.ts';
import { missingFactor, type MissingFactor } from '../domain/mfa.ts';
import { uncovered } from '../domain/permissions.ts';
import { permissionsOf } from '../domain/user.ts';
import type { Identity } from './open-identity.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';

type Granting = Pick<Identity, 'effectivePermissions' | 'principals' | 'mfa' | 'sessions'>;
type Called = Granting & { readonly actor: Actor };

/** What an actor that came by a password alone has still to show, as its user is now. Fails with `unauthenticated` if the user may not be here. */
const missingFactorOf = async ({ actor, effectivePermissions, mfa, sessions }: Called): Promise<MissingFactor> => {
  if (actor.principal !== true) return null;
  const authority = await effectivePermissions.getFresh(actor.uuid);
  if (authority === null) throw new RegistryError('unauthenticated');
  if (actor.scope !== undefined && (await sessions.mustEnroll(actor))) return 'enrolment';
  return actor.method === 'password' ? missingFactor(authority.principal, mfa.canEnrol) : null;
};

/** Does this actor rest on a password alone, over a transport that asks for no code? Only these may lack a factor without `scope`. */
export const isByPasswordAlone = ({ unattended, method }: Actor): boolean => unattended === true && method === 'password';

/** Refuses an actor that has still to show a code (`mfa-required`) or to enroll (`mfa-enrollment-required`). */
export const assertAllFactors = async (call: Called): Promise<void> => {
  const missing = await missingFactorOf(call);
  if (missing === 'code') throw new RegistryError('mfa-required');
  if (missing === 'enrolment') throw new RegistryError('mfa-enrollment-required');
};

/** The decision of `assertAllFactors` as a boolean. */
export const hasAllFactors = (call: Called): Promise<boolean> => isAllowed(assertAllFactors(call));

const refusals: ReadonlySet<string> = new Set(['forbidden', 'mfa-required', 'mfa-enrollment-required']);

const isAllowed = async (decision: Promise<void>): Promise<boolean> => {
  try {
    await decision;
    return true;
  } catch (error) {
    if (error instanceof RegistryError && refusals.has(error.code)) return false;
    throw error;
  }
};

/** What is asked: who calls, on whose behalf (`subject`), and for which device. */
type Asked = Called & { readonly subject: string };

/**
 * The one decision whether a credential may be made, handed out, forwarded or set up for a device, by this caller.
 *
 * A caller that lacks a factor never may. For a device without principal the access of the operation is enough. For the caller's
 * own principal all factors are. For any other principal the caller needs write permission on that user's tokens, and every
 * permission that its roles grant: a whitelist never leads to the roles of a user.
 */
export const assertMayGrantCredential = async (device: DeviceDocument, call: Asked): Promise<void> => {
  await assertAllFactors(call);
  const { uuid } = device;
  const { actor, effectivePermissions, principals, subject } = call;
  if (device._rollcall?.principal !== true || (actor.uuid === uuid && subject === uuid)) return;
  const caller = actor.principal === true ? await effectivePermissions.getFresh(actor.uuid) : null;
  const principal = await principals.getFresh(uuid);
  const held = principal === null ? [] : permissionsOf(await effectivePermissions.rolesOf(principal, true));
  const may = caller?.permissions.allow('http', 'write', `/api/users/${uuid}/tokens`) === true;
  if (!may || uncovered(caller.permissions, held).length > 0) throw new RegistryError('forbidden');
};

/** The decision of `assertMayGrantCredential` as a boolean. */
export const mayGrantCredential = (device: DeviceDocument, call: Asked): Promise<boolean> =>
  isAllowed(assertMayGrantCredential(device, call));

/**
 * May a webhook of this device carry its credentials? Of a principal only if the hook was approved when it was set, and the user
 * may log in now, and has not still to enroll a factor.
 */
export const mayForwardCredential = async (
  device: DeviceDocument,
  hook: WebhookRule,
  { effectivePermissions, canEnrol }: Pick<Identity, 'effectivePermissions'> & { readonly canEnrol: boolean },
): Promise<boolean> => {
  const { _rollcall: hidden, uuid } = device;
  if (hidden?.principal !== true) return true;
  if (hidden.credentialHooks?.includes(fingerprintOfHook(hook)) !== true) return false;
  const authority = await effectivePermissions.getFresh(uuid);
  return authority !== null && missingFactor(authority.principal, canEnrol) !== 'enrolment';
};
