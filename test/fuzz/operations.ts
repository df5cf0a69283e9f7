import type { Document, IndexDirection } from 'mongodb';
import { filter, type Known } from './filters.ts';
import { names, id, inserted } from './values.ts';
import { replacement, update } from './updates.ts';

/** One call of a store, as data. */
export type Operation =
  | { kind: 'insertOne'; document: Document }
  | { kind: 'insertMany'; documents: Document[]; ordered: boolean }
  | { kind: 'find'; filter: Document; options: Document }
  | { kind: 'findOne'; filter: Document; options: Document }
  | { kind: 'countDocuments'; filter: Document }
  | { kind: 'updateOne' | 'updateMany'; filter: Document; update: Document; options: Document }
  | { kind: 'replaceOne'; filter: Document; replacement: Document; options: Document }
  | { kind: 'deleteOne' | 'deleteMany'; filter: Document }
  | { kind: 'findOneAndUpdate'; filter: Document; update: Document; options: Document }
  | { kind: 'findOneAndReplace'; filter: Document; replacement: Document; options: Document }
  | { kind: 'findOneAndDelete'; filter: Document; options: Document }
  | { kind: 'bulkWrite'; operations: Document[]; ordered: boolean }
  | { kind: 'createIndex'; keys: Record<string, IndexDirection>; options: Document };

const kinds = [
  [8, 'insertOne'],
  [2, 'insertMany'],
  [16, 'find'],
  [3, 'findOne'],
  [4, 'countDocuments'],
  [22, 'updateOne'],
  [8, 'updateMany'],
  [6, 'replaceOne'],
  [2, 'deleteOne'],
  [0.6, 'deleteMany'],
  [8, 'findOneAndUpdate'],
  [3, 'findOneAndReplace'],
  [1, 'findOneAndDelete'],
  [3, 'bulkWrite'],
  [0.7, 'createIndex'],
] as const;

export function operation(known: Known): Operation {
  const { random } = known;
  const kind = random.weighted(kinds);
  switch (kind) {
    case 'insertOne':
      return { kind, document: inserted(random) };
    case 'insertMany':
      return { kind, documents: random.list(1 + random.below(3), () => inserted(random)), ordered: random.chance(0.6) };
    case 'find':
    case 'findOne':
      return { kind, filter: filter(known), options: { ...order(known), ...projected(known), ...range(known) } };
    case 'countDocuments':
    case 'deleteMany':
    case 'deleteOne':
      return { kind, filter: kind === 'deleteMany' ? narrow(known) : filter(known) };
    case 'updateOne':
    case 'updateMany': {
      const { update: change, arrayFilters } = update(known);
      return {
        kind,
        filter: filter(known),
        update: change,
        options: { ...upsert(known), ...(arrayFilters ? { arrayFilters } : {}) },
      };
    }
    case 'replaceOne':
      return { kind, filter: filter(known), replacement: replacement(known), options: upsert(known) };
    case 'findOneAndUpdate': {
      const { update: change, arrayFilters } = update(known);
      return {
        kind,
        filter: filter(known),
        update: change,
        options: { ...findOneAnd(known), ...upsert(known), ...(arrayFilters ? { arrayFilters } : {}) },
      };
    }
    case 'findOneAndReplace':
      return {
        kind,
        filter: filter(known),
        replacement: replacement(known),
        options: { ...findOneAnd(known), ...upsert(known) },
      };
    case 'findOneAndDelete':
      return { kind, filter: narrow(known), options: { ...order(known), ...projected(known) } };
    case 'bulkWrite':
      return bulk(known);
    case 'createIndex':
      return { kind, ...index(known) };
  }
}

function narrow(known: Known): Document {
  return known.random.chance(0.7) ? { _id: id(known.random) } : filter(known);
}

function upsert({ random }: Known): Document {
  return random.chance(0.25) ? { upsert: true } : {};
}

