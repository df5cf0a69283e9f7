import { whitelistNames, type Access, type Row, type Whitelist } from '@rollcall/client/contract';
import type { Filter } from 'mongodb';
import { resourceOf, type Permissions, type Verb } from './permissions.ts';
import type { DeviceDocument } from './documents/device.ts';

/** Whom a list may name: a device, by its own uuid or by that of its principal's group (DM-5). */
export interface Who {
  readonly uuid: string;
  readonly tenant?: string | undefined;
}

/**
 * The subject of a decision. `as`: the document of the device it acts for, null if there is none
 * (MS-4.5).
 */
export interface Subject extends Who {
  /**
   * What the subject's roles allow. Missing for a device without a principal; not used while acting
   * for another device.
   */
  readonly permissions?: Permissions;
  readonly as?: { readonly uuid: string; readonly document: DeviceDocument | null };
}

/** A decision. A missing target and a forbidden one give one result. */
export type Decision = { readonly allowed: true } | { readonly allowed: false; readonly code: 'forbidden' | 'unauthenticated' };

const allowed: Decision = { allowed: true };
const forbidden: Decision = { allowed: false, code: 'forbidden' };
const unauthenticated: Decision = { allowed: false, code: 'unauthenticated' };

type Properties = Readonly<Record<string, unknown>>;

/**
 * What of a version 1 device counts as which version 2 list (MS-4.3). Nothing leads to
 * broadcast.as.
 */
const versionOneLists: Readonly<Record<Whitelist, readonly string[]>> = {
  'discover.view': ['discoverWhitelist', 'owner'],
  'discover.as': ['discoverAsWhitelist', 'owner'],
  'configure.update': ['configureWhitelist', 'owner'],
  'configure.as': ['configureAsWhitelist', 'owner'],
  'configure.sent': ['discoverWhitelist', 'owner'],
  'configure.received': ['owner'],
  'message.from': ['sendWhitelist', 'owner'],
  'message.as': ['sendAsWhitelist', 'owner'],
  'message.sent': ['configureWhitelist', 'owner'],
  'message.received': ['configureWhitelist', 'receiveAsWhitelist', 'owner'],
  'broadcast.sent': ['receiveWhitelist', 'owner'],
  'broadcast.received': ['configureWhitelist', 'receiveAsWhitelist', 'owner'],
  'broadcast.as': [],
};

const paths = Object.fromEntries(whitelistNames.map((name) => [name, name.split('.')])) as unknown as Readonly<
  Record<Whitelist, readonly [string, string]>
>;

/** The acting whitelist (`as`) for each group of whitelists. */
const actingLists: Readonly<Record<string, Whitelist>> = {
  discover: 'discover.as',
  configure: 'configure.as',
  message: 'message.as',
  broadcast: 'broadcast.as',
};

const propertiesOf = (value: unknown): Properties | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Properties) : undefined;

/**
 * Version 2 applies only if `meshblu.version` is exactly that; then the old lists and `owner` mean
 * nothing (section 4.1).
 */
export const isVersionTwo = (document: Properties): boolean => propertiesOf(document['meshblu'])?.['version'] === '2.0.0';

const namesEntry = (list: unknown, uuid: string): boolean => {
  if (!Array.isArray(list)) return false;
  for (const entry of list as readonly unknown[]) {
    const listed = propertiesOf(entry)?.['uuid'];
    if (listed === uuid || listed === '*') return true;
  }
  return false;
};

/** A version 1 list is a list of texts; a text alone is a list of one (MS-4.2). */
const namesText = (list: unknown, uuid: string): boolean =>
  Array.isArray(list) ? list.includes(uuid) || list.includes('*') : list === uuid || list === '*';

/**
 * Does this list of this document name this uuid, or everybody? The one place where an id is
 * compared with a list.
 */
const names = (document: DeviceDocument, list: Whitelist, uuid: string): boolean => {
  const [group, name] = paths[list];
  const whitelists = propertiesOf(propertiesOf(document['meshblu'])?.['whitelists']);
  if (namesEntry(propertiesOf(whitelists?.[group])?.[name], uuid)) return true;
  if (isVersionTwo(document)) return false;
  return versionOneLists[list].some((property) =>
    property === 'owner' ? document['owner'] === uuid : namesText(document[property], uuid),
  );
};

/** Whether this list of the document names the device, its group, or everybody. */
export const grants = (document: DeviceDocument, list: Whitelist, { uuid, tenant }: Who): boolean =>
  names(document, list, uuid) || (tenant !== undefined && names(document, list, tenant));

/** One whitelist entry that names a subject: the path of the list or text, and the entry. */
export interface Naming {
  readonly path: string;
  readonly entry: string;
}

/**
 * Every place where this list of this document names this device, its group, or everybody; none
 * exactly if `grants` says no.
 */
