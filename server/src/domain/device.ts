import { createHash } from 'node:crypto';
import { RegistryError } from '@rollcall/client/contract';
import { equalValues } from '../mql/index.ts';
import { isVersionTwo } from './access.ts';
import { asTombstone } from './tombstone.ts';
import { outgoing } from './device-view.ts';
import { isPlainObject } from '../common/plain-object.ts';
import { checkWhitelists } from './whitelist-form.ts';
import { storedKey, storedValue } from './stored-value.ts';
import type { Revision } from './revision.ts';
import type { DeviceDocument } from './documents/device.ts';

/** The largest visible document, as UTF-8 JSON, in bytes. */
const maxBytes = 64 * 1024;

/**
 * What only the server writes under `meshblu` (MS-3.1), and `rev` and `online`, which are made on
 * the way out.
 */
const serversOwn = ['hash', 'createdAt', 'updatedAt', 'updatedBy', 'tokens'] as const;

type Properties = Record<string, unknown>;

/** Presence is a boolean, however it was given. */
const asBoolean = (value: unknown): boolean => value !== 'false' && Boolean(value);

/** Opaque; another one after each change. */
const hashOf = (uuid: string, at: Date): string =>
  createHash('sha256')
    .update(uuid + at.toISOString())
    .digest('base64');

const withNames = (list: unknown, uuid: string): unknown[] => {
  const names: unknown[] = Array.isArray(list) ? list : list === undefined || list === null ? [] : [list];
  return names.includes(uuid) || names.includes('*') ? names : [...names, uuid];
};

/** A version 1 list with the uuid itself in it: `*` may be taken out of the list later. */
const naming = (list: unknown, uuid: string): unknown[] => {
  const names = withNames(list, uuid);
  return names.includes(uuid) ? names : [...names, uuid];
};

const visibleBytes = (document: DeviceDocument): number => Buffer.byteLength(JSON.stringify(outgoing(document)));

/**
 * Refuses a document that became larger than the limit; one that was larger before may only shrink.
 */
const checkSize = (after: DeviceDocument, before: DeviceDocument | null): void => {
  const bytes = visibleBytes(after);
  if (bytes <= maxBytes || (before !== null && bytes < visibleBytes(before))) return;
  throw new RegistryError('too-large', `The document is larger than ${maxBytes} bytes`);
};

/** The `meshblu` object of a changed document, with the server's own properties as they were. */
const keepServersOwn = (changed: unknown, before: unknown): Properties => {
  const kept = isPlainObject(changed) ? { ...changed } : {};
  delete kept['rev'];
  delete kept['online'];
  const own = isPlainObject(before) ? before : {};
  for (const name of serversOwn) {
    if (own[name] === undefined) delete kept[name];
    else kept[name] = own[name];
  }
  return kept;
};

/** The lists that a new version 1 device gets where it has none (MS-3.2, core). */
const defaultLists = (properties: Properties): Properties => {
  const { owner } = properties;
  const everybody = ['*'];
  const lists =
    typeof owner === 'string'
      ? {
          discoverWhitelist: withNames(properties['discoverWhitelist'], owner),
          configureWhitelist: withNames(properties['configureWhitelist'], owner),
        }
      : {
          discoverWhitelist: properties['discoverWhitelist'] ?? everybody,
          configureWhitelist: properties['configureWhitelist'] ?? everybody,
        };
  return {
    ...lists,
    sendWhitelist: properties['sendWhitelist'] ?? everybody,
    receiveWhitelist: properties['receiveWhitelist'] ?? everybody,
  };
};

/** Longest name that a group is found by, in characters. */
const maxGroupName = 256;

/**
 * The name that the registry finds a group by; undefined for what is none. Once a group, always a
 * group.
 */
const groupNameOf = ({ type, name }: Properties, before: DeviceDocument | null): string | undefined => {
  const earlier = before?._rollcall?.group;
  const isName = typeof name === 'string' && name !== '' && name.length <= maxGroupName;
  return isName && (earlier !== undefined || type === 'group') ? name : earlier;
};

/** Whether it is a group, also if it has no name yet. */
export const isGroup = ({ type, _rollcall: hidden }: DeviceDocument): boolean => type === 'group' || hidden?.group !== undefined;

/** The document of a new device with these properties (MS-2.3, MS-3.2). */
export const newDevice = (properties: Properties, uuid: string, now: Date): DeviceDocument => {
  const own: Properties = {};
  for (const [key, value] of Object.entries(properties)) {
    if (key === 'uuid' || key === 'token' || key === '_id' || key === 'socketid') continue;
    if (key === '_rollcall') refuseReserved('/_rollcall');
    own[storedKey(key, `/${key}`)] = storedValue(value, `/${key}`);
  }
  checkWhitelists(own);
  const meshblu = { ...keepServersOwn(own['meshblu'], undefined), createdAt: now, hash: hashOf(uuid, now) };
  const document: DeviceDocument = {
    _id: uuid,
    uuid,
    ...own,
    online: asBoolean(own['online'] ?? false),
    ...(isVersionTwo(own) ? {} : defaultLists(own)),
    meshblu,
  };
  checkSize(document, null);
  const group = groupNameOf(own, null);
  return group === undefined ? document : { ...document, _rollcall: { rev: 0, shown: 0, group } };
};

