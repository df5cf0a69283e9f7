import type { Document } from 'mongodb';
import { compileStoredProjection } from './evaluate.ts';
import { promote } from './bson.ts';
import { copyArgument } from './copy-arguments.ts';
import { cursor, type CursorShape, type EmbeddedCursor } from './cursor.ts';
import type { Engine } from './engine.ts';
import { refuseArgument, serverError } from './errors.ts';
import type { KeyDirection } from './index-keys.ts';
import { checkOptions, promotionOf } from './options.ts';
import { yieldToEventLoop } from './yield-to-event-loop.ts';
import type { SortOrder } from './plan.ts';
import { selectionOf } from './reader.ts';

const findOptions = ['projection', 'sort', 'skip', 'limit', 'maxTimeMS', 'signal'];

/** A cursor over the matching documents. Nothing is read, and nothing of the filter judged, before its first document is asked for. */
export function find(engine: Engine, name: string, filter: Document, options: Document): EmbeddedCursor<Document> {
  checkOptions('find', options, findOptions);
  const shape: CursorShape = {
    sort: options['sort'] as Document | undefined,
    skip: count(options, 'skip'),
    limit: count(options, 'limit'),
  };
  const demanded = copyArgument(filter);
  const open = (final: CursorShape) => ({
    documents: read(engine, name, demanded, options, final),
    pace: yieldToEventLoop(options),
  });
  return cursor(open, engine.turns.settled, shape);
}

/** The first matching document, or null. */
export async function findOne(engine: Engine, name: string, filter: Document, options: Document): Promise<Document | null> {
  checkOptions('findOne', options, findOptions);
  const shape = { sort: options['sort'] as Document | undefined, skip: count(options, 'skip'), limit: 1 };
  const limits = yieldToEventLoop(options);
  for (const document of read(engine, name, copyArgument(filter), options, shape)) {
    if (document === undefined) {
      if (limits.due()) await limits.rest();
      continue;
    }
    await engine.turns.settled();
    return document;
  }
  await engine.turns.settled();
  return null;
}

function* read(
  engine: Engine,
  name: string,
  filter: Document,
  options: Document,
  shape: CursorShape,
): Generator<Document | undefined, void> {
  const { projection } = options as { projection?: Document };
  const project = projection === undefined ? undefined : compileStoredProjection(copyArgument(projection));
  // Zero means no limit; a negative one means the same number in a single batch.
  const limit = shape.limit === 0 ? Infinity : Math.abs(shape.limit);
  const selection = selectionOf(filter, orderOf(shape.sort), shape.skip, limit);
  const stored = engine.catalog.find(name);
  if (stored === undefined) return;
  const promotion = promotionOf(options, engine.promotion);
  for (const found of engine.reader.select(stored, selection)) {
    if (found === undefined) yield undefined;
    else yield project === undefined ? promote(found.row.d, promotion) : project(promote(found.row.d, promotion));
  }
}

/** Counts what matches. */
export async function countDocuments(engine: Engine, name: string, filter: Document, options: Document): Promise<number> {
  checkOptions('countDocuments', options, ['limit', 'skip', 'maxTimeMS', 'signal']);
  const selection = selectionOf(copyArgument(filter), [], count(options, 'skip'), count(options, 'limit') || Infinity);
  const limits = yieldToEventLoop(options);
  const stored = engine.catalog.find(name);
  let matching = 0;
  if (stored === undefined) return 0;
  for (const found of engine.reader.select(stored, selection)) {
    if (found !== undefined) matching += 1;
    if (limits.due()) await limits.rest();
  }
  await engine.turns.settled();
  return matching;
}

/** An order as pairs. The same path twice, or a direction other than 1 and -1, is an error. */
export function orderOf(sort: Document | undefined): SortOrder {
  return Object.entries(sort ?? {}).map(([path, direction]): readonly [string, KeyDirection] => {
    if (direction !== 1 && direction !== -1)
      throw serverError(15975, '$sort key ordering must be 1 (for ascending) or -1 (for descending)');
    if (path.split('.').some((step) => /^\d+$/.test(step)))
      throw refuseArgument(`a sort by an array position (${JSON.stringify(path)})`);
    if (path === '' || path.startsWith('$')) throw serverError(16410, 'a sort path may not be empty or start with $');
    return [path, direction];
  });
}

function count(options: Document, name: 'skip' | 'limit'): number {
  const value: unknown = options[name] ?? 0;
  if (typeof value !== 'number' || !Number.isInteger(value)) throw serverError(9, `${name} must be a whole number`);
  if (name === 'skip' && value < 0) throw serverError(51024, 'skip must not be negative');
  return value;
}
