import { LRUCache } from 'lru-cache';
import { RegistryError } from '@rollcall/client/contract';
import type { Audience } from '../realtime/audience.ts';
import type { ChangeFeed } from '../data/feed/change-feed.ts';
import type { IdempotentIds } from '../data/repository/idempotent-ids.ts';
import { changeDevice, newDevice } from '../domain/device.ts';
import { readMessage, type Sent } from '../domain/message.ts';
import { isPlainObject } from '../common/plain-object.ts';
import { chain, type MaybePromise } from '../common/maybe-promise.ts';
import type { Store } from '../data/store.ts';
import type { MqttIdentity } from './login.ts';
import type { Publication } from './stored-message.ts';
import { notDeleted } from '../domain/tombstone.ts';
import type { Repository } from '../data/repository/types.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';

/** A device that a client represents. */
export interface Spoken {
  readonly uuid: string;
  readonly serial: string;
}

/** Passes the messages of MQTT clients to the registry (DM-7). */
export interface RegistryBridge {
  /**
   * Broadcasts a message from its device: for a token's client the device with the serial number in
   * the topic, otherwise the client itself.
   * On `<token>/<serial>/device` that device is registered first.
   * Answers the device if it is not the client itself. Synchronous if nothing has to be loaded.
   */
  take(identity: MqttIdentity, publication: Publication, id: string): MaybePromise<Spoken | undefined>;
  /** The device with this serial number in the group of the client; null if none has registered. */
  deviceOf(identity: MqttIdentity, serial: string): MaybePromise<string | null>;
}

const maxSerial = 128;
const maxKnown = 50_000;
/** Unregistered devices with one serial number, after which a new one gets no id. */
const maxReturns = 16;
const deviceType = 'mqtt-device';

/** Parses the JSON of a payload. Fails for invalid or refused JSON. */
export type ReadJson = (text: string) => unknown;

/** Reads a payload: JSON as its value, other text as text, other bytes as base64. */
const readPayload = (payload: Buffer, readJson: ReadJson): unknown => {
  const text = payload.toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(payload)) return payload.toString('base64');
  try {
    return readJson(text) ?? '';
  } catch {
    return text;
  }
};

/**
 * Properties that a device announces (MT-5). A model needs a manufacturer, firmware needs a model.
 */
const announced = (given: unknown): Readonly<Record<string, string>> => {
  const { manufacturer, model, firmwareVersion } = isPlainObject(given) ? given : {};
  if (typeof manufacturer !== 'string') return {};
  if (typeof model !== 'string') return { manufacturer };
  return typeof firmwareVersion === 'string' ? { manufacturer, model, firmwareVersion } : { manufacturer, model };
};

/** The result of a look-up of a device, or its promise. */
interface Looked {
  uuid: MaybePromise<string | null>;
}

/** A group's uuid has no `/`. */
const nameOf = (group: string, serial: string): string => `${group}/${serial}`;

type Entry = { readonly uuid: string };

/** The uuids that a list of a group's document names, without the wildcard. */
const namedBy = (group: DeviceDocument | null, [area, list]: readonly [string, string]): readonly Entry[] => {
  const { whitelists } = (group?.['meshblu'] ?? {}) as { readonly whitelists?: Readonly<Record<string, unknown>> };
  const lists = isPlainObject(whitelists?.[area]) ? whitelists[area] : {};
  const entries: readonly unknown[] = Array.isArray(lists[list]) ? lists[list] : [];
  return entries.flatMap((entry) => {
    const uuid = isPlainObject(entry) ? entry['uuid'] : undefined;
    return typeof uuid === 'string' && uuid !== '*' ? [{ uuid }] : [];
  });
};

/**
 * The whitelists of a new device of a group.
 * The group, its owner and all who may configure the group have every right on the device.
 * All who may discover the group may discover the device and receive its broadcasts.
 */
const whitelistsOf = (uuid: string, group: DeviceDocument | null) => {
  const owner = group?.['owner'];
  const all = [{ uuid }, ...(typeof owner === 'string' ? [{ uuid: owner }] : []), ...namedBy(group, ['configure', 'update'])];
  const seeing = [...all, ...namedBy(group, ['discover', 'view'])];
  return {
    discover: { view: seeing },
    configure: { update: all, sent: all, received: all },
    message: { from: all, sent: all, received: all },
    broadcast: { sent: seeing, received: all },
  };
};

