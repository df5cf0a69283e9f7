import { MongoInvalidArgumentError, MongoServerError, type BulkWriteResult, type Document } from 'mongodb';
import { received } from './bson.ts';
import { replacementChange, updateChange } from './changes.ts';
import { incoming } from './documents-in.ts';
import type { Engine } from './engine.ts';
import { bulkError, bulkResult, refused, writeError, type BulkCounts } from './errors.ts';
import { checkOptions } from './options.ts';
import { selectionOf } from './reader.ts';
import { promotedId } from './single-writes.ts';
import type { Work } from './turns.ts';
import { change, each, insertOne, remove } from './writer.ts';

/** What one operation of a bulk adds to the counts. */
type Step = () => Work<(counts: BulkCounts, at: number) => void>;

/** Inserts documents in order; stops at the first failure unless `ordered: false`. */
export async function insertMany(engine: Engine, name: string, documents: readonly Document[], options: Document) {
  checkOptions('insertMany', options, ['ordered']);
  const operations = documents.map((document) => ({ insertOne: { document } }));
  const result = await run(
    engine,
    operations,
    operations.map((operation) => insertion(engine, name, operation.insertOne)),
    options,
  );
  const insertedIds = Object.fromEntries(documents.map((document, at) => [at, document['_id'] as unknown]));
  return { acknowledged: true, insertedCount: result.insertedCount, insertedIds: insertedIds as Record<number, unknown> };
}

/** Runs several writes as one call. Each takes effect by itself; the failures come in one error at the end. */
export async function bulkWrite(
  engine: Engine,
  name: string,
  operations: readonly Document[],
  options: Document,
): Promise<BulkWriteResult> {
  checkOptions('bulkWrite', options, ['ordered']);
  return run(
    engine,
    operations,
    operations.map((operation) => stepFor(engine, name, operation)),
    options,
  );
}

async function run(engine: Engine, operations: readonly Document[], steps: Step[], options: Document): Promise<BulkWriteResult> {
  if (steps.length === 0) throw new MongoInvalidArgumentError('Invalid BulkOperation, Batch cannot be empty');
  const ordered = options['ordered'] !== false;
  const counts: BulkCounts = {
    nInserted: 0,
    nMatched: 0,
    nModified: 0,
    nRemoved: 0,
    upserted: [],
    insertedIds: [],
    writeErrors: [],
  };
  const work = each(steps, ordered, (result, at) => {
    if (result instanceof MongoServerError) counts.writeErrors.push(writeError(result, at, operations[at] as Document));
    else result(counts, at);
  });
  await engine.turns.write(work);
  if (counts.writeErrors.length > 0) throw bulkError(counts, ordered);
  return bulkResult(counts, ordered);
}

function stepFor(engine: Engine, name: string, operation: Document): Step {
  const [kind, ...others] = Object.keys(operation);
  const body = operation[kind as string] as Document;
  if (others.length > 0) throw new MongoInvalidArgumentError('bulkWrite only supports one kind of write in each operation');
  if (kind === 'insertOne') return insertion(engine, name, body);
  if (kind === 'deleteOne' || kind === 'deleteMany') return removal(engine, name, body, kind);
  if (kind === 'updateOne' || kind === 'updateMany' || kind === 'replaceOne') return changing(engine, name, body, kind);
  throw refused(`the bulk operation ${JSON.stringify(kind)}`);
}

function insertion(engine: Engine, name: string, body: Document): Step {
  checkOptions('insertOne of a bulk', body, ['document']);
  const next = incoming(body['document'] as Document);
  return function* () {
    yield* insertOne(engine, name, next);
    return (counts, at) => {
      counts.nInserted += 1;
      counts.insertedIds.push({ index: at, _id: (body['document'] as Document)['_id'] });
    };
  };
}

function removal(engine: Engine, name: string, body: Document, kind: string): Step {
  checkOptions(`${kind} of a bulk`, body, ['filter']);
  const selection = selectionOf(received(body['filter'] as Document), [], 0, kind === 'deleteOne' ? 1 : Infinity);
  return function* () {
    const { count } = yield* remove(engine, name, selection);
    return (counts) => {
      counts.nRemoved += count;
    };
  };
}

function changing(engine: Engine, name: string, body: Document, kind: string): Step {
  const replaces = kind === 'replaceOne';
  checkOptions(
    `${kind} of a bulk`,
    body,
    replaces ? ['filter', 'replacement', 'upsert'] : ['filter', 'update', 'upsert', 'arrayFilters'],
  );
  const selection = selectionOf(received(body['filter'] as Document), [], 0, kind === 'updateMany' ? Infinity : 1);
  const how = replaces
    ? replacementChange(body['replacement'] as Document)
    : updateChange(body['update'] as Document, body['arrayFilters'] as Document[] | undefined, engine.now);
  return function* () {
    const { matched, modified, upsertedId } = yield* change(engine, name, selection, how, body['upsert'] === true);
    return (counts, at) => {
      counts.nMatched += matched;
      counts.nModified += modified;
      if (upsertedId !== null) counts.upserted.push({ index: at, _id: promotedId(engine, upsertedId) });
    };
  };
}
