import { Double, Long, type Document } from 'mongodb';
import type { Random } from './random.ts';
import { array, fields, id, names, scalar, value } from './values.ts';

/** What the generators know of the collection: some of its documents, to ask for what is there. */
export interface Known {
  random: Random;
  documents: readonly Document[];
}

/** A path that leads somewhere in one of the documents, or anywhere. */
export function path({ random, documents }: Known, depth = 3): string {
  const parts: string[] = [];
  let current: unknown = documents.length > 0 && random.chance(0.8) ? random.pick(documents) : undefined;
  do {
    const [name, next] = step(random, current);
    parts.push(name);
    current = next;
  } while (parts.length < depth && random.chance(typeof current === 'object' && current !== null ? 0.55 : 0.1));
  return parts.join('.');
}

function step(random: Random, current: unknown): [string, unknown] {
  if (Array.isArray(current)) {
    if (random.chance(0.3)) {
      const at = random.below(current.length + 1);
      return [String(at), current[at]];
    }
    const element: unknown = random.pick([...(current as unknown[]), undefined]);
    return step(random, Array.isArray(element) ? undefined : element);
  }
  if (isPlain(current) && random.chance(0.85)) {
    const own = Object.keys(current).filter((name) => name !== '_id');
    if (own.length > 0) {
      const name = random.pick(own);
      return [name, current[name]];
    }
  }
  return [random.pick(names), undefined];
}

export function isPlain(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** A value that the path holds in some document, so that equality is met; else any. */
export function likely({ random, documents }: Known, at: string): unknown {
  if (documents.length === 0 || random.chance(0.35)) return value(random, 2);
  let current: unknown = random.pick(documents);
  for (const name of at.split('.')) {
    if (Array.isArray(current) && !/^\d+$/.test(name)) current = random.pick([...(current as unknown[]), undefined]);
    current = typeof current === 'object' && current !== null ? (current as Document)[name] : undefined;
  }
  if (Array.isArray(current) && current.length > 0 && random.chance(0.6)) current = random.pick(current);
  return current === undefined ? value(random, 1) : current;
}

export function filter(known: Known, depth = 2): Document {
  const { random } = known;
  if (random.chance(0.1)) return {};
  if (random.chance(0.12)) return { _id: random.chance(0.8) ? id(random) : conditions(known, '_id', depth) };
  if (depth > 0 && random.chance(0.15)) return logical(known, depth);
  const entries = random.list(
    random.weighted([
      [6, 1],
      [3, 2],
      [1, 3],
    ] as const),
    () => entry(known, depth),
  );
  return Object.fromEntries(entries);
}

function logical(known: Known, depth: number): Document {
  const { random } = known;
  const name = random.pick(['$and', '$or', '$nor', '$or', '$and']);
  const parts = random.list(random.chance(0.03) ? 0 : 1 + random.below(3), () => filter(known, depth - 1));
  return random.chance(0.3) ? { ...Object.fromEntries([entry(known, depth)]), [name]: parts } : { [name]: parts };
}

function entry(known: Known, depth: number): [string, unknown] {
  const at = path(known);
  return [at, known.random.chance(0.4) ? likely(known, at) : conditions(known, at, depth)];
}

function conditions(known: Known, at: string, depth: number): Document {
  const made: Document = {};
  const count = known.random.chance(0.8) ? 1 : 2;
  for (let index = 0; index < count; index += 1) {
    const [name, argument] = condition(known, at, depth);
    made[name] = argument;
  }
  return made;
}

const typeNames = [
  'double',
  'string',
  'object',
  'array',
  'binData',
  'objectId',
  'bool',
  'date',
  'null',
  'int',
  'long',
  'decimal',
  'number',
];
const typeCodes = [-1, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 16, 17, 18, 19, 127, new Double(1), 0, 20, 1.5, Long.fromNumber(2)];

function condition(known: Known, at: string, depth: number): [string, unknown] {
  const { random } = known;
  const name = random.weighted([
    [4, '$eq'],
    [3, '$ne'],
    [3, '$gt'],
    [3, '$gte'],
    [3, '$lt'],
    [3, '$lte'],
    [5, '$in'],
    [2, '$nin'],
    [4, '$exists'],
    [3, '$all'],
    [5, '$elemMatch'],
    [3, '$size'],
    [3, '$not'],
    [3, '$type'],
    [2, '$mod'],
    [0.1, '$unknown'],
    [0.1, '$regex'],
  ] as const);
  switch (name) {
    case '$in':
    case '$nin':
      return [
        name,
        random.chance(0.02) ? scalar(random) : random.list(random.below(random.chance(0.1) ? 14 : 4), () => likely(known, at)),
      ];
    case '$exists':
      return [name, random.chance(0.8) ? random.chance(0.5) : scalar(random)];
    case '$all':
      return [name, all(known, at, depth)];
    case '$elemMatch':
      return [name, elemMatch(known, depth)];
    case '$size':
      return [name, random.chance(0.85) ? random.below(4) : scalar(random)];
    case '$not':
      return [name, random.chance(0.05) ? scalar(random) : conditions(known, at, depth)];
    case '$type':
      return [name, typeArgument(random)];
    case '$mod':
      return [
        name,
        random.chance(0.8) ? [random.pick([2, 3, -2, 2.5, Long.fromNumber(2)]), random.pick([0, 1, -1, 0.5])] : array(random, 0),
      ];
    case '$regex':
      return [name, 'a'];
    default: {
      const argument = likely(known, at);
      // With a sparse index a mongod forgets that a missing field is as good as null here.
      return argument === null && (name === '$gte' || name === '$lte') ? ['$eq', null] : [name, argument];
    }
  }
}

function all(known: Known, at: string, depth: number): unknown {
  const { random } = known;
  if (random.chance(0.02)) return scalar(random);
  if (random.chance(0.2)) return random.list(1 + random.below(2), () => ({ $elemMatch: elemMatch(known, depth) }));
  return random.list(random.below(3), () => likely(known, at));
}

function elemMatch(known: Known, depth: number): unknown {
  const { random } = known;
  if (random.chance(0.02)) return scalar(random);
  const inner: Known = { random, documents: elements(known.documents) };
  if (random.chance(0.5)) return conditions(inner, 'a', depth - 1);
  return depth > 0 ? filter(inner, depth - 1) : fields(random, 0);
}

/** Documents that are elements of arrays somewhere inside. */
function elements(documents: readonly unknown[], depth = 3): Document[] {
  if (depth === 0) return [];
  return documents.flatMap((document) => {
    if (Array.isArray(document)) return [...document.filter(isPlain), ...elements(document, depth - 1)];
    return isPlain(document) ? elements(Object.values(document), depth - 1) : [];
  });
}

function typeArgument(random: Random): unknown {
  if (random.chance(0.15)) return random.list(random.below(3), () => random.pick<unknown>([...typeNames, ...typeCodes]));
  if (random.chance(0.03)) return scalar(random);
  return random.chance(0.7) ? random.pick(typeNames) : random.pick<unknown>(typeCodes);
}

/** Operators asked of one element of an array. */
export function conditionsForElement(known: Known): Document {
  return conditions({ random: known.random, documents: elements(known.documents) }, known.random.pick(['a', 'b']), 1);
}