export const namings = (document: DeviceDocument, list: Whitelist, { uuid, tenant }: Who): readonly Naming[] => {
  const [group, name] = paths[list];
  const whitelists = propertiesOf(propertiesOf(document['meshblu'])?.['whitelists']);
  const wanted = new Set<unknown>([uuid, '*', ...(tenant === undefined ? [] : [tenant])]);
  const found = (path: string, entries: readonly unknown[]): readonly Naming[] =>
    [...new Set(entries)]
      .filter((entry) => typeof entry === 'string')
      .filter((entry) => wanted.has(entry) && (path !== 'owner' || entry !== '*' || uuid === '*' || tenant === '*'))
      .map((entry) => ({ path, entry }));
  const entries = propertiesOf(whitelists?.[group])?.[name];
  const listed = Array.isArray(entries) ? (entries as readonly unknown[]).map((entry) => propertiesOf(entry)?.['uuid']) : [];
  const old = isVersionTwo(document) ? [] : versionOneLists[list];
  return [
    ...found(`meshblu.whitelists.${list}`, listed),
    ...old.flatMap((property) => {
      const value = document[property];
      return found(property, property !== 'owner' && Array.isArray(value) ? (value as readonly unknown[]) : [value]);
    }),
  ];
};

/** The device of a document, as a list may name it. */
export const whoIs = ({ uuid, _rollcall: hidden }: DeviceDocument): Who => ({ uuid, tenant: hidden?.tenant });

/** May this device do to that document what the list is for? A device may do anything to itself. */
const mayActOn = (who: Who, list: Whitelist, target: DeviceDocument | null): boolean =>
  target !== null && (target.uuid === who.uuid || grants(target, list, who));

/** The device on whose behalf a call is made. */
const effective = ({ uuid, tenant, as }: Subject): Who =>
  as === undefined || as.uuid === uuid ? { uuid, tenant } : as.document === null ? { uuid: as.uuid } : whoIs(as.document);

/**
 * Whether the subject may act as the device it names. Acting as itself is always allowed.
 *
 * A subject that acts for X may not act *on* X: otherwise the rule that a device may do anything to
 * itself would open every device (MS-4.5).
 */
const mayActAs = (subject: Subject, list: Whitelist, targetUuid: string | undefined): boolean => {
  const { as } = subject;
  if (as === undefined || as.uuid === subject.uuid) return true;
  if (as.document === null || as.uuid === targetUuid) return false;
  const acting = actingLists[paths[list][0]];
  return acting !== undefined && grants(as.document, acting, subject);
};

const actsAsItself = ({ uuid, as }: Subject): boolean => as === undefined || as.uuid === uuid;

/**
 * Whether a role of the subject allows this path. Roles do not count while the subject acts for
 * another device.
 */
const permits = (subject: Subject, operation: Verb, path: string | undefined): boolean =>
  path !== undefined && actsAsItself(subject) && subject.permissions?.allow('http', operation, path) === true;

/** What a row asks for, and the path that a role would have to allow instead of a whitelist. */
export type Gate = Access & { readonly twin?: { readonly path: string; readonly operation: Verb } };

/**
 * What a call by this route asks for; default is the first route of the row, which stands for the
 * other transports too.
 *
 * A permission is asked for the path of the route. Where a whitelist and a target decide, a role
 * may allow the path of the route instead, without its version; there is no such path if the route
 * does not name the target.
 */
export const gateOf = ({ access, http, mutates }: Pick<Row, 'access' | 'http' | 'mutates'>, route = http[0]): Gate => {
  const [, whole] = route?.split(' ') ?? [];
  if ('permission' in access) return route === http[0] ? access : { ...access, permission: whole as `/${string}` };
  if (!('target' in access)) return access;
  const path = whole?.replace(/^\/v\d+(?=\/)/, '');
  if (path?.split('/').includes(`:${access.target}`) !== true) return access;
  return { ...access, twin: { path, operation: mutates ? 'write' : 'read' } };
};

/**
 * The one policy: may `subject` do what a row with this access does to `target`?
 *
 * `target` is the document that the input names, null if there is none; it is looked at only if the
 * row names a target. `input` fills the paths that roles allow.
 */
export const decide = (
  subject: Subject | null,
  access: Gate,
  target: DeviceDocument | null,
  input: Readonly<Record<string, unknown>> = {},
): Decision => {
  if ('public' in access) return allowed;
  if (subject === null) return unauthenticated;
  if ('self' in access) return actsAsItself(subject) ? allowed : forbidden;
  if ('permission' in access) {
    if (access.orSelf !== undefined && actsAsItself(subject) && input[access.orSelf] === subject.uuid) return allowed;
    return permits(subject, access.operation, resourceOf(access.permission, input)) ? allowed : forbidden;
  }
  const group = 'target' in access && access.ofGroup === 'name' ? target?._rollcall?.group : undefined;
  if (target !== null && group !== undefined) return mayNameGroup(subject, target.uuid, group) ? allowed : forbidden;
  if (!('target' in access)) return mayActAs(subject, access.whitelist, undefined) ? allowed : forbidden;
  const permitted = mayActAs(subject, access.whitelist, target?.uuid) && mayActOn(effective(subject), access.whitelist, target);
  if (permitted) return allowed;
  const { twin } = access;
  const byRole = target !== null && twin !== undefined && permits(subject, twin.operation, resourceOf(twin.path, input));
  return byRole ? allowed : forbidden;
};

