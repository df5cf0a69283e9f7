import { expect } from 'chai';
import type { Document } from 'mongodb';
import type { Bench } from '../conformance.ts';
import { until } from '../../support/until.ts';
import { failure } from './failure.ts';

/** An index, documents that fit, and whether one more fits as well. */
interface UniqueCase {
  rule: string;
  key: Record<string, 1 | -1>;
  options?: Document;
  there: Document[];
  next: Document;
  fits: boolean;
}

const lampsOnly = { partialFilterExpression: { kind: 'lamp' } };
const named = { partialFilterExpression: { name: { $exists: true } } };

const cases: UniqueCase[] = [
  { rule: 'refuses an equal value', key: { a: 1 }, there: [{ a: 1 }], next: { a: 1 }, fits: false },
  { rule: 'refuses an equal number of another type', key: { a: 1 }, there: [{ a: 1 }], next: { a: 1.0 }, fits: false },
  { rule: 'takes another value', key: { a: 1 }, there: [{ a: 1 }], next: { a: '1' }, fits: true },
  { rule: 'refuses a second missing field', key: { a: 1 }, there: [{ b: 1 }], next: { b: 2 }, fits: false },
  { rule: 'holds missing and null for equal', key: { a: 1 }, there: [{ a: null }], next: {}, fits: false },
  {
    rule: 'takes many missing fields if sparse',
    key: { a: 1 },
    options: { sparse: true },
    there: [{}, {}],
    next: {},
    fits: true,
  },
  {
    rule: 'refuses a second null even if sparse',
    key: { a: 1 },
    options: { sparse: true },
    there: [{ a: null }],
    next: { a: null },
    fits: false,
  },
  {
    rule: 'looks at documents of its partial filter only',
    key: { a: 1 },
    options: lampsOnly,
    there: [{ a: 1, kind: 'fan' }],
    next: { a: 1, kind: 'lamp' },
    fits: true,
  },
  {
    rule: 'refuses an equal one inside its partial filter',
    key: { a: 1 },
    options: lampsOnly,
    there: [{ a: 1, kind: 'lamp' }],
    next: { a: 1, kind: 'lamp' },
    fits: false,
  },
  {
    rule: 'with $exists leaves out documents without the field',
    key: { name: 1 },
    options: named,
    there: [{}, {}],
    next: {},
    fits: true,
  },
  { rule: 'compound, refuses the same pair', key: { a: 1, b: -1 }, there: [{ a: 1, b: 2 }], next: { b: 2, a: 1 }, fits: false },
  { rule: 'compound, takes half the pair', key: { a: 1, b: -1 }, there: [{ a: 1, b: 2 }], next: { a: 1, b: 3 }, fits: true },
  {
    rule: 'refuses an element that another document’s array has',
    key: { a: 1 },
    there: [{ a: [1, 2] }],
    next: { a: [2, 3] },
    fits: false,
  },
  { rule: 'takes an array with the same element twice', key: { a: 1 }, there: [{ a: 1 }], next: { a: [2, 2] }, fits: true },
  {
    rule: 'looks inside objects in arrays',
    key: { 'a.b': 1 },
    there: [{ a: [{ b: 1 }, { b: 2 }] }],
    next: { a: { b: 2 } },
    fits: false,
  },
  { rule: 'compares whole objects', key: { a: 1 }, there: [{ a: { x: 1, y: 2 } }], next: { a: { y: 2, x: 1 } }, fits: true },
];

