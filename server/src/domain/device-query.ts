import { RegistryError } from '@rollcall/client/contract';
import { isPlainObject } from '../common/plain-object.ts';
import { isQueryOperator, storedPath } from './property-path.ts';

/** A client's query after it was read: a MongoDB filter of allowed operators on allowed paths. */
export type Query = Readonly<Record<string, unknown>>;

const maxDepth = 8;
const maxConditions = 64;
const maxValues = 100;
const maxValuesInAll = 1000;
/** MongoDB takes array sizes of 32 bits. */
const maxSize = 2 ** 31 - 1;

const comparisons = new Set(['$eq', '$ne', '$gt', '$gte', '$lt', '$lte']);
const lists = new Set(['$in', '$nin', '$all']);
const combinations = new Set(['$and', '$or', '$nor']);
const deviceTimes: ReadonlySet<string> = new Set(['meshblu.createdAt', 'meshblu.updatedAt']);

/** What a query may not test: it would be an oracle for secrets (MS-2.8), or is ours. */
const hidden = /^(token|_id|socketid|_rollcall|meshblu\.tokens)(\.|$)/;

const refuse = (path: string, rule: string, message: string): never => {
  throw new RegistryError('invalid-input', message, { details: [{ path, rule, message }] });
};

/** Since when a device is online or offline is stored in milliseconds. */
const sinceAt = 'meshblu.online.since';

/** What clients see inside `meshblu` and the registry stores elsewhere. */
const elsewhere: ReadonlyMap<string, string> = new Map([
  ['meshblu.rev', '_rollcall.shown'],
  [sinceAt, '_rollcall.presence.since'],
  ['meshblu.online.reason', '_rollcall.presence.reason'],
]);

/** A value in the type that the property at a path has: `online` is a boolean, times are dates. */
const typed = (path: string, given: unknown, times: ReadonlySet<string>): unknown => {
  if (typeof given !== 'string') return given;
  if (path === 'online') return given === 'true';
  if (path !== sinceAt && !times.has(path)) return given;
  const time = new Date(given);
  if (Number.isNaN(time.getTime())) return given;
  return path === sinceAt ? time.getTime() : time;
};

/**
 * Reads a client's query; what it does not understand it refuses by name. `times`: paths whose
 * values are dates, written as ISO 8601.
 *
 * MS-2.8; RL-5.
 */
