import { MongoServerError, ObjectId } from 'mongodb';
import { decode, equalBytes } from './bson.ts';
import type { Stored } from './catalog.ts';
import { storable, type IncomingDocument } from './incoming-documents.ts';
import type { Engine } from './engine.ts';
import type { DocumentChange } from './changes.ts';
import type { StoredRow, Selection } from './reader.ts';
import type { WriteSteps } from './group-commit.ts';

export interface Written {
  matched: number;
  modified: number;
  upserted: boolean;
  upsertedId: unknown;
  /** Bytes of the last document written or matched, before and after. */
  before: Uint8Array | undefined;
  after: Uint8Array | undefined;
}

/** Inserts one document. */
export function* insertOne(engine: Engine, name: string, { bytes, document }: IncomingDocument): WriteSteps<void> {
  yield undefined;
  engine.rows.insert(collectionFor(engine, name), bytes, document);
}

/** Changes one or all matching documents, or inserts one if there is none and that was asked for. */
export function* changeOne(
  engine: Engine,
  name: string,
  selection: Selection,
  how: DocumentChange,
  upsert: boolean,
): WriteSteps<Written> {
  const written: Written = { matched: 0, modified: 0, upserted: false, upsertedId: null, before: undefined, after: undefined };
  const stored = engine.catalog.find(name);
  // A row that its own change moved forward in the index is met again.
  const done = new Set<number>();
  let paused = false;
  for (const found of stored === undefined ? [] : engine.reader.select(stored, selection)) {
    if (found === undefined) {
      paused = true;
      yield undefined;
    } else if (stored !== undefined && !done.has(found.row.r)) {
      if (paused && !stillMatches(engine, stored, found, selection))
        return yield* changeOne(engine, name, selection, how, upsert);
      done.add(found.row.r);
      changeRow(engine, stored, found, selection, how, written);
    }
  }
  if (written.matched === 0 && upsert) upsertOne(engine, name, selection, how, written);
  return written;
}

/** Sorting collects rows over pauses; what it chose may have changed meanwhile. Without an order rows are always fresh. */
function stillMatches(engine: Engine, stored: Stored, { row }: StoredRow, { order, match }: Selection): boolean {
  if (order.length === 0) return true;
  const fresh = engine.rows.get(stored, row.r);
  return fresh !== undefined && equalBytes(fresh.d, row.d) && Boolean(match(decode(fresh.d)));
}

function changeRow(
  engine: Engine,
  stored: Stored,
  { row, document }: StoredRow,
  selection: Selection,
  how: DocumentChange,
  written: Written,
): void {
  const before = document ?? decode(row.d);
  const after = how.apply(before, selection.filter);
  written.matched += 1;
  written.before = row.d;
  written.after = row.d;
  if (after === before) return;
  const next = storable(after);
  written.after = next.bytes;
  engine.rows.replace(stored, row, before, next.bytes, next.document, how.kind);
  written.modified += 1;
}

function upsertOne(engine: Engine, name: string, { filter }: Selection, how: DocumentChange, written: Written): void {
  const seed = how.seed(filter);
  const id: unknown = seed['_id'] ?? new ObjectId();
  const next = storable({ _id: id, ...seed });
  engine.rows.insert(collectionFor(engine, name), next.bytes, next.document);
  written.upserted = true;
  written.upsertedId = next.document['_id'];
  written.after = next.bytes;
}

/** Removes one or all matching documents. Answers how many, and the last one's bytes. */
export function* remove(
  engine: Engine,
  name: string,
  selection: Selection,
): WriteSteps<{ count: number; before: Uint8Array | undefined }> {
  const stored = engine.catalog.find(name);
  let count = 0;
  let before: Uint8Array | undefined;
  let paused = false;
  for (const found of stored === undefined ? [] : engine.reader.select(stored, selection)) {
    if (found === undefined || stored === undefined) {
      paused = true;
      yield undefined;
      continue;
    }
    if (paused && !stillMatches(engine, stored, found, selection)) return yield* remove(engine, name, selection);
    engine.rows.remove(stored, found.row, found.document ?? decode(found.row.d));
    before = found.row.d;
    count += 1;
  }
  return { count, before };
}

/** Runs works one after the other. Tells each failure; stops at the first if `ordered`. */
export function* eachMatching<T>(
  works: Iterable<() => WriteSteps<T>>,
  ordered: boolean,
  done: (result: T | MongoServerError, at: number) => void,
): WriteSteps<void> {
  let at = 0;
  for (const work of works) {
    let result: T | MongoServerError;
    try {
      result = yield* work();
    } catch (error) {
      if (!(error instanceof MongoServerError)) throw error;
      result = error;
    }
    done(result, at);
    if (ordered && result instanceof MongoServerError) return;
    at += 1;
    yield undefined;
  }
}

export function collectionFor(engine: Engine, name: string): Stored {
  return engine.catalog.find(name) ?? engine.catalog.create(name);
}
