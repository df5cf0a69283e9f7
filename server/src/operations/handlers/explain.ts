import { RegistryError, whitelistNames, type Explanation, type Whitelist } from '@rollcall/client/contract';
import { gateOf, type Gate, type Subject } from '../../domain/access.ts';
import { explain as explained } from '../../domain/explain.ts';
import { compilePermissions, resourceOf } from '../../domain/permissions.ts';
import { isLive, permissionsOf } from '../../domain/user.ts';
import type { Implementation, Services } from '../handler.ts';

/** A question in the form in which the access policy takes it. */
interface Asked {
  readonly gate: Gate;
  readonly input: Readonly<Record<string, unknown>>;
  /** The device that the call would name. */
  readonly device: string | undefined;
}

const wrong = (path: string, rule: string, message: string): never => {
  throw new RegistryError('invalid-input', undefined, { details: [{ path, rule, message }] });
};

const isWhitelist = (action: string): action is Whitelist => whitelistNames.some((name) => name === action);

const asksList = (whitelist: Whitelist, target: string | undefined): Asked => {
  const uuid = target ?? wrong('/target', 'required', 'a list is asked of a device');
  return { gate: gateOf({ access: { whitelist, target: 'uuid' }, http: [], mutates: false }), input: { uuid }, device: uuid };
};

const asksRoute = (action: string, actor: string, target: string | undefined, { routeOf }: Services): Asked => {
  const [, method = '', path = ''] = /^(GET|HEAD|POST|PUT|PATCH|DELETE) (\/[^?#]*)$/.exec(action) ?? [];
  const routed =
    routeOf(method, path) ?? wrong('/action', 'format', 'one of the whitelists, or the method and the path of a route');
  const { gate, params } = routed;
  if ('permission' in gate && resourceOf(gate.permission, params) === undefined)
    return wrong('/action', 'format', 'each name in the path must be one level of it');
  if (!('target' in gate)) return { gate, input: params, device: undefined };
  const device = params[gate.target] ?? target ?? actor;
  return { gate, input: { ...params, [gate.target]: device }, device };
};

/** The uuid of an actor given by uuid or login name. Fails with `not-found`. */
const uuidOf = async (actor: string, { devices, users }: Services): Promise<string> => {
  if ((await devices.getFresh(actor)) !== null) return actor;
  const named = await users.byLoginName(actor);
  if (named === null) throw new RegistryError('not-found', 'There is no such actor');
  return named._id;
};

/**
 * Says whether an actor may do something, what allows it, and which change would alter the answer.
 */
export const explainHandlers: Implementation['permissions']['explain'] = async ({ actor, action, target }, call) => {
  const uuid = await uuidOf(actor, call);
  const { gate, input, device } = isWhitelist(action) ? asksList(action, target) : asksRoute(action, uuid, target, call);
  const principal = await call.principals.getFresh(uuid);
  const roles = principal === null ? [] : await call.effectivePermissions.rolesOf(principal, true);
  const subject: Subject = {
    uuid,
    ...(principal !== null && { tenant: principal.tenant, permissions: compilePermissions(permissionsOf(roles)) }),
  };
  const document = device === undefined ? null : await call.devices.getFresh(device);
  const answer = explained({ subject, roles, isPrincipal: principal !== null, gate, target: document, input });
  // An actor who may not log in may only make public calls.
  const isHere = principal === null || (await call.effectivePermissions.getFresh(uuid)) !== null || 'public' in gate;
  // What belongs to a user may act only while the user may.
  const asleepOne = principal !== null && isLive(principal, call.now()) ? (principal.owner ?? uuid) : uuid;
  const enable = { kind: 'enable' as const, user: asleepOne };
  const asleep = (): Explanation =>
    answer.allowed
      ? { allowed: false, by: null, change: [enable] }
      : { ...answer, change: answer.change === null ? null : [enable, ...answer.change] };
  return { output: isHere ? answer : asleep() };
};
