import type { Document } from 'mongodb';
import { encodeStoredKey } from './evaluate.ts';
import { serverError } from './errors.ts';

export type KeyDirection = 1 | -1;
export type KeyPart = readonly [path: string, direction: KeyDirection];

/** One entry: the memcmp-ordered key, and the values it was made of, missing ones as null. */
export interface Entry {
  key: Uint8Array;
  values: unknown[];
}

/** The entries of one document in one index, without repetitions, and whether an array was met on the way. */
export interface Entries {
  list: Entry[];
  multikey: boolean;
}

/** One indexed path on its way into the document. `path` is what is still to go; undefined `value` means missing. */
interface Walk {
  value: unknown;
  path: readonly string[];
  final: boolean;
}

/** An empty array, between the lowest rank (1) and null (5). */
const undefinedKey = Uint8Array.of(4);

/** Where an index component may begin for an empty array, which MongoDB keeps below null. */
function component(value: unknown, direction: KeyDirection): Uint8Array {
  const key = value === emptyArray ? undefinedKey : encodeStoredKey(value === undefined ? null : value);
  return direction === 1 ? key : inverted(key);
}

const emptyArray = Symbol('empty array');

/** Bytes that sort the other way round. Keys are prefix-free, so this holds inside a compound key as well. */
export function inverted(key: Uint8Array): Uint8Array {
  const copy = new Uint8Array(key.length);
  for (let at = 0; at < key.length; at += 1) copy[at] = ~(key[at] as number);
  return copy;
}

/**
 * Keys of a document for the parts of an index. Two different arrays in one compound key are refused, as MongoDB does (171).
 *
 * A sparse index leaves out each key none of whose paths exists.
 */
export function entriesOf(document: Document, parts: readonly KeyPart[], sparse = false): Entries {
  const entries: Entries = { list: [], multikey: false };
  const walks = parts.map(([path]): Walk => ({ value: document, path: path.split('.'), final: false }));
  expand(walks, parts, entries, sparse);
  if (entries.list.length > 1) entries.list = distinct(entries.list);
  return entries;
}

function expand(walks: Walk[], parts: readonly KeyPart[], entries: Entries, sparse: boolean): void {
  const ends = walks.map(advance);
  const arrays = new Set(ends.filter(({ value, final }) => !final && Array.isArray(value)).map(({ value }) => value));
  if (arrays.size === 0) {
    if (sparse && ends.every(({ value }) => value === undefined)) return;
    const key = joined(ends.map(({ value }, at) => component(value, (parts[at] as KeyPart)[1])));
    entries.list.push({ key, values: ends.map(({ value }) => (value === emptyArray ? undefined : (value ?? null))) });
    return;
  }
  if (arrays.size > 1) throw serverError(171, 'cannot index parallel arrays');
  entries.multikey = true;
  const [array] = arrays as Set<unknown[]>;
  const elements = array as unknown[];
  if (elements.length === 0)
    expand(
      ends.map((end) => (end.value === array ? emptied(end) : end)),
      parts,
      entries,
      sparse,
    );
  for (const element of elements) {
    expand(
      ends.map((end) => (end.value === array ? inside(element, end) : end)),
      parts,
      entries,
      sparse,
    );
  }
}

/** Follows a path through objects until it ends, meets an array, or leads nowhere. */
function advance(walk: Walk): Walk {
  if (walk.final) return walk;
  let { value, path } = walk;
  while (path.length > 0 && !Array.isArray(value)) {
    value = isObject(value) && Object.hasOwn(value, path[0] as string) ? value[path[0] as string] : undefined;
    path = path.slice(1);
    if (value === undefined) return { value, path: [], final: true };
  }
  return { value, path, final: false };
}

function emptied({ path }: Walk): Walk {
  return { value: path.length === 0 ? emptyArray : undefined, path: [], final: true };
}

function inside(element: unknown, { path }: Walk): Walk {
  if (path.length === 0) return { value: element, path, final: true };
  return Array.isArray(element) ? { value: undefined, path: [], final: true } : { value: element, path, final: false };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !('_bsontype' in value) && !(value instanceof Date);
}

function joined(components: Uint8Array[]): Uint8Array {
  return components.length === 1 ? (components[0] as Uint8Array) : Buffer.concat(components);
}

function distinct(entries: Entry[]): Entry[] {
  return [...new Map(entries.map((entry) => [keyTextOf(entry.key), entry])).values()];
}

/** A key as text, for maps and sets. */
export function keyTextOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
}
