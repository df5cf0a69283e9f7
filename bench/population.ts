import { createHash } from 'node:crypto';
import type { DeviceDocument, TokenDocument } from '@rollcall/server/internal/store/collections';
import { tokenHash } from '@rollcall/server/internal/tokens';

/** A set of devices that every process of a run can name without being told: all of it follows from numbers. */
export interface Population {
  /** How many devices there are beside the callers. */
  readonly devices: number;
  /** How many devices in a row have the same type and owner, and the same caller in their lists. */
  readonly groupSize: number;
  /** About how many bytes a device takes as JSON; 0 for no more than it needs. */
  readonly bytes: number;
}

/** How many devices call; each may see and configure its share of the population. */
export const callers = 100;

/** What the registries under measurement hash tokens with. */
export const pepper = 'pepper of the benchmark';

const digest = (text: string): string => createHash('sha1').update(text).digest('hex');

const uuidOf = (name: string): string => {
  const hex = digest(name);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};

/** The uuid of a device by its number; the numbers' order says nothing about the uuids' order. */
export const deviceUuid = (index: number): string => uuidOf(`device ${index}`);

/** The uuid of a caller by its number. */
export const callerUuid = (index: number): string => uuidOf(`caller ${index}`);

/** The plain root token of a device or caller. */
export const tokenOf = (uuid: string): string => digest(`token ${uuid}`);

/** A random device of those that this caller may see and configure. */
export const randomDeviceOf = (caller: number, { devices, groupSize }: Population): number => {
  const groups = Math.floor(devices / groupSize / callers);
  const group = caller + callers * Math.floor(Math.random() * groups);
  return group * groupSize + Math.floor(Math.random() * groupSize);
};

/** The filter that finds the group of a device, by an index. */
export const groupFilter = (index: number, { groupSize }: Population): { type: string; owner: string } => {
  const group = Math.floor(index / groupSize);
  return { type: 'sensor', owner: uuidOf(`owner ${group}`) };
};

const epoch = Date.UTC(2026, 0, 1);

/** The document of a device, as a registration would have left it. */
export const deviceDocument = (index: number, population: Population): DeviceDocument => {
  const uuid = deviceUuid(index);
  const caller = [{ uuid: callerUuid(Math.floor(index / population.groupSize) % callers) }];
  const document = {
    _id: uuid,
    uuid,
    ...groupFilter(index, population),
    online: false,
    value: 0,
    meshblu: {
      version: '2.0.0',
      whitelists: { discover: { view: caller }, configure: { update: caller } },
      createdAt: new Date(epoch + index),
    },
    _rollcall: { rev: 1, shown: 1 },
  };
  const missing = population.bytes - JSON.stringify(document).length;
  return missing > 0
    ? {
        ...document,
        notes: digest(uuid)
          .repeat(Math.ceil(missing / 40))
          .slice(0, missing),
      }
    : document;
};

/** The document of a caller. */
export const callerDocument = (index: number): DeviceDocument => {
  const uuid = callerUuid(index);
  return {
    _id: uuid,
    uuid,
    type: 'caller',
    online: false,
    meshblu: { version: '2.0.0', whitelists: {}, createdAt: new Date(epoch) },
    _rollcall: { rev: 1, shown: 1 },
  };
};

/** The row that lets a device or caller in. */
export const tokenRow = (uuid: string): TokenDocument => ({
  _id: `root:${uuid}`,
  uuid,
  hashedToken: tokenHash(tokenOf(uuid), uuid, pepper),
  metadata: { createdAt: new Date(epoch) },
  root: true,
  _rollcall: { rev: 1, shown: 1 },
});
