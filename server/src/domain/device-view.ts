import type { Metadata } from './documents/metadata.ts';
import type { DeviceDocument } from './documents/device.ts';

/** What clients get of a document: JSON values only. */
export type DeviceView = { readonly uuid: string } & Readonly<Record<string, unknown>>;

/**
 * Properties of a device document that never leave the server (Meshblu reference, rule M4), and
 * ours.
 */
const secret = new Set(['_id', 'token', 'socketid', '_rollcall']);

const dollar = /\uFF04/g;

/** Nearly every key is as it was stored: to look first costs a third of replacing nothing. */
const outgoingKey = (key: string): string => (key.includes('\uFF04') ? key.replace(dollar, '$') : key);

interface Wrapped {
  readonly _bsontype: string;
  toString(): string;
  toNumber?(): number;
  valueOf?(): unknown;
  toHexString?(): string;
}

/** A BSON value as JSON: numbers where they fit, else their text. */
const fromBson = (value: Wrapped): unknown => {
  switch (value._bsontype) {
    case 'Long': {
      const number = value.toNumber?.() ?? Number.NaN;
      return Number.isSafeInteger(number) ? number : value.toString();
    }
    case 'Int32':
    case 'Double':
      return Number(value.valueOf?.());
    case 'Binary':
      return (value as unknown as { toString(encoding: string): string }).toString('base64');
    default:
      return value.toString();
  }
};

const isWrapped = (value: object): value is Wrapped => '_bsontype' in value;

/** A stored value as clients see it. U+FF04 in a key stands for `$` (MS-2.5). */
export const outgoingValue = (stored: unknown): unknown => {
  if (typeof stored !== 'object' || stored === null) return stored === undefined ? null : stored;
  if (Array.isArray(stored)) return stored.map(outgoingValue);
  if (stored instanceof Date) return Number.isNaN(stored.getTime()) ? null : stored.toISOString();
  if (stored instanceof RegExp) return String(stored);
  if (isWrapped(stored)) return fromBson(stored);
  const out: Record<string, unknown> = {};
  const properties = stored as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(properties)) define(out, outgoingKey(key), outgoingValue(properties[key]));
  return out;
};

/** Plain assignment but for the one key that would change the prototype. */
const define = (out: Record<string, unknown>, key: string, inner: unknown): void => {
  if (key === '__proto__')
    Object.defineProperty(out, key, { value: inner, enumerable: true, configurable: true, writable: true });
  else out[key] = inner;
};

const meshblu = (stored: unknown, { shown: rev = 0, presence }: Partial<Metadata>): unknown => {
  const online = presence && { online: { since: new Date(presence.since).toISOString(), reason: presence.reason } };
  const seen = outgoingValue(stored);
  if (typeof seen !== 'object' || seen === null || Array.isArray(seen)) return { ...online, rev };
  const { tokens: _hashes, ...rest } = seen as Record<string, unknown>;
  return { ...rest, ...online, rev };
};

const known = new WeakMap<DeviceDocument, DeviceView>();

/**
 * The one way out for a device document: what is secret or ours is taken away, BSON becomes JSON,
 * `online` a boolean, and `meshblu.rev` says which visible change this is, and `meshblu.online`
 * since when and why the device is on or off line.
 *
 * A stored document is never changed in place, so its outgoing form is made once.
 */
export const outgoing = (document: DeviceDocument): DeviceView => {
  const before = known.get(document);
  if (before !== undefined) return before;
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(document)) {
    if (secret.has(key)) continue;
    const stored = document[key];
    define(out, outgoingKey(key), key === 'online' ? Boolean(stored) : key === 'meshblu' ? stored : outgoingValue(stored));
  }
  out['meshblu'] = meshblu(document['meshblu'], document._rollcall ?? {});
  const seen = out as DeviceView;
  known.set(document, seen);
  return seen;
};