function findOneAnd(known: Known): Document {
  const after = known.random.chance(0.6) ? { returnDocument: known.random.pick(['before', 'after']) } : {};
  return { ...after, ...order(known), ...projected(known) };
}

/** Always ends with `_id`, so that the order is the same everywhere. */
function order({ random }: Known): Document {
  const names = random.list(
    random.below(3),
    () => [random.chance(0.01) ? 'a.0' : random.pick(['a', 'b', 'c', 'a.b', 'b.a']), random.pick([1, -1])] as const,
  );
  return random.chance(0.85) ? { sort: { ...Object.fromEntries(names), _id: random.pick([1, -1]) } } : { sort: { _id: 1 } };
}

function range({ random }: Known): Document {
  return { ...(random.chance(0.2) ? { skip: random.below(4) } : {}), ...(random.chance(0.3) ? { limit: random.below(5) } : {}) };
}

function projected({ random }: Known): Document {
  if (!random.chance(0.3)) return {};
  const keep = random.pick<unknown>([1, 0, true, false]);
  const fields = random.list(
    1 + random.below(2),
    () => [random.pick(['a', 'b', 'c', 'a.b', 'a.c', 'b.a', 'a.b.c']), random.chance(0.97) ? keep : 1] as const,
  );
  // Of names that collide, a mongod may or may not complain where there is no document to project.
  const apart = fields.filter(
    ([name], at) => !fields.some(([other], index) => index !== at && `${name}.`.startsWith(`${other}.`)),
  );
  return { projection: { ...Object.fromEntries(apart), ...(random.chance(0.3) ? { _id: random.pick([0, 1]) } : {}) } };
}

/** Without an order only operations of one kind: the driver puts them into batches by kind. */
function bulk(known: Known): Operation {
  const { random } = known;
  const parts = random.list(1 + random.below(4), () => bulkPart(known));
  if (random.chance(0.6)) return { kind: 'bulkWrite', operations: parts, ordered: true };
  const [first] = Object.keys(parts[0] ?? {});
  return { kind: 'bulkWrite', operations: parts.filter((part) => Object.keys(part)[0] === first), ordered: false };
}

function bulkPart(known: Known): Document {
  const { random } = known;
  const { update: change, arrayFilters } = update(known);
  const filters = arrayFilters ? { arrayFilters } : {};
  return random.weighted<() => Document>([
    [3, () => ({ insertOne: { document: inserted(random) } })],
    [3, () => ({ replaceOne: { filter: { _id: id(random) }, replacement: replacement(known), ...upsert(known) } })],
    [4, () => ({ updateOne: { filter: { _id: id(random) }, update: change, ...filters, ...upsert(known) } })],
    [2, () => ({ updateMany: { filter: filter(known), update: change, ...filters } })],
    [1, () => ({ deleteOne: { filter: { _id: id(random) } } })],
    [0.3, () => ({ deleteMany: { filter: narrow(known) } })],
  ])();
}

/** An index of any of the kinds that are covered, on paths that documents have. */
export function index({ random }: Known): { keys: Record<string, IndexDirection>; options: Document } {
  const paths = random.list(
    random.weighted([
      [6, 1],
      [3, 2],
      [1, 3],
    ] as const),
    () => random.pick([...names, 'a.b', 'b.a', 'a.b.c']),
  );
  const keys = Object.fromEntries(paths.map((path) => [path, random.pick([1, -1] as const)]));
  const options: Document = random.chance(0.4) ? { unique: true } : {};
  const kind = random.weighted([
    [6, 'all'],
    [2, 'sparse'],
    [3, 'partial'],
  ] as const);
  if (kind === 'sparse') options['sparse'] = true;
  if (kind === 'partial') options['partialFilterExpression'] = partial(random.pick(names), random.below(5));
  return { keys, options };
}

function partial(path: string, kind: number): Document {
  const expressions = [{ $exists: true }, { $gt: 0 }, { $type: 'string' }, { $lte: 'b' }, { $eq: 1 }];
  return { [path]: expressions[kind] };
}
