import type { BulkWriteResult, Collection, Document, UpdateResult } from 'mongodb';
import { openEmbedded } from '@rollcall/server/store';
import { textOf } from './compare.ts';
import { isPlain } from './filters.ts';
import type { Operation } from './operations.ts';

/** Two stores that should answer alike: the embedded one and a mongod, each with an empty collection of its own. */
export interface Pair {
  embedded: Collection;
  real: Collection;
  /** Leave out on the mongod each index that decides nothing: with some indexes it answers another thing than without. */
  plain: boolean;
}

/** What one operation did. `refused`: the embedded store does not know it, and says so. */
export type Outcome = { ok: string } | { error: string; duplicate: boolean } | { refused: string };

/** How two outcomes differ, with both sides as text. */
export interface Difference {
  what: string;
  embedded: string;
  real: string;
}

/**
 * `agreed`: both answered (or failed) alike; `skipped`: nothing was asked, as MongoDB
 * promises no order there. `ended`: from here on the stores may hold different documents without either being wrong.
 */
export type Step =
  | { kind: 'agreed'; failed: boolean; documents: Document[] }
  | { kind: 'refused'; why: string }
  | { kind: 'skipped' }
  | { kind: 'ended' }
  | { kind: 'different'; difference: Difference };

const typed = { promoteValues: false } as const;

/** Opens an embedded store beside a collection of the mongod. `close` must be called. */
export async function openPair(real: Collection, plain = false): Promise<{ pair: Pair; close: () => Promise<void> }> {
  const store = await openEmbedded(':memory:');
  await real.deleteMany({});
  const indexes = await real.indexes().catch(() => []);
  if (indexes.length > 1) await real.dropIndexes();
  return { pair: { embedded: store.db.collection('fuzz') as unknown as Collection, real, plain }, close: store.close };
}

/** Runs one operation on both stores and compares answers, and afterwards everything that is stored. */
export async function step({ embedded, real, plain }: Pair, operation: Operation): Promise<Step> {
  if (await isAmbiguous(embedded, operation)) return { kind: 'skipped' };
  const before = isBatch(operation) ? undefined : await contents(embedded);
  const ours = await attempt(embedded, operation);
  if ('refused' in ours) {
    const after = await contents(embedded);
    if (before === undefined || textOf(before) === textOf(after))
      return before === undefined ? { kind: 'refused', why: 'in a batch' } : { kind: 'refused', why: ours.refused };
    return { kind: 'refused', why: 'in a batch' };
  }
  const theirs = plain && onlySpeedsUp(operation) ? ours : await attempt(real, operation);
  if (!alike(ours, theirs, operation))
    return { kind: 'different', difference: { what: 'answer', embedded: outcomeText(ours), real: outcomeText(theirs) } };
  const failed = 'error' in ours;
  const documents = await contents(embedded);
  if (isRead(operation)) return { kind: 'agreed', failed, documents };
  if (failed && mayFailBetween(operation)) return { kind: 'ended' };
  if (documents.some(hasMixedNames)) return { kind: 'ended' };
  const stored = [documents, await contents(real)].map((list) => list.map(textOf).sort().join('\n')) as [string, string];
  if (stored[0] !== stored[1])
    return { kind: 'different', difference: { what: 'stored documents', embedded: stored[0], real: stored[1] } };
  return { kind: 'agreed', failed, documents };
}

/** An index that refuses nothing. */
function onlySpeedsUp(operation: Operation): boolean {
  return operation.kind === 'createIndex' && operation.options['unique'] !== true;
}

function isRead({ kind }: Operation): boolean {
  return kind === 'find' || kind === 'findOne' || kind === 'countDocuments';
}

/** Operations that may be refused half done. */
function isBatch({ kind }: Operation): boolean {
  return kind === 'bulkWrite' || kind === 'updateMany';
}

/** Operations on several documents in an order that is the store's own: after a failure some of them are changed. */
function mayFailBetween(operation: Operation): boolean {
  return (
    operation.kind === 'updateMany' ||
    (operation.kind === 'bulkWrite' && operation.operations.some((part) => 'updateMany' in part))
  );
}

/** A name that looks like an array index beside others: JavaScript puts it first, so nobody here can tell its place. */
function hasMixedNames(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasMixedNames);
  if (!isPlain(value)) return false;
  const names = Object.keys(value);
  return (names.length > 1 && names.some((name) => /^\d+$/.test(name))) || Object.values(value).some(hasMixedNames);
}

