import { createHash } from 'node:crypto';
import { tokenHash } from '@rollcall/server/internal/identity/tokens/device-tokens';
import type { DeviceDocument } from '@rollcall/server/internal/domain/documents/device';
import type { TokenDocument } from '@rollcall/server/internal/domain/documents/token';

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

/** 32 bits that look like chance (the finalizer of MurmurHash3): a load process names devices faster than it could hash. */
const scattered = (number: number): number => {
  let bits = number | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
};

const hex = (bits: number): string => bits.toString(16).padStart(8, '0');

/** `kind`: a digit, another one for each kind of device. */
const uuidOf = (kind: number, index: number): string => {
  const tail = hex(scattered(index ^ 0x5bd1e995));
  return `${hex(scattered(index))}-${tail.slice(0, 4)}-4${kind}00-a000-0000${tail}`;
};

/** The uuid of a device by its number; the numbers' order says nothing about the uuids' order. */
export const deviceUuid = (index: number): string => uuidOf(1, index);

/** The devices' numbers in the order of their uuids and times of creation: a store is filled faster in it. */
export const inOrder = ({ devices }: Population): number[] =>
  Array.from({ length: devices }, (_, index) => index).sort((a, b) => scattered(a) - scattered(b));

/** The uuid of a caller by its number. */
export const callerUuid = (index: number): string => uuidOf(2, index);

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
  return { type: 'sensor', owner: uuidOf(3, group) };
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
      createdAt: new Date(epoch + scattered(index)),
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