export const readQuery = (raw: Readonly<Record<string, unknown>>, times = deviceTimes): Query => {
  let conditions = 0;
  let values = 0;

  /** Each value of a list, or the one value, in the type of its property. */
  const entriesOf = (path: string, given: unknown): unknown =>
    Array.isArray(given) ? given.map((entry) => typed(path, entry, times)) : typed(path, given, times);

  /** Conditions and branches count alike: each is a test of every document. */
  const countCondition = (at: string): void => {
    conditions += 1;
    if (conditions > maxConditions) refuse(at, 'maxConditions', `more than ${maxConditions} conditions`);
  };

  const value = (given: unknown, at: string, depth: number): unknown => {
    if (depth > maxDepth) return refuse(at, 'maxDepth', `nested deeper than ${maxDepth} levels`);
    if (Array.isArray(given)) {
      if (given.length > maxValues) return refuse(at, 'maxItems', `more than ${maxValues} values`);
      values += given.length;
      if (values > maxValuesInAll) return refuse(at, 'maxItems', `more than ${maxValuesInAll} values in all`);
      return given.map((entry, index) => value(entry, `${at}/${index}`, depth + 1));
    }
    if (!isPlainObject(given)) return given;
    return Object.fromEntries(
      Object.entries(given).map(([key, inner]) => {
        if (key.startsWith('$')) return refuse(`${at}/${key}`, 'operator', `${key} is not an operator of queries here`);
        return [key, value(inner, `${at}/${key}`, depth + 1)];
      }),
    );
  };

  const compared = (path: string, operator: string, given: unknown, at: string, depth: number): unknown => {
    if (path === 'meshblu') return refuse(at, 'reserved', 'only what is inside meshblu can be compared');
    if (operator === '$in' || operator === '$nin') {
      const entries = Array.isArray(given) ? given : refuse(at, 'type', `${operator} takes a list`);
      return entriesOf(path, value(entries, at, depth));
    }
    return entriesOf(path, value(given, at, depth));
  };

  const operator = (path: string, name: string, given: unknown, at: string, depth: number): unknown => {
    if (comparisons.has(name) || lists.has(name)) {
      if (lists.has(name) && !Array.isArray(given)) return refuse(at, 'type', `${name} takes a list`);
      return compared(path, name, given, at, depth);
    }
    switch (name) {
      case '$exists':
        return given === 'false' ? false : Boolean(given);
      case '$size':
        return typeof given === 'number' && Number.isInteger(given) && given >= 0 && given <= maxSize
          ? given
          : refuse(at, 'type', `$size takes a whole number up to ${maxSize}`);
      case '$not':
        return isPlainObject(given) && Object.keys(given).length > 0 && Object.keys(given).every((key) => key.startsWith('$'))
          ? condition(path, given, at, depth + 1)
          : refuse(at, 'type', '$not takes at least one operator');
      case '$elemMatch': {
        if (!isPlainObject(given)) return refuse(at, 'type', '$elemMatch takes an object');
        if (path === 'meshblu') return refuse(at, 'reserved', 'only what is inside meshblu can be compared');
        const plain = Object.keys(given).some((key) => key.startsWith('$') && !combinations.has(key));
        return plain ? condition(path, given, at, depth + 1) : filter(given, at, depth + 1, `${path}.`);
      }
      default:
        return refuse(at, 'operator', `${name} is not an operator of queries here`);
    }
  };

  const condition = (path: string, given: unknown, at: string, depth: number): unknown => {
    if (depth > maxDepth) return refuse(at, 'maxDepth', `nested deeper than ${maxDepth} levels`);
    countCondition(at);
    if (!isPlainObject(given) || !Object.keys(given).some((key) => key.startsWith('$'))) {
      return given === '' || given === 'null' ? { $exists: false } : compared(path, '$eq', given, at, depth);
    }
    return Object.fromEntries(
      Object.entries(given).map(([name, inner]) => [name, operator(path, name, inner, `${at}/${name}`, depth)]),
    );
  };

  const filter = (given: Readonly<Record<string, unknown>>, at: string, depth: number, inside = ''): Record<string, unknown> => {
    if (depth > maxDepth) return refuse(at, 'maxDepth', `nested deeper than ${maxDepth} levels`);
    // A map, as a name may be __proto__.
    const out = new Map<string, unknown>();
    for (const [key, inner] of Object.entries(given)) {
      const here = `${at}/${key}`;
      if (combinations.has(key)) {
        const branches: readonly unknown[] =
          Array.isArray(inner) && inner.length > 0 ? inner : refuse(here, 'type', `${key} takes a list of queries`);
        const read = branches.map((branch, index) => {
          countCondition(here);
          return isPlainObject(branch)
            ? filter(branch, `${here}/${index}`, depth + 1, inside)
            : refuse(here, 'type', `${key} takes a list of queries`);
        });
        out.set(key, read);
      } else if (isQueryOperator(key)) {
        refuse(here, 'operator', `${key} is not an operator of queries here`);
      } else {
        const path = inside + key;
        if (hidden.test(path) || key === '' || key.includes('\0'))
          refuse(here, 'reserved', 'this property cannot be searched for');
        if (/^meshblu\.online(\.|$)/.test(path) && !elsewhere.has(path))
          refuse(here, 'reserved', 'this property cannot be searched for');
        out.set(elsewhere.get(path) ?? storedPath(key), condition(path, inner, here, depth));
      }
    }
    return Object.fromEntries(out);
  };

  return filter(raw, '', 1);
};

const maxSorted = 8;

/** A part of a path that documents cannot have, or that may mean a place in a list. */
const unsortable = /(^|\.)(\d+|)(\.|$)/;

/**
 * Reads a client's order: paths with 1 or -1. What a query may not test may not be sorted by
 * either.
 */
export const readSort = (raw: Readonly<Record<string, 1 | -1>>): Readonly<Record<string, 1 | -1>> => {
  const entries = Object.entries(raw);
  if (entries.length > maxSorted) refuse('/sort', 'maxProperties', `more than ${maxSorted} paths`);
  return Object.fromEntries(
    entries.map(([path, direction]) => {
      if (hidden.test(path) || path === 'meshblu' || path.includes('\0') || unsortable.test(path) || isQueryOperator(path))
        refuse(`/sort/${path}`, 'reserved', 'results cannot be sorted by this property');
      return [elsewhere.get(path) ?? storedPath(path), direction];
    }),
  );
};