const refuseReserved = (path: string): never => {
  throw new RegistryError('invalid-input', undefined, {
    details: [{ path, rule: 'reserved', message: 'only the server writes this property' }],
  });
};

/**
 * The next revision of a document, or null if nothing changed.
 *
 * `compute` makes the changed document of the one before; what only the server writes is then put
 * back as it was, and `meshblu.updatedAt`, `updatedBy` and `hash` are renewed (MS-2.5).
 */
export const changeDevice = (
  before: DeviceDocument,
  compute: (before: DeviceDocument) => Properties,
  by: string,
  now: Date,
): Revision<DeviceDocument> | null => {
  const computed = compute(before);
  const after: Properties = { ...computed, uuid: before.uuid };
  for (const key of ['_id', 'token', 'socketid', '_rollcall']) {
    if (before[key] === undefined) delete after[key];
    else after[key] = before[key];
  }
  if ('online' in after) after['online'] = asBoolean(after['online']);
  if ('meshblu' in after || 'meshblu' in before) after['meshblu'] = keepServersOwn(after['meshblu'], before['meshblu']);
  if (equalValues(after, normalised(before))) return null;
  checkWhitelists(after, before);
  const meshblu = {
    ...(after['meshblu'] as Properties | undefined),
    updatedAt: now,
    updatedBy: by,
    hash: hashOf(before.uuid, now),
  };
  const next = { ...after, _id: before._id, uuid: before.uuid, meshblu } as DeviceDocument;
  checkSize(next, before);
  const group = groupNameOf(next, before);
  if (group === before._rollcall?.group) return { next, visible: true };
  const hidden = { rev: 0, shown: 0, ...before._rollcall, ...(group !== undefined && { group }) };
  return { next: { ...next, _rollcall: hidden }, visible: true };
};

/** The document before, in the form in which it is compared. */
const normalised = (before: DeviceDocument): Properties => {
  const same: Properties = { ...before };
  if ('online' in same) same['online'] = asBoolean(same['online']);
  if ('meshblu' in same) same['meshblu'] = keepServersOwn(same['meshblu'], same['meshblu']);
  return same;
};

/**
 * What `claimdevice` sets: the caller as owner, and in the whitelists for seeing and configuring
 * the device (MS-2.11).
 */
export const claimDevice = (before: DeviceDocument, by: string): Properties => {
  const lists = {
    owner: by,
    discoverWhitelist: naming(before['discoverWhitelist'], by),
    configureWhitelist: naming(before['configureWhitelist'], by),
  };
  if (!isVersionTwo(before)) return { ...before, ...lists };
  const meshblu = before['meshblu'] as Properties;
  const whitelists = isPlainObject(meshblu['whitelists']) ? meshblu['whitelists'] : {};
  return {
    ...before,
    ...lists,
    meshblu: {
      ...meshblu,
      whitelists: withEntry(withEntry(whitelists, 'discover', 'view', by), 'configure', 'update', by),
    },
  };
};

/**
 * A group after it was taken over: the new owner alone sees and configures it, and what the one
 * before made it do is over.
 */
export const groupTakenOver = (before: DeviceDocument, by: string): Properties => {
  const entry = [{ uuid: by }];
  const {
    forwarders: _forwarders,
    messageHooks: _hooks,
    configHooks: _configHooks,
    ...meshblu
  } = before['meshblu'] as Properties;
  const { messageForward: _forward, configForward: _configForward, ...kept } = meshblu;
  const whitelists = { discover: { view: entry }, configure: { update: entry } };
  return { ...before, owner: by, meshblu: { ...kept, version: '2.0.0', whitelists } };
};

const withEntry = (whitelists: Properties, group: string, name: string, uuid: string): Properties => {
  const lists = isPlainObject(whitelists[group]) ? whitelists[group] : {};
  const entries: unknown[] = Array.isArray(lists[name]) ? lists[name] : [];
  const listed = entries.some((entry) => isPlainObject(entry) && entry['uuid'] === uuid);
  return listed ? whitelists : { ...whitelists, [group]: { ...lists, [name]: [...entries, { uuid }] } };
};

/**
 * The document of a device that was unregistered: missing to everybody, kept for its last event
 * (ME-6).
 */
export const goneDevice = (before: DeviceDocument, by: string, now: number): Revision<DeviceDocument> => {
  const { group: _name, ...hidden } = before._rollcall ?? { rev: 0, shown: 0 };
  const mark = isGroup(before) ? { wasGroup: true as const } : {};
  return asTombstone({ ...before, _rollcall: { ...hidden, ...mark } }, by, now);
};
