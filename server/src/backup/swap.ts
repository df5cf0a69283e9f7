import type { FileHandle } from 'node:fs/promises';
import { BSON, type Document } from 'mongodb';
import type { Clock } from '../common/clock.ts';
import type { Store } from '../data/store.ts';
import { documentsOf, revisionOf, type Opening, type VerifiedArchive } from './contents.ts';
import { exactly, parts, rowsOf, type FilePart } from './file-parts.ts';
import { persistently } from './state.ts';

/** The context of a replacement of the store's documents, without concurrent writes. `hold` is awaited before each write. */
export interface Replacing {
  readonly store: Pick<Store, 'collection'>;
  readonly clock: Clock;
  readonly hold: () => Promise<void>;
}

/** Documents in one write, and their bytes. */
const atOnce = 500;
const bytesAtOnce = 4 * 1_048_576;

type Rows = ReturnType<typeof rowsOf>;

/** The safety copy of a part: a second collection. */
const copyOf = (store: Replacing['store'], { name }: FilePart): Rows =>
  rowsOf(store, `before-restore-${name}` as FilePart['name']);

/** Removes the matching documents in batches: one command for all could exceed the time limits on a large store. */
const empty = async ({ clock, hold }: Replacing, rows: Rows, filter: Document): Promise<void> => {
  for (;;) {
    await hold();
    const found = await persistently(clock, () =>
      rows.find(filter, { ...exactly, projection: { _id: 1 }, limit: atOnce }).toArray(),
    );
    if (found.length === 0) return;
    await persistently(clock, () => rows.deleteMany({ _id: { $in: found.map(({ _id }) => _id as unknown) } } as Document));
  }
};

/** Writes documents in batches; each batch may be retried. */
const openSink = ({ clock, hold }: Replacing, rows: Rows) => {
  let batch: Document[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    const documents = batch;
    batch = [];
    bytes = 0;
    if (documents.length === 0) return;
    await hold();
    const operations = documents.map((replacement) => ({
      replaceOne: { filter: { _id: replacement['_id'] as unknown } as Document, replacement, upsert: true },
    }));
    await persistently(clock, () => rows.bulkWrite(operations, { ordered: false }));
  };
  return {
    async put(document: Document): Promise<void> {
      batch.push(document);
      bytes += BSON.calculateObjectSize(document);
      if (batch.length >= atOnce || bytes >= bytesAtOnce) await flush();
    },
    flush,
  };
};

/** Removes every safety copy. */
export const clearCopies = async (replacing: Replacing): Promise<void> => {
  for (const part of parts) await empty(replacing, copyOf(replacing.store, part), {});
};

/** Copies every document that a restore may change; returns their highest revision. */
export const makeCopies = async (replacing: Replacing): Promise<number> => {
  await clearCopies(replacing);
  let rev = 0;
  for (const part of parts) {
    const sink = openSink(replacing, copyOf(replacing.store, part));
    for await (const document of rowsOf(replacing.store, part.name).find(part.touched, exactly)) {
      rev = Math.max(rev, revisionOf(document));
      await sink.put(document);
    }
    await sink.flush();
  }
  return rev;
};

/** Restores the documents of the safety copies. It may be repeated as long as the copies exist. */
export const putBack = async (replacing: Replacing): Promise<void> => {
  for (const part of parts) {
    const rows = rowsOf(replacing.store, part.name);
    await empty(replacing, rows, part.touched);
    const sink = openSink(replacing, rows);
    for await (const document of copyOf(replacing.store, part).find({}, exactly)) await sink.put(document);
    await sink.flush();
  }
};

/** The document with a revision above every one that a client may have seen. */
const raised = (document: Document, rev: number): Document => ({
  ...document,
  _rollcall: { ...(document['_rollcall'] as Document | undefined), rev, shown: rev },
});

/** Replaces the store's documents by the archive's, with every revision above `rev` and above those of the archive. */
export const replaceAll = async (
  replacing: Replacing,
  file: FileHandle,
  opening: Opening,
  verified: VerifiedArchive,
  rev: number,
): Promise<void> => {
  const floor = Math.max(rev, verified.rev) + 1;
  for (const part of parts) await empty(replacing, rowsOf(replacing.store, part.name), part.removed);
  const sinks = new Map(parts.map((part) => [part.name, openSink(replacing, rowsOf(replacing.store, part.name))]));
  for await (const { part, document } of documentsOf(file, opening, verified)) {
    await sinks.get(part.name)?.put(part.guarded ? raised(document, floor) : document);
  }
  for (const sink of sinks.values()) await sink.flush();
};
