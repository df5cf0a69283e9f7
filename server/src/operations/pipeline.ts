import { RegistryError, type ErrorDetail } from '@rollcall/client/contract';
import type { Connection } from '../realtime/connections.ts';
import type { Subscriber } from '../realtime/pushes/pending-callers.ts';
import type { Authenticate } from '../identity/authenticate.ts';
import { isAudited, type AuditedCall, type Auditing } from './audit/audited-calls.ts';
import { decide, type Gate, type Subject, mayNameGroup } from '../domain/access.ts';
import { keepsAccess, withApprovedHooks } from '../domain/credential-hooks.ts';
import { resourceOf } from '../domain/permissions.ts';
import { lessOf, readRequestsLeft } from '../domain/requests-left.ts';
import { isPlainObject } from '../common/plain-object.ts';
import type { Sent } from '../domain/message.ts';
import { canonicalUuid, withCanonicalUuids } from '../identity/canonical-uuid.ts';
import type { Actor } from '../domain/actor.ts';
import type { Result, Services } from './handler.ts';
import type { RateLimit } from '../common/rate-limit.ts';
import { assertAllFactors, hasAllFactors, isByPasswordAlone, mayGrantCredential } from '../identity/credential-grants.ts';
import type { TableOperation } from './operation-table.ts';
import type { RequestId, UpdateOutcome, Revision } from '../domain/revision.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';

/** One call as a transport passes it to the pipeline. */
export interface Call {
  readonly actor: Actor | null;
  /** Key of the rate limit: the device's uuid, or a name for a connection without one. */
  readonly from: string;
  /** The network address of the caller. */
  readonly address?: string;
  readonly input: unknown;
  /**
   * Request id `<client instance>:<counter>` and the number of the attempt, if the caller sent
   * them.
   */
  readonly request?: Omit<RequestId, 'actor'>;
  /** The visible revision, or the set of revisions, that the caller expects. */
  readonly expectedRev?: number | ((rev: number) => boolean);
  /** The connection that the call came over, if it is identified and can receive events. */
  readonly connection?: Connection;
  /** The connection that the call came over, identified or not. */
  readonly caller?: Subscriber;
  /** The device that the caller acts for. */
  readonly as?: string;
  /**
   * How many webhook requests the call may still cause, in decimal digits.
   * Sent by a caller whose call was caused by a webhook request.
   */
  readonly requestsLeft?: string;
}

/** Dependencies of the pipeline. */
export interface Pipeline {
  readonly services: Services;
  readonly authenticate: Authenticate;
  readonly limits: RateLimit;
  readonly auditing: Auditing;
  /** Sends a message. `repeated` says that the call may have been executed before. */
  readonly send: (sent: Sent, repeated: boolean) => Promise<void>;
  /** Fails with `unavailable` while this node may not answer (ME-11). */
  readonly available: () => void;
}

type Properties = Readonly<Record<string, unknown>>;

/**
 * An option that the operation would ignore, as an error detail; null if there is none.
 * It is refused because the caller relies on a check that would not be made.
 */
const misplacedOption = ({ access, mutates, checksRevision = false }: TableOperation['row'], call: Call): ErrorDetail | null => {
  if (call.expectedRev !== undefined && mutates && !checksRevision)
    return { path: '/options/rev', rule: 'unsupported', message: 'This operation checks no revision' };
  if (call.as !== undefined && 'public' in access)
    return { path: '/options/as', rule: 'unsupported', message: 'This operation acts for no other device' };
  return null;
};

/**
 * Rights of a change: may webhooks forward credentials of the device (`mayIssue`), and may fields
 * that decide about access change.
 */
interface ChangeRights {
  readonly mayIssue: boolean;
  readonly mayChangeAccess: boolean;
  /** How many webhook requests the change may cause; undefined if no webhook caused it. */
  readonly requestsLeft: number | undefined;
}

/** Whether the actor is a device without roles that acts for itself, and so needs no lookup. */
const isPlain = (actor: Actor, as: string | undefined): boolean => as === undefined && actor.principal !== true;