/** Of what was found: may this device see it? The rule of `decide`, for search hits. */
export const sees = (who: Who, list: Whitelist, found: DeviceDocument): boolean => mayActOn(who, list, found);

/** Whether the sender may send the addressee a message, as both are now. */
export const mayMessage = (sender: DeviceDocument, addressee: DeviceDocument): boolean =>
  mayActOn(whoIs(sender), 'message.from', addressee);

/**
 * The whitelists that allow a subscription to a device (MS-2.17); a subject that may configure the
 * device may always subscribe.
 */
const listeningLists = {
  broadcast: 'broadcast.sent',
  sent: 'message.sent',
  received: 'message.received',
  config: 'configure.sent',
  data: 'configure.update',
} as const satisfies Readonly<Record<string, Whitelist>>;

/** What one can listen to of another device. */
export type Channel = keyof typeof listeningLists;

/** Whether the device may receive that channel of the document's device, as the document is now. */
export const hears = (who: Who, channel: Channel, emitter: DeviceDocument): boolean =>
  mayActOn(who, listeningLists[channel], emitter) || grants(emitter, 'configure.update', who);

/** Whether this device may act for that one in this group of actions. */
export const actsFor = (who: Who, group: 'message' | 'broadcast', document: DeviceDocument): boolean =>
  document.uuid === who.uuid || grants(document, `${group}.as`, who);

const parts = new WeakMap<DeviceDocument, DeviceDocument>();
/** The properties of a version 1 document that decide who may do what to it. */
export const versionOneNames: readonly string[] = [...new Set(Object.values(versionOneLists).flat())];

/**
 * What of a document decides who may do what to it, whom lists name by it, and to whom what it
 * receives goes on: enough to ask later as of now.
 */
export const accessPart = (document: DeviceDocument): DeviceDocument => {
  const known = parts.get(document);
  if (known !== undefined) return known;
  const { version, whitelists, forwarders } = propertiesOf(document['meshblu']) ?? {};
  const meshblu = { version, whitelists, ...(forwarders !== undefined && { forwarders }) };
  const lists = versionOneNames.filter((name) => document[name] !== undefined).map((name) => [name, document[name]]);
  const part: DeviceDocument = {
    _id: document._id,
    uuid: document.uuid,
    ...(Object.fromEntries(lists) as Record<string, unknown>),
    meshblu,
    ...(document._rollcall?.tenant !== undefined && { _rollcall: { rev: 0, shown: 0, tenant: document._rollcall.tenant } }),
  };
  parts.set(document, part);
  return part;
};

/**
 * The uuids that this whitelist allows, the device's own among them; null: all. `sees` allows no
 * others.
 */
export const named = (document: DeviceDocument, list: Whitelist): ReadonlySet<string> | null => {
  const [group, name] = paths[list];
  const uuids = new Set<unknown>([document.uuid]);
  const entries = propertiesOf(propertiesOf(propertiesOf(document['meshblu'])?.['whitelists'])?.[group])?.[name];
  if (Array.isArray(entries)) for (const entry of entries) uuids.add(propertiesOf(entry)?.['uuid']);
  if (!isVersionTwo(document)) {
    for (const property of versionOneLists[list]) {
      const listed = document[property];
      if (property === 'owner') uuids.add(listed === '*' ? undefined : listed);
      else for (const uuid of Array.isArray(listed) ? (listed as readonly unknown[]) : [listed]) uuids.add(uuid);
    }
  }
  return uuids.has('*') ? null : new Set([...uuids].filter((uuid) => typeof uuid === 'string'));
};

/**
 * The store filter for `sees`: everything that `sees` allows matches it.
 *
 * On documents with lists of another form than Meshblu's it may match more than `sees` allows; what
 * is found is asked again.
 */
export const visible = ({ uuid, tenant }: Who, list: Whitelist): Filter<DeviceDocument> => {
  const own = tenant === undefined ? [uuid] : [uuid, tenant];
  const names = { $in: [...own, '*'] };
  const old = versionOneLists[list].map((property) => ({
    [property]: property === 'owner' && tenant === undefined ? uuid : property === 'owner' ? { $in: own } : names,
  }));
  return {
    $or: [
      { uuid },
      { [`meshblu.whitelists.${list}.uuid`]: names },
      ...old.map((grant) => ({ ...grant, 'meshblu.version': { $ne: '2.0.0' } })),
    ],
  };
};

/**
 * The paths of which a role has to allow writing one, for making or taking over the group with this
 * name.
 */
export const groupPaths = (uuid: string, name: string): readonly string[] =>
  [resourceOf('/groups/:name', { name }), resourceOf('/api/users/:uuid', { uuid })].filter((path) => path !== undefined);

/**
 * May this subject make a group with this name, or take one over? A role has to allow writing
 * `/groups/<name>`, or `/api/users/<uuid>` of the group itself, which administrators of users have.
 */
export const mayNameGroup = ({ uuid: caller, as, permissions }: Subject, uuid: string, name: string): boolean =>
  (as === undefined || as.uuid === caller) &&
  groupPaths(uuid, name).some((path) => permissions?.allow('http', 'write', path) === true);
