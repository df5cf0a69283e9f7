import { looksLikeUuid } from '../domain/user.ts';
import type { Repository } from '../data/repository/types.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';

/** Where devices are looked up. */
type Lookup = Pick<Repository<DeviceDocument>, 'get' | 'getFresh'>;

/** The form of a uuid without capital letters (RFC 9562, section 4); undefined if `given` has this form or is no uuid. */
export const lowerUuid = (given: string): string | undefined => {
  const lower = given.toLowerCase();
  return lower !== given && looksLikeUuid(given) ? lower : undefined;
};

/** The uuid that a caller means. Case does not matter, but a device of an old database that has exactly this uuid comes first. */
export const canonicalUuid = async (devices: Lookup, given: string): Promise<string> => {
  const lower = lowerUuid(given);
  if (lower === undefined) return given;
  const exact = (await devices.get(given)) ?? (await devices.getFresh(given));
  return exact === null ? lower : given;
};

/** Fields of calls that name devices, if the row of the call declares them. */
const naming = ['uuid', 'subscriberUuid', 'emitterUuid', 'devices', 'target', 'actor'] as const;

/** The input of a call with the uuids that its caller means. `declared`: the fields of its row. */
export const withCanonicalUuids = async (
  devices: Lookup,
  declared: Readonly<Record<string, unknown>>,
  input: Readonly<Record<string, unknown>>,
): Promise<Readonly<Record<string, unknown>>> => {
  let changed = input;
  for (const name of naming) {
    const value = declared[name] === undefined ? undefined : input[name];
    if (typeof value === 'string') {
      if (lowerUuid(value) !== undefined) changed = { ...changed, [name]: await canonicalUuid(devices, value) };
    } else if (Array.isArray(value) && value.some((one) => typeof one === 'string' && lowerUuid(one) !== undefined)) {
      const meant: unknown[] = [];
      for (const one of value as unknown[]) meant.push(typeof one === 'string' ? await canonicalUuid(devices, one) : one);
      changed = { ...changed, [name]: meant };
    }
  }
  return changed;
};
