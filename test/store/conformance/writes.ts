import { expect } from 'chai';
import { Double, Int32, Long, ObjectId, type Document } from 'mongodb';
import type { Bench } from '../conformance.ts';
import { failure } from './failure.ts';

/** An update: documents before, the call, its counts, and the documents after. */
interface UpdateCase {
  rule: string;
  before: Document[];
  filter: Document;
  update: Document;
  options?: Document;
  counts: [matched: number, modified: number, upserted: number];
  after: Document[];
}

const one: UpdateCase[] = [
  {
    rule: 'changes the first match only',
    before: [
      { _id: 1, n: 1 },
      { _id: 2, n: 1 },
    ],
    filter: { n: 1 },
    update: { $set: { n: 2 } },
    counts: [1, 1, 0],
    after: [
      { _id: 1, n: 2 },
      { _id: 2, n: 1 },
    ],
  },
  {
    rule: 'counts a match that it leaves as it was as not modified',
    before: [{ _id: 1, n: 1 }],
    filter: { _id: 1 },
    update: { $set: { n: 1 } },
    counts: [1, 0, 0],
    after: [{ _id: 1, n: 1 }],
  },
  {
    rule: 'matches nothing without an upsert',
    before: [],
    filter: { _id: 1 },
    update: { $set: { n: 1 } },
    counts: [0, 0, 0],
    after: [],
  },
  {
    rule: 'upserts a document made of the filter and the update',
    before: [],
    filter: { _id: 'u', kind: 'lamp', 'at.room': 'hall', n: { $gt: 5 } },
    update: { $set: { on: true }, $setOnInsert: { born: 1 } },
    options: { upsert: true },
    counts: [0, 0, 1],
    after: [{ _id: 'u', at: { room: 'hall' }, kind: 'lamp', born: 1, on: true }],
  },
  {
    rule: 'changes the element that the filter found, through $',
    before: [
      {
        _id: 1,
        list: [
          { k: 'a', v: 1 },
          { k: 'b', v: 2 },
        ],
      },
    ],
    filter: { 'list.k': 'b' },
    update: { $set: { 'list.$.v': 9 } },
    counts: [1, 1, 0],
    after: [
      {
        _id: 1,
        list: [
          { k: 'a', v: 1 },
          { k: 'b', v: 9 },
        ],
      },
    ],
  },
  {
    rule: 'changes elements by array filters',
    before: [{ _id: 1, list: [1, 5, 9] }],
    filter: { _id: 1 },
    update: { $set: { 'list.$[big]': 0 } },
    options: { arrayFilters: [{ big: { $gte: 5 } }] },
    counts: [1, 1, 0],
    after: [{ _id: 1, list: [1, 0, 0] }],
  },
  {
    rule: 'unsets, increments, pushes and pulls in one update',
    before: [{ _id: 1, a: 1, n: 1, list: [1], tags: ['x', 'y'] }],
    filter: { _id: 1 },
    update: { $unset: { a: '' }, $inc: { n: 2 }, $push: { list: 2 }, $pull: { tags: 'x' } },
    counts: [1, 1, 0],
    after: [{ _id: 1, n: 3, list: [1, 2], tags: ['y'] }],
  },
];

const many: UpdateCase[] = [
  {
    rule: 'changes every match once, also when the change moves it on in an index',
    before: [1, 2, 3].map((n) => ({ _id: n, n })),
    filter: { n: { $gt: 0 } },
    update: { $inc: { n: 10 } },
    counts: [3, 3, 0],
    after: [1, 2, 3].map((n) => ({ _id: n, n: n + 10 })),
  },
  {
    rule: 'counts only those that it modified',
    before: [
      { _id: 1, n: 1 },
      { _id: 2, n: 2 },
    ],
    filter: {},
    update: { $set: { n: 2 } },
    counts: [2, 1, 0],
    after: [
      { _id: 1, n: 2 },
      { _id: 2, n: 2 },
    ],
  },
];

