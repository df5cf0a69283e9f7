import { RegistryError } from '@rollcall/client/contract';
import { isPlainObject } from '../common/plain-object.ts';
import { storedPath } from './property-path.ts';
import { storedValue } from './stored-value.ts';

type UpdateDocument = Record<string, Record<string, unknown>>;

/** What a client may send (MS-2.5), and what it means to MongoDB. */
const operators: ReadonlyMap<string, string> = new Map([
  ...['$set', '$unset', '$inc', '$mul', '$min', '$max', '$currentDate', '$addToSet'].map((name) => [name, name] as const),
  ...['$pop', '$pull', '$pullAll', '$push', '$bit'].map((name) => [name, name] as const),
  ['$mult', '$mul'],
  ['$pushAll', '$push'],
]);

/** Operators whose values are instructions with `$` keys of their own, not values to store. */
const instructive = new Set(['$push', '$addToSet', '$pull', '$currentDate', '$bit']);

const serversOwn = /^meshblu\.(hash|createdAt|updatedAt|updatedBy|tokens|rev)(\.|$)/;
const maxPathSegments = 16;

const refuse = (path: string, rule: string, message: string): never => {
  throw new RegistryError('invalid-input', message, { details: [{ path, rule, message }] });
};

/**
 * The stored path that a client's path means. Fails with `invalid-input` for one that a client may
 * not change.
 */
const changedPath = (path: string): string => {
  const segments = path.split('.');
  const at = `/${path}`;
  if (segments[0] === '_rollcall' || segments[0] === '_id' || segments[0] === 'socketid' || serversOwn.test(path)) {
    refuse(at, 'reserved', 'only the server writes this property');
  }
  if (segments.length > maxPathSegments) refuse(at, 'maxDepth', `nested deeper than ${maxPathSegments} levels`);
  for (const segment of segments) {
    if (segment === '' || segment.includes('\0') || segment === '__proto__')
      refuse(at, 'forbiddenKey', 'this key cannot be stored');
  }
  return storedPath(path, true);
};

const firstSegment = (path: string): string => path.split('.', 1)[0] ?? '';

/** The update document for `update`: every key is set; `uuid` and `token` are never written. */
export const setOperators = (changes: Readonly<Record<string, unknown>>): UpdateDocument => {
  const $set: Record<string, unknown> = {};
  for (const [path, value] of Object.entries(changes)) {
    if (firstSegment(path) === 'uuid' || firstSegment(path) === 'token') continue;
    $set[changedPath(path)] = storedValue(value, `/${path}`);
  }
  return { $set };
};

const translated = (given: string, value: unknown, path: string): unknown => {
  if (given === '$pushAll') {
    if (!Array.isArray(value)) return refuse(path, 'type', '$pushAll takes a list');
    return { $each: storedValue(value, path) };
  }
  if (
    value === null &&
    given !== '$set' &&
    given !== '$unset' &&
    given !== '$push' &&
    given !== '$addToSet' &&
    given !== '$pull'
  ) {
    return refuse(path, 'type', "Update query may contain null value for a key that starts with '$'.");
  }
  if (given === '$pull' && branchesIn(value) > maxPullBranches)
    return refuse(path, 'maxConditions', `more than ${maxPullBranches} branches`);
  return instructive.has(given) ? instruction(value, path, 1) : storedValue(value, path);
};

/** How many branches the filter of a `$pull` may have in all. */
const maxPullBranches = 64;

const isCombination = (key: string): boolean => key === '$and' || key === '$or' || key === '$nor';

/** The branches of a filter inside an update, those of branches included. */
const branchesIn = (filter: unknown): number => {
  if (!isPlainObject(filter)) return 0;
  return Object.entries(filter).reduce((sum, [key, inner]) => {
    if (!isCombination(key) || !Array.isArray(inner)) return sum + branchesIn(inner);
    return inner.reduce<number>((all, branch) => all + branchesIn(branch), sum + inner.length);
  }, 0);
};

/**
 * The operators inside `$push`, `$addToSet` and `$pull`; the matcher and the evaluator refuse those
 * that they do not know.
 */
const instruction = (value: unknown, path: string, depth: number): unknown => {
  if (!isPlainObject(value) || !Object.keys(value).some((key) => key.startsWith('$'))) return storedValue(value, path, depth);
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === '$sort'
        ? inner
        : depth < 8
          ? instruction(inner, `${path}/${key}`, depth + 1)
          : refuse(path, 'maxDepth', 'nested too deeply'),
    ]),
  );
};

/**
 * The update document for operators that a client sent, checked as Meshblu checks it, in MongoDB's
 * words.
 */
export const applyOperators = (update: Readonly<Record<string, unknown>>): UpdateDocument => {
  const names = Object.keys(update);
  if (names.length === 0) refuse('/update', 'minProperties', 'Update query must contain at least one key.');
  const out: UpdateDocument = {};
  for (const name of names) {
    const operator = operators.get(name);
    const changes = update[name];
    if (operator === undefined) return refuse(`/update/${name}`, 'operator', 'Update query may only contain authorized keys.');
    if (!isPlainObject(changes)) {
      return refuse(`/update/${name}`, 'type', "Update query may contain null value for a key that starts with '$'.");
    }
    const target = (out[operator] ??= {});
    for (const [path, value] of Object.entries(changes)) {
      const first = firstSegment(path);
      if (first === 'token' || first === 'uuid')
        return refuse(`/update/${name}/${path}`, 'reserved', `Update query may not modify the ${first} key.`);
      target[changedPath(path)] = translated(name, value, `/update/${name}/${path}`);
    }
  }
  return out;
};