/** The building of an index may fail for several reasons at once, and names any of them. */
function alike(a: Outcome, b: Outcome, { kind }: Operation): boolean {
  if ('ok' in a && 'ok' in b) return a.ok === b.ok;
  return 'error' in a && 'error' in b && (a.duplicate === b.duplicate || (kind === 'createIndex' && hasParallelArrays(a, b)));
}

function hasParallelArrays(...errors: readonly { error: string }[]): boolean {
  return errors.some(({ error }) => error.startsWith('171 '));
}

function outcomeText(outcome: Outcome): string {
  return 'ok' in outcome ? outcome.ok : 'error' in outcome ? `error: ${outcome.error}` : `refused: ${outcome.refused}`;
}

function contents(collection: Collection): Promise<Document[]> {
  return collection.find({}, typed).toArray();
}

/** A write of one document where several match, or of several where one may fail: which comes first is nobody's promise. */
async function isAmbiguous(collection: Collection, operation: Operation): Promise<boolean> {
  if (operation.kind === 'updateOne' || operation.kind === 'replaceOne' || operation.kind === 'deleteOne') {
    try {
      return (await collection.countDocuments(operation.filter)) > 1;
    } catch {
      return false;
    }
  }
  return false;
}

async function attempt(collection: Collection, operation: Operation): Promise<Outcome> {
  try {
    return { ok: textOf(await run(collection, operation)) };
  } catch (error) {
    return failure(error);
  }
}

const unsupported = 115;

function failure(error: unknown): Outcome {
  const { code, message = '', result } = error as { code?: unknown; message?: string; result?: BulkWriteResult };
  if (Number(code) === unsupported || message.includes('does not support')) return { refused: message };
  const counts = result?.insertedCount === undefined ? '' : ` ${countsText(result)}`;
  return { error: `${String(code)} ${message}${counts}`, duplicate: Number(code) === 11000 };
}

async function run(collection: Collection, operation: Operation): Promise<unknown> {
  switch (operation.kind) {
    case 'insertOne':
      return (await collection.insertOne(copy(operation.document))).insertedId;
    case 'insertMany':
      return (await collection.insertMany(operation.documents.map(copy), { ordered: operation.ordered })).insertedCount;
    case 'find':
      return collection.find(operation.filter, { ...operation.options, ...typed }).toArray();
    case 'findOne':
      return collection.findOne(operation.filter, { ...operation.options, ...typed });
    case 'countDocuments':
      return collection.countDocuments(operation.filter);
    case 'updateOne':
    case 'updateMany':
      return resultOf(await collection[operation.kind](operation.filter, operation.update, operation.options));
    case 'replaceOne':
      return resultOf(await collection.replaceOne(operation.filter, copy(operation.replacement), operation.options));
    case 'deleteOne':
    case 'deleteMany':
      return (await collection[operation.kind](operation.filter)).deletedCount;
    case 'findOneAndUpdate':
      return collection.findOneAndUpdate(operation.filter, operation.update, { ...operation.options, ...typed });
    case 'findOneAndReplace':
      return collection.findOneAndReplace(operation.filter, copy(operation.replacement), { ...operation.options, ...typed });
    case 'findOneAndDelete':
      return collection.findOneAndDelete(operation.filter, { ...operation.options, ...typed });
    case 'bulkWrite':
      return countsText(await collection.bulkWrite(operation.operations.map(copy) as never, { ordered: operation.ordered }));
    case 'createIndex':
      return collection.createIndex(operation.keys, operation.options);
  }
}

/** The driver writes ids into documents that it is given. */
function copy(document: Document): Document {
  const [name] = Object.keys(document);
  if (name === 'insertOne') return { insertOne: { document: { ...(document['insertOne'] as { document: Document }).document } } };
  return { ...document };
}

function resultOf(result: UpdateResult): Document {
  const names = ['acknowledged', 'matchedCount', 'modifiedCount', 'upsertedCount', 'upsertedId'] as const;
  return Object.fromEntries(names.map((name) => [name, result[name]]));
}

const counted = ['insertedCount', 'matchedCount', 'modifiedCount', 'deletedCount', 'upsertedCount'] as const;

function countsText(result: Partial<Record<(typeof counted)[number], number>>): string {
  return counted.map((name) => result[name]).join();
}
