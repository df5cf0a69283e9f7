import { MongoInvalidArgumentError, MongoServerError, type Document } from 'mongodb';
import { copyArgument } from './copy-arguments.ts';
import { replacementChange, updateChange } from './changes.ts';
import { incomingDocument } from './incoming-documents.ts';
import type { Engine } from './engine.ts';
import { bulkError, refuseArgument, type BulkFailure, type BulkOutcome } from './errors.ts';
import { checkOptions } from './options.ts';
import { selectionOf } from './reader.ts';
import { promotedId } from './single-writes.ts';
import type { WriteSteps } from './group-commit.ts';
import { changeOne, eachMatching, insertOne, remove } from './writer.ts';

/** One operation of a bulk; what it answers adds its part to the outcome. */
type Step = () => WriteSteps<(outcome: BulkOutcome, at: number) => void>;

/** Inserts documents in order; stops at the first failure unless `ordered: false`. */
export async function insertMany(engine: Engine, name: string, documents: readonly Document[], options: Document) {
  checkOptions('insertMany', options, ['ordered']);
  const steps = documents.map((document) => insertion(engine, name, { document }));
  const result = await run(engine, steps, options);
  const insertedIds = Object.fromEntries(documents.map((document, at) => [at, document['_id'] as unknown]));
  return { acknowledged: true, insertedCount: result.insertedCount, insertedIds: insertedIds as Record<number, unknown> };
}

/** Runs several writes as one call. Each takes effect by itself; the failures come in one error at the end. */
export async function bulkWrite(
  engine: Engine,
  name: string,
  operations: readonly Document[],
  options: Document,
): Promise<BulkOutcome> {
  checkOptions('bulkWrite', options, ['ordered']);
  const steps = operations.map((operation) => stepFor(engine, name, operation));
  return run(engine, steps, options);
}

async function run(engine: Engine, steps: Step[], options: Document): Promise<BulkOutcome> {
  if (steps.length === 0) throw new MongoInvalidArgumentError('Invalid BulkOperation, Batch cannot be empty');
  const outcome: BulkOutcome = {
    ok: 1,
    insertedCount: 0,
    matchedCount: 0,
    modifiedCount: 0,
    deletedCount: 0,
    upsertedCount: 0,
    insertedIds: {},
    upsertedIds: {},
  };
  const failures: BulkFailure[] = [];
  const work = eachMatching(steps, options['ordered'] !== false, (result, index) => {
    if (result instanceof MongoServerError) {
      failures.push({ index, code: Number(result.code), errmsg: result.message, err: result });
    } else {
      result(outcome, index);
    }
  });
  await engine.turns.write(work);
  if (failures.length > 0) throw bulkError(failures, outcome);
  return outcome;
}

function stepFor(engine: Engine, name: string, operation: Document): Step {
  const [kind, ...others] = Object.keys(operation);
  const body = operation[kind as string] as Document;
  if (others.length > 0) throw new MongoInvalidArgumentError('bulkWrite only supports one kind of write in each operation');
  if (kind === 'insertOne') return insertion(engine, name, body);
  if (kind === 'deleteOne' || kind === 'deleteMany') return removal(engine, name, body, kind);
  if (kind === 'updateOne' || kind === 'updateMany' || kind === 'replaceOne') return changing(engine, name, body, kind);
  throw refuseArgument(`the bulk operation ${JSON.stringify(kind)}`);
}

function insertion(engine: Engine, name: string, body: Document): Step {
  checkOptions('insertOne of a bulk', body, ['document']);
  const next = incomingDocument(body['document'] as Document);
  return function* () {
    yield* insertOne(engine, name, next);
    return (outcome, at) => {
      outcome.insertedCount += 1;
      outcome.insertedIds[at] = (body['document'] as Document)['_id'];
    };
  };
}

function removal(engine: Engine, name: string, body: Document, kind: string): Step {
  checkOptions(`${kind} of a bulk`, body, ['filter']);
  const filter = copyArgument(body['filter'] as Document);
  return function* () {
    const { count } = yield* remove(engine, name, selectionOf(filter, [], 0, kind === 'deleteOne' ? 1 : Infinity));
    return (outcome) => {
      outcome.deletedCount += count;
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
  const filter = copyArgument(body['filter'] as Document);
  const how = replaces
    ? replacementChange(body['replacement'] as Document)
    : updateChange(body['update'] as Document, body['arrayFilters'] as Document[] | undefined, engine.now);
  return function* () {
    const selection = selectionOf(filter, [], 0, kind === 'updateMany' ? Infinity : 1);
    const { matched, modified, upserted, upsertedId } = yield* changeOne(engine, name, selection, how(), body['upsert'] === true);
    return (outcome, at) => {
      outcome.matchedCount += matched;
      outcome.modifiedCount += modified;
      if (!upserted) return;
      outcome.upsertedCount += 1;
      outcome.upsertedIds[at] = promotedId(engine, upsertedId);
    };
  };
}