export function indexRules({ fresh }: Bench): void {
  describe('a unique index', () => {
    for (const { rule, key, options, there, next, fits } of cases) {
      it(rule, async () => {
        const things = fresh();
        await things.createIndex(key, { unique: true, ...options });
        await things.insertMany(structuredClone(there));
        if (fits) return void (await things.insertOne({ ...next }));
        const error = await failure(things.insertOne({ ...next }));
        expect(error).to.include({ name: 'MongoServerError', code: 11000 });
        expect(error['keyPattern']).to.deep.equal(key);
      });
    }

    it('names the values in keyValue', async () => {
      const things = fresh();
      await things.createIndex({ a: 1, 'b.c': 1 }, { unique: true });
      await things.insertOne({ a: 'x', b: { c: 5 } });
      expect((await failure(things.insertOne({ a: 'x', b: { c: 5 } })))['keyValue']).to.deep.equal({ a: 'x', 'b.c': 5 });
    });

    it('holds for updates, replacements and upserts, and leaves the document as it was', async () => {
      const things = fresh();
      await things.createIndex({ a: 1 }, { unique: true });
      await things.insertMany([
        { _id: 1, a: 1 },
        { _id: 2, a: 2 },
      ]);
      expect(await failure(things.updateOne({ _id: 2 }, { $set: { a: 1, b: 1 } }))).to.have.property('code', 11000);
      expect(await failure(things.replaceOne({ _id: 2 }, { a: 1 }))).to.have.property('code', 11000);
      expect(await failure(things.findOneAndUpdate({ _id: 2 }, { $set: { a: 1 } }))).to.have.property('code', 11000);
      expect(await failure(things.updateOne({ _id: 3 }, { $set: { a: 1 } }, { upsert: true }))).to.have.property('code', 11000);
      expect(await things.find({}, { sort: { _id: 1 } }).toArray()).to.deep.equal([
        { _id: 1, a: 1 },
        { _id: 2, a: 2 },
      ]);
    });

    it('gives a value free when its document changes or goes', async () => {
      const things = fresh();
      await things.createIndex({ a: 1 }, { unique: true });
      await things.insertMany([
        { _id: 1, a: 1 },
        { _id: 2, a: 2 },
      ]);
      await things.updateOne({ _id: 1 }, { $set: { a: 9 } });
      await things.deleteOne({ _id: 2 });
      await things.insertMany([
        { _id: 3, a: 1 },
        { _id: 4, a: 2 },
      ]);
      expect(await things.countDocuments({ a: { $in: [1, 2, 9] } })).to.equal(3);
    });

    it('takes only one of many documents inserted at once', async () => {
      const things = fresh();
      await things.createIndex({ a: 1 }, { unique: true });
      const results = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => things.insertOne({ _id: n, a: 'same' })));
      expect(results.filter(({ status }) => status === 'fulfilled')).to.have.lengthOf(1);
    });

    it('follows documents into and out of its partial filter', async () => {
      const things = fresh();
      await things.createIndex({ a: 1 }, { unique: true, ...lampsOnly });
      await things.insertMany([
        { _id: 1, a: 1, kind: 'lamp' },
        { _id: 2, a: 1 },
      ]);
      expect(await failure(things.updateOne({ _id: 2 }, { $set: { kind: 'lamp' } }))).to.have.property('code', 11000);
      await things.updateOne({ _id: 1 }, { $unset: { kind: '' } });
      await things.updateOne({ _id: 2 }, { $set: { kind: 'lamp' } });
    });
  });

  describe('createIndex', () => {
    it('answers the name, made of the keys unless given', async () => {
      const things = fresh();
      expect(await things.createIndex({ a: 1, 'b.c': -1 })).to.equal('a_1_b.c_-1');
      expect(await things.createIndex({ d: 1 }, { name: 'mine' })).to.equal('mine');
    });

    it('may be repeated, but not with other options', async () => {
      const things = fresh();
      await things.createIndex({ a: 1 }, { unique: true });
      expect(await things.createIndex({ a: 1 }, { unique: true })).to.equal('a_1');
      await failure(things.createIndex({ a: 1 }));
      await failure(things.createIndex({ a: 1 }, { unique: true, name: 'other' }));
    });

    it('covers documents that were there before', async () => {
      const things = fresh();
      await things.insertMany(Array.from({ length: 1500 }, (_, n) => ({ _id: n, a: n })));
      await things.createIndex({ a: 1 }, { unique: true });
      expect(await things.findOne({ a: 1234 })).to.deep.equal({ _id: 1234, a: 1234 });
      expect(await failure(things.insertOne({ a: 7 }))).to.have.property('code', 11000);
    });

    it('fails on values that are there twice, and leaves no index', async () => {
      const things = fresh();
      await things.insertMany([{ a: 1 }, { a: 1 }]);
      expect(await failure(things.createIndex({ a: 1 }, { unique: true }))).to.have.property('code', 11000);
      await things.insertOne({ a: 1 });
    });

    it('refuses two arrays in one document of a compound index', async () => {
      const things = fresh();
      await things.createIndex({ a: 1, b: 1 });
      await things.insertOne({ _id: 1, a: [1], b: 1 });
      expect(await failure(things.insertOne({ a: [1], b: [2] }))).to.have.property('code', 171);
      expect(await failure(things.updateOne({ _id: 1 }, { $set: { b: [1] } }))).to.have.property('code', 171);
    });

    for (const key of [{}, { a: 0 }, { a: 'frob' }, { '': 1 }, { $a: 1 }]) {
      it(`refuses the key ${JSON.stringify(key)}`, async () => {
        await failure(fresh().createIndex(key as Record<string, 1>));
      });
    }
  });

  describe('a TTL index', () => {
    it('removes documents whose date is past, and no others', async function () {
      this.timeout(30_000);
      const things = fresh();
      await things.createIndex({ purgeAt: 1 }, { expireAfterSeconds: 0 });
      const past = new Date(Date.now() - 5000);
      await things.insertMany([
        { _id: 1, purgeAt: past },
        { _id: 2, purgeAt: new Date(Date.now() + 600_000) },
        { _id: 3 },
        { _id: 4, purgeAt: 'yesterday' },
        { _id: 5, purgeAt: [new Date(Date.now() + 600_000), past] },
      ]);
      await until(async () => (await things.countDocuments()) === 3, 20_000);
      expect((await things.find({}, { sort: { _id: 1 } }).toArray()).map(({ _id }) => _id as number)).to.deep.equal([2, 3, 4]);
    });
  });
}
