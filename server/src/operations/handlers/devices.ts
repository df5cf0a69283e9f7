import { RegistryError } from '@rollcall/client/contract';
import { sees, visible, whoIs, type Who, mayNameGroup } from '../../domain/access.ts';
import { changeDevice, claimDevice, goneDevice, groupTakenOver, isGroup, newDevice } from '../../domain/device.ts';
import { outgoing, type DeviceView } from '../../domain/device-view.ts';
import { readableDevices, resourceOf } from '../../domain/permissions.ts';
import { readQuery } from '../../domain/device-query.ts';
import { permissionsOf } from '../../domain/user.ts';
import { setOperators } from '../../domain/device-update.ts';
import { applyUpdate } from '../../mql/index.ts';
import { evaluate, toClientError } from '../../domain/evaluate.ts';
import type { Actor } from '../../domain/actor.ts';
import type { Implementation, Services } from '../handler.ts';
import { removeGroup } from './groups.ts';
import { mayManage } from './grant-checks.ts';
import { notDeleted } from '../../domain/tombstone.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';

type Rows = Pick<
  Implementation['meshblu'],
  | 'register'
  | 'whoami'
  | 'device'
  | 'devices'
  | 'mydevices'
  | 'localdevices'
  | 'unclaimeddevices'
  | 'update'
  | 'claimdevice'
  | 'unregister'
>;

/** Maximum number of devices that one search returns (MS-2.8). */
const maxFound = 1000;
const searchMs = 2000;

/** Whether the device is a named group. */
const isNamedGroup = ({ _rollcall: hidden }: DeviceDocument): boolean => hidden?.group !== undefined;

type Asking = Services & { readonly actor: Actor; readonly subject: string };

/**
 * What the caller's roles make visible in lists, beyond access lists.
 * Nothing if the caller acts for another device.
 */
const byRoles = async ({ actor, subject, effectivePermissions }: Asking) => {
  const authority = actor.principal === true && actor.uuid === subject ? await effectivePermissions.of(subject) : null;
  const named = authority === null ? [] : readableDevices(permissionsOf(authority.roles));
  return {
    filter: named === 'all' ? [{}] : named.length === 0 ? [] : [{ uuid: { $in: [...named] } }],
    sees({ uuid }: DeviceDocument): boolean {
      const path = authority === null ? undefined : resourceOf('/devices/:uuid', { uuid });
      return path !== undefined && authority?.permissions.allow('http', 'read', path) === true;
    },
  };
};

/** The caller, or the device the caller acts for, in the form that access lists name. */
const whoAsks = async ({ actor, subject, devices }: Asking): Promise<Who> => {
  const acting = actor.uuid === subject ? null : await devices.get(subject);
  return acting === null ? { uuid: subject, tenant: actor.uuid === subject ? actor.tenant : undefined } : whoIs(acting);
};

/**
 * Matching devices that the subject may see, newest first, then by uuid.
 * Every device the store returns is checked against the access policy again.
 */
const search = async (call: Asking, query: Readonly<Record<string, unknown>>): Promise<DeviceView[]> => {
  const { store } = call;
  const roles = await byRoles(call);
  const who = await whoAsks(call);
  const listed = visible(who, 'discover.view');
  const seen = roles.filter.length === 0 ? listed : { $or: [listed, ...roles.filter] };
  const filter = { $and: [readQuery(query), seen, notDeleted] };
  const cursor = store
    .collection('devices')
    .find(filter, { maxTimeMS: searchMs, promoteLongs: false })
    .sort({ 'meshblu.createdAt': -1, uuid: 1 })
    .limit(maxFound);
  const found: DeviceView[] = [];
  try {
    for await (const document of cursor)
      if (sees(who, 'discover.view', document) || roles.sees(document)) found.push(outgoing(document));
  } catch (error) {
    throw toClientError(error);
  }
  return found;
};