export function writeRules({ fresh }: Bench): void {
  const all = (collection: ReturnType<typeof fresh>) => collection.find({}, { sort: { _id: 1 } }).toArray();

  const updates = (name: 'updateOne' | 'updateMany', cases: UpdateCase[]) =>
    describe(name, () => {
      for (const { rule, before, filter, update, options, counts, after } of cases) {
        it(rule, async () => {
          const devices = fresh();
          await devices.createIndex({ n: 1 });
          if (before.length > 0) await devices.insertMany(before);
          const result = await devices[name](filter, update, options);
          expect([result.matchedCount, result.modifiedCount, result.upsertedCount]).to.deep.equal(counts);
          expect(await all(devices)).to.deep.equal(after);
        });
      }
    });

  updates('updateOne', one);
  updates('updateMany', many);

  describe('updateOne', () => {
    it('answers the id of an upserted document, and null otherwise', async () => {
      const devices = fresh();
      expect(await devices.updateOne({ a: 1 }, { $set: { b: 1 } }, { upsert: true }))
        .to.have.property('upsertedId')
        .instanceOf(ObjectId);
      expect(await devices.updateOne({ a: 1 }, { $set: { b: 2 } }, { upsert: true })).to.have.property('upsertedId', null);
    });

    it('refuses a plain document', async () => {
      expect(await failure(fresh().updateOne({}, { a: 1 }))).to.have.property('name', 'MongoInvalidArgumentError');
    });

    it('refuses to change _id', async () => {
      const devices = fresh();
      await devices.insertOne({ _id: 1 });
      expect(await failure(devices.updateOne({ _id: 1 }, { $set: { _id: 2 } }))).to.have.property('code', 66);
    });

    it('refuses an unknown operator even if nothing matches', async () => {
      const devices = fresh();
      await devices.insertOne({ _id: 1 });
      expect(await failure(devices.updateOne({ _id: 2 }, { $frob: { a: 2 } }))).to.have.property('name', 'MongoServerError');
    });

    it('keeps the number types of what it does not touch', async () => {
      const devices = fresh();
      await devices.insertOne({ _id: 1, d: new Double(2), l: Long.fromString('9007199254740993'), i: 7 });
      await devices.updateOne({ _id: 1 }, { $inc: { i: 1 } });
      const [stored] = await devices.find({ d: { $type: 'double' }, l: { $type: 'long' }, i: { $type: 'int' } }).toArray();
      expect(stored).to.deep.equal({ _id: 1, d: 2, l: Long.fromString('9007199254740993'), i: 8 });
    });
  });

  describe('insertOne', () => {
    it('gives a document an ObjectId, in the caller’s object as well', async () => {
      const devices = fresh();
      const document: Document = { a: 1 };
      const { insertedId, acknowledged } = await devices.insertOne(document);
      expect(acknowledged).to.equal(true);
      expect(insertedId).to.be.instanceOf(ObjectId).and.to.equal(document['_id']);
    });

    it('stores _id as the first field', async () => {
      const devices = fresh();
      await devices.insertOne({ b: 1, _id: 'x', a: 2 });
      expect(Object.keys((await devices.findOne({ _id: 'x' })) ?? {})).to.deep.equal(['_id', 'b', 'a']);
    });

    it('stores undefined as null', async () => {
      const devices = fresh();
      await devices.insertOne({ _id: 1, a: undefined });
      expect(await devices.findOne({})).to.deep.equal({ _id: 1, a: null });
    });

    it('refuses a second document with the same _id, naming key and value', async () => {
      const devices = fresh();
      await devices.insertOne({ _id: 'x' });
      const error = await failure(devices.insertOne({ _id: 'x' }));
      expect(error).to.include({ name: 'MongoServerError', code: 11000 });
      expect(error['keyPattern']).to.deep.equal({ _id: 1 });
      expect(error['keyValue']).to.deep.equal({ _id: 'x' });
    });

    it('holds 1 and 1.0 for the same _id', async () => {
      const devices = fresh();
      await devices.insertOne({ _id: new Int32(1) });
      expect(await failure(devices.insertOne({ _id: new Double(1) }))).to.have.property('code', 11000);
    });

    for (const [what, id] of [
      ['an array', [1]],
      ['a pattern', /a/],
      ['an object with an operator', { $a: 1 }],
    ] as const) {
      it(`refuses ${what} as _id`, async () => {
        expect(await failure(fresh().insertOne({ _id: id } as Document))).to.have.property('name', 'MongoServerError');
      });
    }

    it('takes a document of several MiB, and refuses one of more than 16', async () => {
      const devices = fresh();
      await devices.insertOne({ _id: 1, text: 'x'.repeat(5_000_000) });
      expect((await devices.findOne({ _id: 1 }))?.['text']).to.have.lengthOf(5_000_000);
      await failure(devices.insertOne({ _id: 2, text: 'x'.repeat(17_000_000) }));
    });
  });

  describe('insertMany', () => {
    it('answers how many and which ids', async () => {
      const result = await fresh().insertMany([{ _id: 'a' }, { _id: 'b' }]);
      expect(result).to.deep.equal({ acknowledged: true, insertedCount: 2, insertedIds: { 0: 'a', 1: 'b' } });
    });

    it('stops at the first duplicate, keeping those before it', async () => {
      const devices = fresh();
      const error = await failure(devices.insertMany([{ _id: 'a' }, { _id: 'a' }, { _id: 'b' }]));
      expect(error).to.include({ name: 'MongoBulkWriteError', code: 11000 });
      expect(error['result']).to.include({ insertedCount: 1 });
      expect(await all(devices)).to.deep.equal([{ _id: 'a' }]);
    });

    it('goes on after a duplicate when unordered, and lists every failure', async () => {
      const devices = fresh();
      const error = await failure(
        devices.insertMany([{ _id: 'a' }, { _id: 'a' }, { _id: 'b' }, { _id: 'b' }], { ordered: false }),
      );
      const failures = error['writeErrors'] as { index: number; code: number }[];
      expect(failures.map(({ index, code }) => [index, code])).to.deep.equal([
        [1, 11000],
        [3, 11000],
      ]);
      expect(await all(devices)).to.deep.equal([{ _id: 'a' }, { _id: 'b' }]);
    });
  });

  describe('replaceOne', () => {
    it('replaces everything but _id', async () => {
      const devices = fresh();
      await devices.insertOne({ _id: 1, a: 1, b: 2 });
      const { matchedCount, modifiedCount } = await devices.replaceOne({ a: 1 }, { c: 3 });
      expect([matchedCount, modifiedCount]).to.deep.equal([1, 1]);
      expect(await all(devices)).to.deep.equal([{ _id: 1, c: 3 }]);
    });

    it('matches on what the filter says besides the key, so that only one of two writers with the same rev wins', async () => {
      const devices = fresh();
      await devices.insertOne({ _id: 'd', own: { rev: 1 } });
      const write = (by: string) => devices.replaceOne({ _id: 'd', 'own.rev': 1 }, { _id: 'd', own: { rev: 2 }, by });
      const results = await Promise.all(['a', 'b', 'c'].map(write));
      expect(results.map(({ matchedCount }) => matchedCount)).to.have.members([0, 0, 1]);
    });

    it('counts an equal document as not modified, if it says the _id', async () => {
      const devices = fresh();
      await devices.insertOne({ _id: 1, a: 1 });
      expect(await devices.replaceOne({ _id: 1 }, { _id: 1, a: 1 })).to.include({ matchedCount: 1, modifiedCount: 0 });
      expect(await devices.replaceOne({ _id: 1 }, { a: 1 })).to.include({ matchedCount: 1, modifiedCount: 1 });
    });

    it('refuses another _id', async () => {
      const devices = fresh();
      await devices.insertOne({ _id: 1 });
      expect(await failure(devices.replaceOne({ _id: 1 }, { _id: 2 }))).to.have.property('code', 66);
    });

    it('refuses operators', async () => {
      expect(await failure(fresh().replaceOne({}, { $set: { a: 1 } }))).to.have.property('name', 'MongoInvalidArgumentError');
    });

    it('upserts with the _id of the filter', async () => {
      const devices = fresh();
      expect(await devices.replaceOne({ _id: 'x', k: 1 }, { a: 1 }, { upsert: true })).to.include({
        upsertedCount: 1,
        upsertedId: 'x',
      });
      expect(await all(devices)).to.deep.equal([{ _id: 'x', a: 1 }]);
    });
  });

  describe('deleteOne and deleteMany', () => {
    it('delete the first match, or all', async () => {
      const devices = fresh();
      await devices.insertMany([1, 2, 3, 4].map((n) => ({ _id: n, even: n % 2 === 0 })));
      expect(await devices.deleteOne({ even: true })).to.deep.equal({ acknowledged: true, deletedCount: 1 });
      expect(await devices.deleteMany({ even: false })).to.deep.equal({ acknowledged: true, deletedCount: 2 });
      expect(await all(devices)).to.deep.equal([{ _id: 4, even: true }]);
      expect(await devices.deleteOne({ _id: 9 })).to.include({ deletedCount: 0 });
    });
  });

  describe('findOneAndUpdate, findOneAndReplace, findOneAndDelete', () => {
    it('answer the document as it was, or null', async () => {
      const devices = fresh();
      await devices.insertOne({ _id: 1, n: 1 });
      expect(await devices.findOneAndUpdate({ _id: 1 }, { $inc: { n: 1 } })).to.deep.equal({ _id: 1, n: 1 });
      expect(await devices.findOneAndReplace({ _id: 1 }, { n: 5 })).to.deep.equal({ _id: 1, n: 2 });
      expect(await devices.findOneAndDelete({ _id: 1 })).to.deep.equal({ _id: 1, n: 5 });
      expect(await devices.findOneAndDelete({ _id: 1 })).to.equal(null);
      expect(await devices.findOneAndUpdate({ _id: 1 }, { $inc: { n: 1 } })).to.equal(null);
    });

    it('answer the new document when asked, upserted ones too, with a projection', async () => {
      const devices = fresh();
      const options = { upsert: true, returnDocument: 'after', projection: { n: 1, _id: 0 } } as const;
      expect(await devices.findOneAndUpdate({ _id: 1 }, { $inc: { n: 1, m: 1 } }, options)).to.deep.equal({ n: 1 });
      expect(await devices.findOneAndUpdate({ _id: 1 }, { $inc: { n: 1 } }, options)).to.deep.equal({ n: 2 });
    });

    it('take the first by the order asked for', async () => {
      const devices = fresh();
      await devices.insertMany([
        { _id: 1, n: 2 },
        { _id: 2, n: 9 },
        { _id: 3, n: 5 },
      ]);
      expect(await devices.findOneAndDelete({}, { sort: { n: -1 } })).to.deep.equal({ _id: 2, n: 9 });
    });
  });

  describe('bulkWrite', () => {
    it('runs every kind of write and counts each', async () => {
      const devices = fresh();
      const result = await devices.bulkWrite([
        { insertOne: { document: { _id: 1, n: 1 } } },
        { insertOne: { document: { _id: 2, n: 1 } } },
        { updateOne: { filter: { _id: 1 }, update: { $inc: { n: 1 } } } },
        { updateMany: { filter: {}, update: { $set: { all: true } } } },
        { replaceOne: { filter: { _id: 2 }, replacement: { r: 1 } } },
        { updateOne: { filter: { _id: 3 }, update: { $set: { n: 3 } }, upsert: true } },
        { deleteOne: { filter: { _id: 1 } } },
        { deleteMany: { filter: { none: 1 } } },
      ]);
      const { insertedCount, matchedCount, modifiedCount, deletedCount, upsertedCount } = result;
      expect([insertedCount, matchedCount, modifiedCount, deletedCount, upsertedCount]).to.deep.equal([2, 4, 4, 1, 1]);
      expect(await all(devices)).to.deep.equal([
        { _id: 2, r: 1 },
        { _id: 3, n: 3 },
      ]);
    });

    it('stops at the first failure, keeping what was done before it', async () => {
      const devices = fresh();
      const error = await failure(
        devices.bulkWrite([
          { insertOne: { document: { _id: 1 } } },
          { updateOne: { filter: { _id: 1 }, update: { $set: { _id: 5 } } } },
          { insertOne: { document: { _id: 2 } } },
        ]),
      );
      expect(error).to.include({ name: 'MongoBulkWriteError', code: 66 });
      expect(await all(devices)).to.deep.equal([{ _id: 1 }]);
    });

    it('goes on after failures when unordered', async () => {
      const devices = fresh();
      const insert = (id: number) => ({ insertOne: { document: { _id: id } } });
      const error = await failure(devices.bulkWrite([insert(1), insert(1), insert(2)], { ordered: false }));
      expect(error['result']).to.include({ insertedCount: 2 });
      expect(await all(devices)).to.deep.equal([{ _id: 1 }, { _id: 2 }]);
    });
  });
}
