import { BSON, type Document } from 'mongodb';
import { isNumber } from '../../mql/index.ts';

/** What a filter demands of one path, as far as an index can help. All of them hold at once. */
export interface Demand {
  /** The value is one of these (`$eq`, `$in`, a literal); several lists are several demands. */
  points: unknown[][];
  /** Bounds of comparisons, of one type class each. */
  lower: unknown[];
  upper: unknown[];
  /** The path must exist. */
  exists: boolean;
}

/**
 * A filter taken apart for the planner. Documents that match the filter satisfy every demand and one branch of every `ors`;
 * the reverse only holds if `exact`. Whatever is found through an index is matched against the whole filter unless `exact`.
 */
export interface Predicates {
  paths: Map<string, Demand>;
  ors: Document[][];
  exact: boolean;
}

export function predicatesOf(filter: Document): Predicates {
  const predicates: Predicates = { paths: new Map(), ors: [], exact: true };
  collect(filter, '', predicates);
  return predicates;
}

function collect(filter: Document, prefix: string, into: Predicates): void {
  for (const [key, condition] of Object.entries(filter)) {
    if (key === '$and' && Array.isArray(condition)) {
      for (const part of condition as unknown[]) if (isPlain(part)) collect(part, prefix, into);
    } else if (key === '$or' && Array.isArray(condition) && prefix === '') {
      into.exact = false;
      into.ors.push(condition as Document[]);
    } else if (key.startsWith('$')) {
      into.exact = false;
    } else {
      demand(prefix + key, condition, into);
    }
  }
}

function demand(path: string, condition: unknown, into: Predicates): void {
  const demands = demandOf(path, into);
  if (!isOperators(condition)) {
    literal([condition], demands, into);
    return;
  }
  for (const [operator, operand] of Object.entries(condition)) {
    if (operator === '$eq') literal([operand], demands, into);
    else if (operator === '$in' && Array.isArray(operand)) literal(operand, demands, into);
    else ranged(path, operator, operand, demands, into);
  }
}

function ranged(path: string, operator: string, operand: unknown, demands: Demand, into: Predicates): void {
  into.exact = false;
  if ((operator === '$gt' || operator === '$gte') && isOrdered(operand)) demands.lower.push(operand);
  else if ((operator === '$lt' || operator === '$lte') && isOrdered(operand)) demands.upper.push(operand);
  else if (operator === '$exists' && truthy(operand)) demands.exists = true;
  else if (operator === '$elemMatch' && isPlain(operand) && !isOperators(operand)) collect(operand, `${path}.`, into);
}

function literal(values: readonly unknown[], demands: Demand, into: Predicates): void {
  if (values.every(isPoint)) demands.points.push([...values]);
  else into.exact = false;
  if (demands.points.length > 1 || values.includes(null)) into.exact = false;
}

function demandOf(path: string, { paths }: Predicates): Demand {
  let found = paths.get(path);
  if (found === undefined) paths.set(path, (found = { points: [], lower: [], upper: [], exists: false }));
  return found;
}

export function isPlain(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function isOperators(value: unknown): value is Document {
  if (!isPlain(value)) return false;
  const [first] = Object.keys(value);
  return first !== undefined && first.startsWith('$') && first !== '$ref' && first !== '$id' && first !== '$db';
}

/** A value whose equality is equality of index keys. Patterns and arrays match in other ways. */
function isPoint(value: unknown): boolean {
  if (Array.isArray(value) || value instanceof RegExp || value === undefined) return false;
  return !(
    value instanceof BSON.BSONRegExp ||
    value instanceof BSON.MinKey ||
    value instanceof BSON.MaxKey ||
    isOperators(value)
  );
}

/** A value with which a range is a range of keys of its own type. */
function isOrdered(value: unknown): boolean {
  if (isNumber(value)) return !Number.isNaN(Number(value));
  return typeof value === 'string' || value instanceof Date || value instanceof BSON.ObjectId;
}

function truthy(value: unknown): boolean {
  return isNumber(value) ? Number(value) !== 0 : Boolean(value);
}
