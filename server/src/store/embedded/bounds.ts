import { BSON } from 'mongodb';
import { encodeStoredKey } from './evaluate.ts';
import type { Index } from './catalog.ts';
import { inverted, type KeyDirection } from './index-keys.ts';
import { isNumber } from '../../mql/index.ts';
import type { Demand, Predicates } from './predicates.ts';

/** Keys from `from` (included) to `to` (excluded); undefined `to` is the end of the index. */
export interface Range {
  from: Uint8Array;
  to: Uint8Array | undefined;
}

/** The part of an index that a filter needs: every matching document has an entry in one of the ranges. */
export interface Bounds {
  index: Index;
  ranges: Range[];
  /** How many leading parts of the index are fixed to single points: the order of the following parts is kept. */
  fixed: number;
  /** How many leading parts are used at all. */
  used: number;
  /** The entries in the ranges are exactly the demands on these parts. */
  exact: boolean;
}

/** Maximum number of ranges for which an index is used. */
const maxRanges = 2000;
/** Maximum number of ranges from combined value lists: most combinations do not exist, and each is looked up. */
const maxPairs = 16;

/** The narrowest bounds that hold for an index, or undefined if the filter says nothing of its first part. */
export function boundsOf(index: Index, { paths }: Predicates): Bounds | undefined {
  let prefixes: Uint8Array[] = [new Uint8Array(0)];
  const bounds: Bounds = { index, ranges: [], fixed: 0, used: 0, exact: true };
  const roots = new Set<string>();
  for (const [path, direction] of index.parts) {
    const demand = paths.get(path);
    // Two paths into one array may be satisfied by different elements, that is by different entries.
    const root = path.split('.', 1)[0] as string;
    if (demand === undefined || (index.multikey && roots.has(root))) break;
    roots.add(root);
    const points = pointsFor(index, path, demand);
    const most = prefixes.length > 1 && (points?.length ?? 0) > 1 ? maxPairs : maxRanges;
    if (points !== undefined && prefixes.length * points.length <= most) {
      const keys = points.map((point) => keyFor(point, direction));
      prefixes = prefixes.flatMap((prefix) => keys.map((key) => concat(prefix, key)));
      if (points.length === 1 && bounds.fixed === bounds.used) bounds.fixed += 1;
      bounds.used += 1;
      continue;
    }
    const range = rangeFor(index, demand, direction);
    if (range !== undefined) {
      bounds.used += 1;
      bounds.exact = false;
      bounds.ranges = prefixes.map((prefix) => inside(prefix, range));
    }
    break;
  }
  if (bounds.used === 0) return undefined;
  if (bounds.ranges.length === 0) bounds.ranges = prefixes.map((prefix) => ({ from: prefix, to: successor(prefix) }));
  return bounds;
}

function pointsFor(index: Index, path: string, { points }: Demand): unknown[] | undefined {
  const [first] = points;
  if (first === undefined) return undefined;
  // A missing field equals null, and a sparse index does not know missing fields.
  if (first.includes(null) && (index.sparse === true || path.includes('.'))) return undefined;
  return first;
}

function rangeFor(index: Index, { lower, upper }: Demand, direction: KeyDirection): Range | undefined {
  const low = lower[0];
  // In a multikey index one element may satisfy the lower bound and another one the upper.
  const high = index.multikey && low !== undefined ? undefined : upper[0];
  const example = low ?? high;
  if (example === undefined || (high !== undefined && classOf(high) !== classOf(example))) return undefined;
  const from = low === undefined ? classStart(example) : encodeStoredKey(low);
  const to = high === undefined ? classEnd(example) : successor(encodeStoredKey(high));
  if (direction === 1) return { from, to };
  // Inverted, `to` (excluded) becomes the first key and `from` (included) the last.
  return { from: to === undefined ? new Uint8Array(0) : inverted(to), to: successor(inverted(from)) };
}

function classOf(value: unknown): string {
  if (isNumber(value)) return 'number';
  if (typeof value === 'string') return 'string';
  return value instanceof Date ? 'date' : value instanceof BSON.ObjectId ? 'id' : 'other';
}

/** The first byte of a key is its type's; numbers begin at minus infinity, so that NaN, which sorts below, stays out. */
function classStart(value: unknown): Uint8Array {
  return isNumber(value) ? encodeStoredKey(-Infinity) : encodeStoredKey(value).slice(0, 1);
}

function classEnd(value: unknown): Uint8Array | undefined {
  return successor(encodeStoredKey(isNumber(value) ? Infinity : value).slice(0, 1));
}

function keyFor(value: unknown, direction: KeyDirection): Uint8Array {
  const key = encodeStoredKey(value);
  return direction === 1 ? key : inverted(key);
}

function inside(prefix: Uint8Array, { from, to }: Range): Range {
  return { from: concat(prefix, from), to: to === undefined ? successor(prefix) : concat(prefix, to) };
}

/** The first key after all keys that begin with these bytes; undefined if there is none. */
export function successor(prefix: Uint8Array): Uint8Array | undefined {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length -= 1;
  if (length === 0) return undefined;
  const next = new Uint8Array(prefix.subarray(0, length));
  next[length - 1] = (next[length - 1] as number) + 1;
  return next;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
