import type { Document } from 'mongodb';
import { decode, encode, equalBytes } from './bson.ts';
import { copyArgument } from './copy-arguments.ts';
import type { Index, IndexDefinition, Stored } from './catalog.ts';
import type { Engine } from './engine.ts';
import { refuseArgument, serverError } from './errors.ts';
import { checkOptions } from './options.ts';
import { isPlain } from './predicates.ts';
import { candidates } from './scan.ts';
import type { WriteSteps } from './group-commit.ts';
import { collectionFor } from './writer.ts';

const known = ['name', 'unique', 'sparse', 'partialFilterExpression', 'expireAfterSeconds', 'background'];
const partialOperators = new Set(['$eq', '$gt', '$gte', '$lt', '$lte', '$exists', '$type', '$in']);

/** Makes an index, or answers its name if the same one is there. Older documents are indexed before it resolves. */
export async function createIndex(engine: Engine, collection: string, keys: Document, options: Document): Promise<string> {
  checkOptions('createIndex', options, known);
  const definition = definitionOf(keys, options);
  return engine.turns.write(build(engine, collection, definition));
}

function* build(engine: Engine, collection: string, definition: IndexDefinition): WriteSteps<string> {
  const stored = collectionFor(engine, collection);
  const existing = findSame(stored, definition);
  if (existing !== undefined) return existing.name;
  const index = engine.catalog.addIndex(stored, definition, stored.nextRow === 1);
  if (index.ready) return index.name;
  try {
    for (const row of candidates(engine.sql, stored, { kind: 'scan' })) {
      if (row === undefined) yield undefined;
      else engine.rows.index(stored, current(stored, index), row.r, decode(row.d));
    }
  } catch (error) {
    engine.catalog.dropIndex(stored, current(stored, index));
    throw error;
  }
  engine.catalog.markReady(current(stored, index));
  return index.name;
}

/** The catalogue's present object for an index: another turn's rollback makes new ones. */
function current(stored: Stored, { id }: Index): Index {
  const index = stored.indexes.find((candidate) => candidate.id === id);
  if (index === undefined) throw serverError(276, 'the index build was aborted');
  return index;
}

function findSame(stored: Stored, definition: IndexDefinition): Index | undefined {
  const alike = stored.indexes.find(({ name, key, partialFilterExpression }) => {
    return name === definition.name || equalBytes(encode({ key, partialFilterExpression }), encode(identity(definition)));
  });
  if (alike === undefined) return undefined;
  if (alike.name === '_id_' && definition.name === '_id_') return alike;
  const same = equalBytes(encode(comparable(alike)), encode(comparable(definition)));
  if (same && alike.name === definition.name) return alike;
  const code = same || alike.name !== definition.name ? 85 : 86;
  throw serverError(code, `an index ${alike.name} with other options or another name exists already`);
}

function identity({ key, partialFilterExpression }: IndexDefinition): Document {
  return { key, partialFilterExpression };
}

function comparable({
  key,
  unique = false,
  sparse = false,
  partialFilterExpression,
  expireAfterSeconds,
}: IndexDefinition): Document {
  return { key, unique, sparse, partialFilterExpression, expireAfterSeconds };
}

function definitionOf(keys: Document, options: Document): IndexDefinition {
  const parts = Object.entries(keys);
  if (parts.length === 0) throw serverError(67, 'an index needs at least one key');
  const key = Object.fromEntries(parts.map(([path, direction]) => [checkedPath(path), checkedDirection(path, direction)]));
  const { name, unique, sparse, partialFilterExpression, expireAfterSeconds } = options;
  if (sparse === true && partialFilterExpression !== undefined)
    throw serverError(67, 'an index cannot be both sparse and partial');
  if (expireAfterSeconds !== undefined) checkExpiry(parts.length, expireAfterSeconds);
  if (partialFilterExpression !== undefined) checkPartial(partialFilterExpression);
  return {
    name: typeof name === 'string' ? name : parts.map(([path, direction]) => `${path}_${String(direction)}`).join('_'),
    key,
    ...(unique === true || (parts.length === 1 && parts[0]?.[0] === '_id') ? { unique: true } : {}),
    ...(sparse === true ? { sparse: true } : {}),
    ...(partialFilterExpression === undefined
      ? {}
      : { partialFilterExpression: copyArgument(partialFilterExpression as Document) }),
    ...(expireAfterSeconds === undefined ? {} : { expireAfterSeconds: expireAfterSeconds as number }),
  };
}

function checkedPath(path: string): string {
  const steps = path.split('.');
  if (steps.some((step) => step === '' || step.startsWith('$')))
    throw serverError(67, `bad index key path ${JSON.stringify(path)}`);
  if (steps.some((step) => /^\d+$/.test(step))) throw refuseArgument(`an index on an array position (${JSON.stringify(path)})`);
  return path;
}

function checkedDirection(path: string, direction: unknown): 1 | -1 {
  if (direction === 1 || direction === -1) return direction;
  if (typeof direction === 'number') throw serverError(67, `the direction of ${JSON.stringify(path)} must be 1 or -1`);
  throw refuseArgument(`an index of kind ${JSON.stringify(direction)}`);
}

function checkExpiry(parts: number, seconds: unknown): void {
  if (parts > 1) throw serverError(67, 'TTL indexes are single-field indexes');
  if (typeof seconds !== 'number' || seconds < 0 || seconds > 2147483647)
    throw serverError(67, 'expireAfterSeconds is out of range');
}

/** Only conditions that one value of a field can meet by itself: the planner's reasoning depends on it. */
function checkPartial(expression: unknown): void {
  if (!isPlain(expression)) throw serverError(67, 'partialFilterExpression must be a document');
  for (const [path, condition] of Object.entries(expression)) {
    if (path === '$and' && Array.isArray(condition)) condition.forEach(checkPartial);
    else if (path.startsWith('$')) throw refuseArgument(`${path} in partialFilterExpression`);
    else if (isPlain(condition)) checkPartialCondition(condition);
  }
}

function checkPartialCondition(condition: Document): void {
  for (const [operator, operand] of Object.entries(condition)) {
    if (!operator.startsWith('$')) return;
    if (!partialOperators.has(operator)) throw refuseArgument(`${operator} in partialFilterExpression`);
    if (operator === '$exists' && operand !== true && operand !== 1)
      throw serverError(67, '$exists: false is not supported in a partial index');
  }
}
