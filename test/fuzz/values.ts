import { Binary, Decimal128, Double, Long, MaxKey, MinKey, ObjectId, Timestamp, type Document } from 'mongodb';
import type { Random } from './random.ts';

/** Few names and few values, so that documents, filters and updates meet often. */
export const names = ['a', 'b', 'c', 'd'] as const;

const objectIds = ['64b000000000000000000001', '64b000000000000000000002', '74b000000000000000000003'].map(
  (id) => new ObjectId(id),
);

/** Whether an ObjectId is one of the fuzzer's own, not one that a store made for an insert. */
export function isKnownId(id: ObjectId): boolean {
  return objectIds.some((known) => known.equals(id));
}

/** A value as generators may copy it: in place of what a store made up, which differs between the stores, something else. */
export function copied(value: unknown): unknown {
  if (value instanceof ObjectId) return isKnownId(value) ? value : objectIds[0];
  if (value instanceof Date) return isRecent(value.getTime()) ? new Date(0) : value;
  if (value instanceof Timestamp) return isRecent(value.t * 1000) ? new Timestamp({ t: 1, i: 2 }) : value;
  if (Array.isArray(value)) return value.map(copied);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, copied(inner)]));
}

/** Whether a time is the present one, as `$currentDate` sets it. */
export function isRecent(time: number): boolean {
  return Math.abs(Date.now() - time) < 600_000;
}

const common: readonly unknown[] = [0, 1, 2, 3, -1, 'a', 'b', 'ab', '', null, true, false, 1.5, new Double(1), new Double(2)];

const rare: readonly unknown[] = [
  NaN,
  -0,
  Infinity,
  -Infinity,
  2147483647,
  -2147483648,
  0.1,
  1e300,
  Number.MIN_VALUE,
  Long.fromNumber(1),
  Long.fromNumber(2),
  Long.fromString('9007199254740993'),
  Long.MAX_VALUE,
  Long.MIN_VALUE,
  new Double(9007199254740992),
  new Double(2 ** 63),
  'é',
  'Z',
  '\ufffd',
  '😀',
  'a\u0000b',
  new Date(0),
  new Date(1_600_000_000_000),
  new Date(-5),
  ...objectIds,
  Decimal128.fromString('1'),
  Decimal128.fromString('1.50'),
  Decimal128.fromString('NaN'),
  Decimal128.fromString('-Infinity'),
  Decimal128.fromString('0.1'),
  Decimal128.fromString('9007199254740993'),
  Decimal128.fromString('1E+6000'),
  Decimal128.fromString('-0'),
  new Binary(Buffer.from('ab')),
  new Binary(Buffer.from('b'), 4),
  new Timestamp({ t: 1, i: 2 }),
  new Timestamp({ t: 4_000_000_000, i: 1 }),
  new MinKey(),
  new MaxKey(),
];

export function scalar(random: Random): unknown {
  return random.pick(random.chance(0.85) ? common : rare);
}

export function value(random: Random, depth = 3): unknown {
  const kind =
    depth === 0
      ? 'scalar'
      : random.weighted([
          [6, 'scalar'],
          [2, 'array'],
          [2, 'document'],
        ] as const);
  if (kind === 'scalar') return scalar(random);
  return kind === 'array' ? array(random, depth - 1) : fields(random, depth - 1);
}

/** Mostly of one kind, as arrays are. */
export function array(random: Random, depth = 2): unknown[] {
  const length = random.below(4);
  const kind = random.below(3);
  if (kind === 0) return random.list(length, () => scalar(random));
  if (kind === 1 && depth > 0) return random.list(length, () => fields(random, depth - 1));
  return random.list(length, () => value(random, depth));
}

export function fields(random: Random, depth = 2): Document {
  return Object.fromEntries(random.list(random.below(4), () => [random.pick(names), value(random, depth)]));
}

export function id(random: Random): unknown {
  if (random.chance(0.8)) return random.below(8);
  return random.pick<unknown>([
    new Double(1),
    1.5,
    'a',
    'b',
    ...objectIds,
    { a: 1 },
    { a: new Double(1) },
    Long.fromNumber(3),
    true,
  ]);
}

/** A document as it is inserted. Always with an `_id`: those that the stores and the driver make have no common order. */
export function inserted(random: Random): Document {
  return { _id: random.chance(0.6) ? id(random) : 100 + random.below(1000), ...fields(random, 3) };
}