/**
 * A device document as clients see it, with its last sign of life, its online state and the time
 * and reason of the last change of that state.
 */
const proven = (document: DeviceDocument, at: number | undefined): DeviceView => {
  const seen = outgoing(document);
  const { online, ...meshblu } = (seen['meshblu'] ?? {}) as Readonly<Record<string, object>>;
  if (at === undefined || online === undefined) return seen;
  return { ...seen, meshblu: { ...meshblu, online: { ...online, lastProof: new Date(at).toISOString() } } };
};

export const devices: Rows = {
  async register(properties, { devices, tokens, ids, config, actor, request, now, effectivePermissions }) {
    if (!config.openRegistration && actor === null) throw new RegistryError('forbidden');
    const uuid = ids.uuid('register', request);
    const document = newDevice(properties, uuid, new Date(now()));
    const group = document._rollcall?.group;
    if (group !== undefined) {
      const authority = actor?.principal === true ? await effectivePermissions.getFresh(actor.uuid) : null;
      const subject = { uuid: actor?.uuid ?? '', ...(authority !== null && { permissions: authority.permissions }) };
      if (!mayNameGroup(subject, uuid, group)) throw new RegistryError(actor === null ? 'unauthenticated' : 'forbidden');
    }
    const { token } = await tokens.issueRoot(uuid, request);
    try {
      const stored = await devices.insert(document, request ?? undefined);
      return { output: { ...outgoing(stored), token } };
    } catch (error) {
      // The name of a group is taken, so the token is of no use.
      if (error instanceof RegistryError && error.code === 'conflict') await tokens.removeAll(uuid);
      throw error;
    }
  },

  async whoami(_input, { devices, actor, lastSeenAt }) {
    const own = (await devices.get(actor.uuid)) ?? (await devices.getFresh(actor.uuid));
    if (own === null) throw new RegistryError('unauthenticated');
    return { output: proven(own, lastSeenAt(own)) };
  },

  device: (_input, { document, lastSeenAt }) => ({ output: { device: proven(document, lastSeenAt(document)) } }),

  async devices(query, call) {
    return { output: { devices: await search(call, query) } };
  },

  async mydevices(query, call) {
    const { uuid: _subject, ...rest } = query;
    return { output: { devices: await search(call, { ...rest, owner: call.subject }) } };
  },

  localdevices: () => ({ output: { devices: [] } }),

  unclaimeddevices: () => ({ output: { devices: [] } }),

  async update(changes, { target, subject, update: revise, now }) {
    const update = setOperators(changes);
    const at = new Date(now());
    await revise((before) =>
      changeDevice(before, (document) => evaluate(() => applyUpdate(document, update, { now: at, exact: true })), subject, at),
    );
    return { output: { uuid: target, status: 200 } };
  },

  async claimdevice(_input, { target, subject, update, now, tokens }) {
    const { document } = await update((before) => {
      const take = isNamedGroup(before) ? groupTakenOver : claimDevice;
      return changeDevice(before, (device) => take(device, subject), subject, new Date(now()));
    });
    const revokes = isNamedGroup(document) ? [...(await tokens.revokeAll(target)), { device: target }] : [];
    return { output: { uuid: target, status: 200 }, revokes };
  },

  async unregister({ cascade = false }, call) {
    const { target, subject, update, now, tokens, users } = call;
    const device = await call.permitted();
    if (isGroup(device)) return removeGroup(device, cascade, call);
    if (device._rollcall?.principal === true) {
      await mayManage(call, `/api/users/${target}`);
      const ended = await users.changing(
        async () => ({ losing: [target], affected: [] }),
        () => users.remove(target, subject),
      );
      return { output: { uuid: target }, revokes: ended.map((device) => ({ device })) };
    }
    await update((before) => goneDevice(before, subject, now()));
    await tokens.removeAll(target);
    return { output: { uuid: target }, revokes: [{ device: target }] };
  },
};
