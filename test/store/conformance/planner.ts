import { expect } from 'chai';
import { Decimal128, Long, Timestamp, type Document } from 'mongodb';
import type { Bench } from '../conformance.ts';

const values: unknown[] = [
  undefined,
  null,
  1,
  2,
  3,
  2.5,
  'a',
  'b',
  true,
  [],
  [1, 3],
  [2],
  ['a', 'b'],
  { x: 1 },
  [{ x: 1 }, { x: 3 }],
  new Date(5),
  NaN,
  new Timestamp({ t: 5, i: 1 }),
  Long.fromString('9007199254740993'),
  Decimal128.fromString('2.5'),
];

/** Every value in field `a`, with a few in `b`, so that compound indexes have something to tell apart. */
const documents: Document[] = values.flatMap((a, at) =>
  [0, 1, 2].map((b) => ({
    _id: at * 3 + b,
    ...(a === undefined ? {} : { a }),
    b,
    c: { d: [at % 4, b] },
    owner: `o${(at + b) % 3}`,
  })),
);

const conditions: unknown[] = [
  1,
  'a',
  null,
  true,
  { x: 1 },
  [1, 3],
  { $eq: 2 },
  { $in: [1, 'b', null] },
  { $in: [] },
  { $gt: 1 },
  { $gte: 2, $lt: 3 },
  { $gt: 1, $lt: 3 },
  { $lt: 'b' },
  { $gte: 'a' },
  { $lte: new Date(9) },
  { $gt: new Date(0) },
  { $ne: 1 },
  { $nin: [1, 'a'] },
  { $exists: true },
  { $exists: false },
  { $elemMatch: { $gt: 1, $lt: 3 } },
  { $elemMatch: { x: 3 } },
  { $gte: null },
  { $gt: NaN },
  { $gte: new Timestamp({ t: 1, i: 1 }) },
  { $lt: Decimal128.fromString('3') },
  { $gt: Long.fromString('9007199254740992') },
  { $eq: NaN },
  { $not: { $gt: 1 } },
  { $type: 'number' },
];

const filters: Document[] = [
  ...conditions.map((a) => ({ a })),
  ...conditions.slice(0, 14).map((a) => ({ a, b: 1 })),
  ...conditions.slice(0, 14).map((a) => ({ b: { $in: [0, 2] }, a })),
  { 'a.x': 1 },
  { 'a.x': null },
  { 'a.x': { $gt: 1 } },
  { 'a.x': { $exists: true } },
  { 'a.0': 1 },
  { 'c.d': 1 },
  { 'c.d': { $gt: 0, $lt: 2 } },
  { $and: [{ 'c.d': 0 }, { 'c.d': 2 }] },
  { 'c.d': { $all: [0, 2] } },
  { $or: [{ a: 1 }, { owner: 'o1' }] },
  { $or: [{ a: 1 }, { b: 1 }], owner: 'o2' },
  { $or: [{ 'c.d': 3 }, { a: 'a', b: 1 }, { a: { $gt: 2 } }] },
  { $or: [{ a: 1 }, { nothing: 1 }] },
  { owner: 'o1', $or: [{ 'c.d': { $in: [3] } }, { a: null }] },
  { owner: { $in: ['o0', 'o1'] }, b: { $gte: 1 } },
];

const indexes: [Record<string, 1 | -1>, Document?][] = [
  [{ a: 1 }],
  [{ a: -1, b: 1 }],
  [{ b: 1, a: -1 }],
  [{ 'a.x': 1 }],
  [{ 'c.d': 1 }],
  [{ owner: 1, b: -1 }],
  [{ owner: -1 }, { sparse: true, name: 'sparse' }],
  [{ b: -1 }, { partialFilterExpression: { owner: 'o1' }, name: 'partial' }],
];

export function plannerRules({ fresh }: Bench): void {
  describe('indexes', () => {
    it('never change what a filter finds', async () => {
      const plain = fresh();
      await plain.insertMany([...documents]);
      for (const [key, options] of indexes) {
        const indexed = fresh();
        await indexed.createIndex(key, options);
        await indexed.insertMany([...documents]);
        for (const filter of filters) {
          const expected = await plain
            .find(filter, { projection: { _id: 1 } })
            .sort({ _id: 1 })
            .toArray();
          const found = await indexed
            .find(filter, { projection: { _id: 1 } })
            .sort({ _id: 1 })
            .toArray();
          expect(found, `${JSON.stringify(key)} ${JSON.stringify(filter)}`).to.deep.equal(expected);
        }
      }
    }).timeout(60_000);

    it('never change an order', async () => {
      const orders: Record<string, 1 | -1>[] = [
        { a: 1, _id: 1 },
        { a: -1, _id: 1 },
        { b: 1, a: -1, _id: 1 },
        { owner: 1, b: -1, _id: 1 },
        { 'c.d': -1, _id: 1 },
      ];
      const plain = fresh();
      await plain.insertMany([...documents]);
      for (const [key] of indexes.slice(0, 6)) {
        const indexed = fresh();
        for (const order of orders) await indexed.createIndex(order);
        await indexed.createIndex(key);
        await indexed.insertMany([...documents]);
        for (const order of orders) {
          for (const filter of [{}, { b: 1 }, { owner: { $in: ['o0', 'o1'] } }, { b: { $gte: 1 } }]) {
            const options = { sort: order, limit: 20, skip: 3, projection: { _id: 1 } } as const;
            const expected = await plain.find(filter, options).toArray();
            expect(await indexed.find(filter, options).toArray(), JSON.stringify([key, order, filter])).to.deep.equal(expected);
          }
        }
      }
    }).timeout(60_000);
  });
}