/** Creates the bridge. */
export const createRegistryBridge = (options: {
  readonly store: Store;
  readonly devices: Repository<DeviceDocument>;
  readonly feed: Pick<ChangeFeed, 'subscribe' | 'onResync'>;
  readonly ids: IdempotentIds;
  /** Is a broadcast of this device public? */
  readonly audience: Audience;
  readonly send: (sent: Sent) => Promise<void>;
  readonly readJson: ReadJson;
  /** The largest message of the registry, in bytes of JSON; a larger one stays with MQTT's own subscribers. */
  readonly messageBytes: number;
  readonly now: () => number;
}): RegistryBridge => {
  const { store, devices, feed, ids, audience, now } = options;
  /** uuids by group and serial number; null for one that has not registered. */
  const known = new LRUCache<string, Looked>({ max: maxKnown });
  feed.subscribe(({ collection, document }) => {
    const { type, owner, serialNumber } = (collection === 'devices' ? document : null) ?? {};
    if (type === deviceType) known.delete(nameOf(String(owner), String(serialNumber)));
  });
  feed.onResync(() => known.clear());

  const isSerial = (serial: string): boolean => serial !== '' && serial !== 'server' && serial.length <= maxSerial;

  const find = async (owner: string, serialNumber: string): Promise<string | null> => {
    const filter = { owner, type: deviceType, serialNumber, ...notDeleted };
    return (await store.collection('devices').findOne(filter, { projection: { uuid: 1 } }))?.uuid ?? null;
  };

  const deviceOf = ({ group }: MqttIdentity, serial: string): MaybePromise<string | null> => {
    if (group === undefined || !isSerial(serial)) return null;
    const name = nameOf(group, serial);
    const seen = known.get(name);
    if (seen !== undefined) return seen.uuid;
    const found = find(group, serial);
    const looked: Looked = { uuid: found };
    known.set(name, looked);
    found.then(
      (uuid) => (looked.uuid = uuid),
      () => known.delete(name),
    );
    return found;
  };

  const register = async (identity: MqttIdentity, serial: string, payload: Buffer): Promise<string | null> => {
    const { group, uuid: by } = identity;
    if (group === undefined || !isSerial(serial)) return null;
    const at = new Date(now());
    const properties = announced(readPayload(payload, options.readJson));
    const present = await deviceOf(identity, serial);
    if (present !== null) {
      await devices.update(present, null, (before) =>
        before === null ? null : changeDevice(before, (document) => ({ ...document, ...properties }), by, at),
      );
      return present;
    }
    const document = {
      type: deviceType,
      serialNumber: serial,
      owner: group,
      ...properties,
      meshblu: { version: '2.0.0', whitelists: whitelistsOf(group, await devices.getFresh(group)) },
    };
    // The id follows from group and serial number: two first messages at once make one device.
    const request = { actor: group, instance: serial, counter: 0, again: 0 };
    for (let index = 0; index < maxReturns; index += 1) {
      const uuid = ids.uuid('mqtt-device', request, index);
      try {
        await devices.insert(newDevice(document, uuid, at));
        known.delete(nameOf(group, serial));
        return uuid;
      } catch (error) {
        if (!(error instanceof RegistryError) || (error.code !== 'conflict' && error.code !== 'outcome-unknown')) throw error;
        if ((await devices.getFresh(uuid)) !== null) return uuid;
      }
    }
    throw new RegistryError('conflict');
  };

  const speaker = (identity: MqttIdentity, { topic, payload }: Publication): MaybePromise<Spoken | undefined> => {
    if (identity.topicToken === undefined) return undefined;
    const [first, serial = '', third, ...rest] = topic.split('/');
    if (first !== identity.topicToken) return undefined;
    const registers = third === 'device' && rest.length === 0;
    const found = registers ? register(identity, serial, payload) : deviceOf(identity, serial);
    return chain(found, (uuid) => (uuid === null ? undefined : { uuid, serial }));
  };

  return {
    deviceOf,
    take: (identity, publication, id) =>
      chain(speaker(identity, publication), (spoken) => {
        const from = spoken?.uuid ?? identity.uuid;
        if (!audience(from)) return spoken;
        const input = { devices: '*', topic: publication.topic, payload: readPayload(publication.payload, options.readJson) };
        const sent = readMessage(input, from, id);
        if (Buffer.byteLength(JSON.stringify(sent.raw)) > options.messageBytes) return spoken;
        return options.send(sent).then(() => spoken);
      }),
  };
};
