import type { Document } from 'mongodb';
import { decode } from './bson.ts';
import { entriesOf, type Entry } from './index-keys.ts';
import type { SortOrder } from './plan.ts';
import type { RowData } from './rows.ts';

/** A matching row with the bytes that place it. */
interface Placed {
  key: Uint8Array;
  row: RowData;
}

/** Rows sorted in runs of this many without a pause. */
const runLength = 2048;

/**
 * Sorts rows. With a limit only as many as needed are kept. Yields undefined wherever the reader may pause.
 *
 * Arrays sort by their smallest element upwards and by their largest downwards; rows of equal place keep their order.
 */
export function* sorted(
  rows: Iterable<{ row: RowData; document: Document | undefined } | undefined>,
  order: SortOrder,
  most: number,
): Generator<RowData | undefined, void> {
  let runs: Placed[][] = [];
  let run: Placed[] = [];
  for (const found of rows) {
    if (found === undefined) {
      yield undefined;
      continue;
    }
    run.push({ key: placeOf(found.document ?? decode(found.row.d), order), row: found.row });
    if (run.length < runLength) continue;
    runs.push(run.sort(byKey).slice(0, most));
    run = [];
    if (runs.length > 1 && most < runLength) runs = [yield* merge(runs, most)];
    yield undefined;
  }
  runs.push(run.sort(byKey).slice(0, most));
  for (const { row } of yield* merge(runs, most)) yield row;
}

/** Merges neighbours until one run is left, with a chance to pause every few thousand rows. */
function* merge(runs: Placed[][], most: number): Generator<undefined, Placed[]> {
  let left = runs;
  while (left.length > 1) {
    const next: Placed[][] = [];
    for (let at = 0; at < left.length; at += 2) {
      const second = left[at + 1];
      next.push(second === undefined ? (left[at] as Placed[]) : yield* mergeTwo(left[at] as Placed[], second, most));
    }
    left = next;
  }
  return left[0] ?? [];
}

function* mergeTwo(a: Placed[], b: Placed[], most: number): Generator<undefined, Placed[]> {
  const merged: Placed[] = [];
  let i = 0;
  let j = 0;
  while (merged.length < most && (i < a.length || j < b.length)) {
    const takeFirst = j >= b.length || (i < a.length && byKey(a[i] as Placed, b[j] as Placed) <= 0);
    merged.push(takeFirst ? (a[i++] as Placed) : (b[j++] as Placed));
    if (merged.length % runLength === 0) yield undefined;
  }
  return merged;
}

function byKey(a: Placed, b: Placed): number {
  return Buffer.compare(a.key, b.key);
}

/** The document's smallest key, as an index on the order would have it. Two arrays on two paths are an error, as there. */
function placeOf(document: Document, order: SortOrder): Uint8Array {
  const { list } = entriesOf(document, order);
  let [{ key }] = list as [Entry];
  for (const other of list) if (Buffer.compare(other.key, key) < 0) key = other.key;
  return key;
}