/** Error for an input field that does not fit into one level of a resource path. */
const wrongPath = (template: string): RegistryError =>
  new RegistryError('invalid-input', undefined, {
    details: [{ path: '', rule: 'path', message: `each name in ${template} must be one level of a path` }],
  });

type Dispatch = (operation: TableOperation, call: Call) => Promise<Result<unknown>>;

/**
 * Creates the pipeline. Each call passes these steps in order: rate limit, parse, load, decide,
 * handle, publish.
 */
export const createPipeline = ({ services, authenticate, limits, auditing, send, available }: Pipeline): Dispatch => {
  const { devices, effectivePermissions, principals, mfa, sessions } = services;
  const granting = { effectivePermissions, principals, mfa, sessions };

  /**
   * What the actor's roles allow. Fails with `unauthenticated` if the actor may not log in any
   * more.
   */
  const ownPart = async ({ uuid, principal, scope }: Actor, fresh: boolean): Promise<Subject> => {
    if (principal !== true) return { uuid };
    const known = fresh ? null : (services.effectivePermissions.peek(uuid) ?? (await services.effectivePermissions.of(uuid)));
    const authority = known ?? (await services.effectivePermissions.getFresh(uuid));
    if (authority === null) throw new RegistryError('unauthenticated');
    // A user who has still to enrol has no roles.
    if (scope !== undefined) return { uuid };
    return { uuid, tenant: authority.principal.tenant, permissions: authority.permissions };
  };

  const subjectOf = async (actor: Actor, as: string | undefined, fresh: boolean): Promise<Subject> => {
    const own = await ownPart(actor, fresh);
    if (as === undefined || as === actor.uuid) return own;
    return { ...own, as: { uuid: as, document: await (fresh ? devices.getFresh(as) : devices.get(as)) } };
  };

  /** Loads the target and decides. A refusal is decided again on a fresh read before it counts. */
  const permit = async (
    actor: Actor,
    as: string | undefined,
    access: Gate,
    target: string,
    input: Properties,
    fresh = false,
  ): Promise<DeviceDocument> => {
    const document = await (fresh ? devices.getFresh(target) : devices.get(target));
    const decision = decide(isPlain(actor, as) ? actor : await subjectOf(actor, as, fresh), access, document, input);
    if (decision.allowed && document !== null) return document;
    if (!fresh) return permit(actor, as, access, target, input, true);
    throw new RegistryError('forbidden');
  };

  const permitWithoutTarget = async (
    actor: Actor | null,
    as: string | undefined,
    access: Gate,
    input: Properties,
    fresh = false,
  ): Promise<void> => {
    if ('public' in access) return;
    const decision = decide(actor === null ? null : await subjectOf(actor, as, fresh), access, null, input);
    if (decision.allowed) return;
    const mayBeStale = actor !== null && (as !== undefined || 'permission' in access);
    if (mayBeStale && !fresh) return permitWithoutTarget(actor, as, access, input, true);
    throw new RegistryError(decision.code);
  };

  /** Whether cached permissions allow the call, without reading the store. */
  const allowedAtOnce = (actor: Actor, as: string | undefined, access: Gate, input: Properties): boolean => {
    if (as !== undefined) return false;
    const authority = actor.principal === true ? services.effectivePermissions.peek(actor.uuid) : null;
    if (actor.principal === true && (authority === undefined || authority === null)) return false;
    const subject: Subject = { uuid: actor.uuid, ...(authority && { permissions: authority.permissions }) };
    return decide(subject, access, null, input).allowed;
  };

  /**
   * Decides about a change on exactly the document that is replaced, and marks the result as
   * written by this node.
   */
  const decideWith =
    (
      subject: Subject,
      access: Gate,
      input: Properties,
      { mayIssue, mayChangeAccess, requestsLeft }: ChangeRights,
      compute: (before: DeviceDocument) => Revision<DeviceDocument> | null,
    ) =>
    (before: DeviceDocument | null) => {
      if (before === null || !decide(subject, access, before, input).allowed) throw new RegistryError('forbidden');
      const computed = compute(before);
      if (computed === null) return null;
      const revision = withApprovedHooks(before, computed, mayIssue);
      if (revision === null || !(mayChangeAccess || keepsAccess(before, revision.next))) throw new RegistryError('forbidden');
      const group = revision.next._rollcall?.group;
      if (group !== undefined && group !== before._rollcall?.group && !mayNameGroup(subject, before.uuid, group))
        throw new RegistryError('forbidden');
      const { requestsLeft: _before, ...kept } = revision.next._rollcall ?? before._rollcall ?? { rev: 0, shown: 0 };
      const hidden = { ...kept, node: services.node, ...(requestsLeft !== undefined && { requestsLeft }) };
      return { ...revision, next: { ...revision.next, _rollcall: hidden } };
    };

  /**
   * Restricts an actor who has still to enrol a second factor (AC-3.3).
   * Such an actor may make calls whose row says `enrolling`, and public calls without identity.
   */
  const held = async (actor: Actor, { enrolling = false, access, credential }: TableOperation['row']): Promise<Actor | null> => {
    if (!(await services.sessions.mustEnroll(actor))) {
      const { scope: _scope, ...free } = actor;
      return free;
    }
    if (enrolling) return actor;
    if ('public' in access && credential !== 'grants') return null;
    throw new RegistryError('mfa-enrollment-required');
  };

  /** Refuses a call that requires all factors of an actor who has not shown all of them. */
  const checkFactors = async (
    actor: Actor,
    { mutates, credential, passwordAlone = false }: TableOperation['row'],
  ): Promise<void> => {
    const needsAll = credential === 'grants' || (isByPasswordAlone(actor) && mutates && !passwordAlone);
    if (needsAll && actor.principal === true) await assertAllFactors({ ...granting, actor });
  };

  /** Rights of a change that do not follow from the row's access. */
  const changeRightsOf = async (actor: Actor, subject: string, target: string): Promise<Omit<ChangeRights, 'requestsLeft'>> => {
    const call = { ...granting, actor, subject };
    const device = (await devices.get(target)) ?? (await devices.getFresh(target));
    const mayIssue = device?._rollcall?.principal !== true || (await mayGrantCredential(device, call));
    if (!isByPasswordAlone(actor)) return { mayIssue, mayChangeAccess: true };
    return { mayIssue, mayChangeAccess: await hasAllFactors(call) };
  };

  const carryOut = async (operation: TableOperation, call: Call, handle: Handle = operation.handle): Promise<Result<unknown>> => {
    available();
    limits.consume(call.from);
    const { row, access } = operation;
    const shown = call.input;
    const admitted = call.actor?.scope === undefined ? call.actor : await held(call.actor, row);
    const { actor, input: asked } = showsCredentials(operation, shown)
      ? await actingWith(admitted, shown, call.address ?? '')
      : { actor: admitted, input: shown };
    if (actor !== null) await checkFactors(actor, row);
    const as = call.as === undefined ? undefined : await canonicalUuid(devices, call.as);
    const input = isPlainObject(asked) ? await withCanonicalUuids(devices, operation.declared, asked) : asked;
    const given = isPlainObject(input) ? input : {};
    const isPath = !('permission' in access) || resourceOf(access.permission, given) !== undefined;
    const misplaced = misplacedOption(row, call);
    const problems = misplaced === null ? operation.problems(input) : [misplaced];
    if (problems.length > 0) {
      // In administration the permission is checked first, so that a caller without it learns
      // nothing about the input.
      if ('permission' in access && (actor === null || isPath)) await permitWithoutTarget(actor, as, access, given);
      throw new RegistryError('invalid-input', misplaced?.message ?? row.refusal?.(problems), { details: problems });
    }

    const request = actor !== null && call.request !== undefined ? { ...call.request, actor: actor.uuid } : null;
    if ('permission' in access && !isPath) throw wrongPath(access.permission);
    // The services are the prototype of each call and are not copied, because every request passes
    // here.
    const { address = '', connection = null, caller = null, request: numbered = null } = call;
    const handled = (more: Partial<Own> | null) =>
      handle(input, contextOf({ __proto__: services, actor, request, numbered, address, connection, caller, ...more }));
    if (actor === null) {
      await permitWithoutTarget(actor, as, access, given);
      return handled(null);
    }
    const subject = as ?? actor.uuid;
    if (!('target' in access)) {
      if (!allowedAtOnce(actor, as, access, given)) await permitWithoutTarget(actor, as, access, given);
      return handled({ subject });
    }

    const named = given[access.target];
    const target = typeof named === 'string' ? named : subject;
    const permitted = (): Promise<DeviceDocument> => permit(actor, as, access, target, given, true);
    if (!row.mutates) return handled({ subject, target, permitted, document: await permit(actor, as, access, target, given) });
    const acting = await subjectOf(actor, as, true);
    const requestsLeft = lessOf(readRequestsLeft(call.requestsLeft), actor.requestsLeft);
    const update = async (compute: Parameters<typeof decideWith>[4]) =>
      devices.update(
        target,
        request,
        decideWith(acting, access, given, { ...(await changeRightsOf(actor, subject, target)), requestsLeft }, compute),
        call.expectedRev === undefined ? {} : { expectedRev: call.expectedRev },
      );
    return handled({ subject, target, permitted, update });
  };

  /** Runs an audited call between two audit entries. A refusal has one entry. */
  const carryOutAudited: Dispatch = async (operation, call) => {
    const { name, row } = operation;
    const audited = (input: unknown, { actor, address, target }: Audited): AuditedCall => ({
      name,
      row,
      input,
      actor,
      address,
      target,
      as: call.as,
    });
    let begun = false;
    try {
      return await carryOut(operation, call, (input, context) => {
        begun = true;
        return auditing.around(audited(input, context as unknown as Audited), () => operation.handle(input, context));
      });
    } catch (error) {
      const isRefusal = error instanceof RegistryError && error.code === 'forbidden' && call.actor !== null;
      if (!begun && isRefusal) {
        await auditing.refused(audited(call.input, { actor: call.actor, address: call.address ?? '' }), error);
      }
      throw error;
    }
  };

  return async (operation, call) => {
    const handled = await (isAudited(operation.row) ? carryOutAudited : carryOut)(operation, call);
    const requestsLeft = lessOf(readRequestsLeft(call.requestsLeft), call.actor?.requestsLeft);
    const chain = requestsLeft === undefined ? {} : { requestsLeft };
    for (const sent of handled.messages ?? []) await send({ ...sent, ...chain }, (call.request?.again ?? 0) > 0);
    handled.afterReply?.();
    return handled;
  };

  /** Authenticates by credentials in the input, and removes `token` from it (MS-1.8). */
  async function actingWith(actor: Actor | null, shown: Credentials, address: string): Promise<{ actor: Actor; input: unknown }> {
    if (actor === null) throw new RegistryError('unauthenticated');
    const { token, ...input } = shown;
    const acting = await authenticate({ uuid: shown.uuid, token, address });
    if (acting === null) throw new RegistryError('forbidden');
    return { actor: acting, input };
  }
};

interface Credentials {
  readonly uuid: string;
  readonly token: string;
}

const showsCredentials = (operation: TableOperation, input: unknown): input is Credentials =>
  operation.row.credentials === true &&
  isPlainObject(input) &&
  typeof input['uuid'] === 'string' &&
  typeof input['token'] === 'string';

type Handle = TableOperation['handle'];
type Context = Parameters<Handle>[1];
type Audited = Pick<Own, 'actor' | 'address' | 'target'>;

/** The members of a call's own. The services are its prototype. */
interface Own {
  readonly __proto__: Services;
  readonly actor: Actor | null;
  readonly request: RequestId | null;
  readonly numbered: Omit<RequestId, 'actor'> | null;
  readonly address: string;
  readonly connection: Connection | null;
  readonly caller: Subscriber | null;
  readonly subject?: string;
  readonly target?: string;
  readonly permitted?: () => Promise<DeviceDocument>;
  readonly document?: DeviceDocument;
  readonly update?: (
    compute: (before: DeviceDocument) => Revision<DeviceDocument> | null,
  ) => Promise<UpdateOutcome<DeviceDocument>>;
}

/** Types a literal whose prototype is the services as a call with all services. */
const contextOf = (own: Own): Context => own as unknown as Context;
