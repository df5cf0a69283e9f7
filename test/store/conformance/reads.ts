import { expect } from 'chai';
import { Decimal128, Double, Int32, Long, ObjectId, Timestamp, type Document } from 'mongodb';
import type { Bench } from '../conformance.ts';
import { failure } from './failure.ts';

const things: Document[] = [
  { _id: 1, name: 'lamp', n: 3, tags: ['a', 'b'], at: { room: 'hall' } },
  { _id: 2, name: 'fan', n: 1, tags: [], at: { room: 'attic' } },
  { _id: 3, name: 'door', n: 2, tags: ['c'] },
  { _id: 4, name: 'bell', n: null },
  { _id: 5, name: 'tv', n: 'text', tags: 'b' },
  { _id: 6, name: 'pump', n: [7, 0] },
];

/** A filter and the ids that it finds. */
const filters: [Document, number[]][] = [
  [{}, [1, 2, 3, 4, 5, 6]],
  [{ n: 3 }, [1]],
  [{ n: { $gt: 1 } }, [1, 3, 6]],
  [{ n: { $lt: 1 } }, [6]],
  // One element may be above the lower bound and another one below the upper.
  [{ n: { $gte: 1, $lte: 2 } }, [2, 3, 6]],
  [{ n: { $in: [1, 'text'] } }, [2, 5]],
  [{ n: { $nin: [1, 'text'] } }, [1, 3, 4, 6]],
  [{ n: null }, [4]],
  [{ at: null }, [3, 4, 5, 6]],
  [{ tags: { $exists: false } }, [4, 6]],
  [{ tags: 'b' }, [1, 5]],
  [{ tags: ['c'] }, [3]],
  [{ tags: { $size: 0 } }, [2]],
  [{ tags: { $all: ['a', 'b'] } }, [1]],
  [{ tags: { $elemMatch: { $gt: 'a' } } }, [1, 3]],
  [{ 'at.room': 'hall' }, [1]],
  [{ 'at.room': { $ne: 'hall' } }, [2, 3, 4, 5, 6]],
  [{ $or: [{ name: 'tv' }, { n: 2 }] }, [3, 5]],
  [{ $and: [{ n: { $gt: 0 } }, { tags: 'a' }] }, [1]],
  [{ $nor: [{ n: { $gt: 0 } }, { n: null }] }, [5]],
  [{ n: { $not: { $gt: 0 } } }, [4, 5]],
  [{ n: { $type: 'string' } }, [5]],
  [{ n: { $mod: [2, 1] } }, [1, 2, 6]],
];

const projections: [Document, Document][] = [
  [{ name: 1 }, { _id: 1, name: 'lamp' }],
  [{ name: 1, _id: 0 }, { name: 'lamp' }],
  [
    { tags: 0, at: 0 },
    { _id: 1, name: 'lamp', n: 3 },
  ],
  [{ 'at.room': 1 }, { _id: 1, at: { room: 'hall' } }],
  [{ missing: 1 }, { _id: 1 }],
];

export function readRules({ fresh }: Bench): void {
  const ids = (documents: Document[]) => documents.map(({ _id }) => _id as unknown);

  async function stocked() {
    const devices = fresh();
    await devices.insertMany(structuredClone(things));
    return devices;
  }

  describe('find', () => {
    it('finds exactly what the filter says, one document or many', async () => {
      const devices = await stocked();
      for (const [filter, expected] of filters) {
        expect(ids(await devices.find(filter).sort({ _id: 1 }).toArray()), JSON.stringify(filter)).to.deep.equal(expected);
        expect(await devices.countDocuments(filter), JSON.stringify(filter)).to.equal(expected.length);
      }
    });

    it('finds nothing in a collection that does not exist', async () => {
      const devices = fresh();
      expect(await devices.find({}).toArray()).to.deep.equal([]);
      expect(await devices.findOne({})).to.equal(null);
      expect(await devices.countDocuments()).to.equal(0);
    });

    it('returns documents in the order of insertion if none is asked for', async () => {
      const devices = fresh();
      await devices.insertMany([3, 1, 2].map((n) => ({ _id: n })));
      await devices.updateOne({ _id: 3 }, { $set: { late: true } });
      expect(ids(await devices.find().toArray())).to.deep.equal([3, 1, 2]);
    });

    it('sorts by type first: missing and null, numbers, text, arrays by their smallest or largest', async () => {
      const devices = await stocked();
      expect(ids(await devices.find({}).sort({ n: 1 }).toArray())).to.deep.equal([4, 6, 2, 3, 1, 5]);
      expect(ids(await devices.find({}).sort({ n: -1 }).toArray())).to.deep.equal([5, 6, 1, 3, 2, 4]);
      expect(
        ids(
          await devices
            .find({ _id: { $lt: 4 } })
            .sort({ 'at.room': 1, _id: -1 })
            .toArray(),
        ),
      ).to.deep.equal([3, 2, 1]);
    });

    it('refuses to sort by two arrays of one document', async () => {
      const devices = fresh();
      await devices.insertOne({ _id: 1, a: [1, 2], b: [3, 4] });
      await failure(devices.find({}).sort({ a: 1, b: -1 }).toArray());
    });

    it('places a document by the one element that comes first for the whole order', async () => {
      const devices = fresh();
      const pairs = (...list: [number, number][]) => list.map(([x, y]) => ({ x, y }));
      await devices.insertMany([
        { _id: 1, p: pairs([1, 1], [2, 9]) },
        { _id: 2, p: pairs([1, 5], [1, 2]) },
        { _id: 3, p: pairs([0, 0]) },
      ]);
      expect(ids(await devices.find({}).sort({ 'p.x': 1, 'p.y': -1 }).toArray())).to.deep.equal([3, 2, 1]);
    });

    it('skips and limits after sorting; a limit of 0 is none, a negative one counts as positive', async () => {
      const devices = await stocked();
      const some = (skip: number, limit: number) => devices.find({}, { sort: { _id: 1 }, skip, limit }).toArray();
      expect(ids(await some(1, 2))).to.deep.equal([2, 3]);
      expect(ids(await some(4, 0))).to.deep.equal([5, 6]);
      expect(ids(await some(0, -2))).to.deep.equal([1, 2]);
      expect(ids(await some(9, 2))).to.deep.equal([]);
      expect(ids(await devices.find().sort({ _id: -1 }).skip(1).limit(1).toArray())).to.deep.equal([5]);
    });

    it('can be read with for await', async () => {
      const devices = await stocked();
      const seen: unknown[] = [];
      for await (const { _id } of devices.find({ n: { $gt: 0 } }, { sort: { _id: 1 } })) seen.push(_id);
      expect(seen).to.deep.equal([1, 2, 3, 6]);
    });

    it('keeps or leaves out the fields of a projection', async () => {
      const devices = await stocked();
      for (const [projection, expected] of projections) {
        const found = await devices.findOne({ _id: 1 }, { projection: projection as Record<string, 0 | 1> });
        expect(found, JSON.stringify(projection)).to.deep.equal(expected);
      }
    });

    it('finds many documents in the same order however large the result', async () => {
      const devices = fresh();
      await devices.insertMany(Array.from({ length: 3000 }, (_, n) => ({ _id: n, mod: n % 7, back: 3000 - n })));
      const found = await devices
        .find({ mod: { $ne: 3 } })
        .sort({ mod: 1, back: 1 })
        .toArray();
      const expected = Array.from({ length: 3000 }, (_, n) => n).filter((n) => n % 7 !== 3);
      expected.sort((a, b) => (a % 7) - (b % 7) || b - a);
      expect(ids(found)).to.deep.equal(expected);
    });

    for (const filter of [{ a: { $frob: 1 } }, { $frob: 1 }, { $or: [] }, { a: { $in: 5 } }]) {
      it(`refuses ${JSON.stringify(filter)}`, async () => {
        const devices = await stocked();
        await failure(devices.find(filter).toArray());
        await failure(devices.countDocuments(filter));
      });
    }

    it('sees a write as soon as it was acknowledged', async () => {
      const devices = fresh();
      await devices.insertOne({ _id: 1, n: 0 });
      for (let n = 1; n <= 50; n += 1) {
        await devices.updateOne({ _id: 1 }, { $set: { n } });
        expect((await devices.findOne({ _id: 1 }))?.['n']).to.equal(n);
      }
    });

    it('shares no object with a later result or with what was inserted', async () => {
      const devices = fresh();
      const document = { _id: 1, list: [{ a: 1 }] };
      await devices.insertOne(document);
      document.list.push({ a: 2 });
      const first = (await devices.findOne({ _id: 1 })) as typeof document;
      first.list.length = 0;
      expect(await devices.findOne({ _id: 1 })).to.deep.equal({ _id: 1, list: [{ a: 1 }] });
    });
  });

  describe('values', () => {
    const values: [string, unknown, unknown?][] = [
      ['int', new Int32(5), 5],
      ['double', new Double(1.5), 1.5],
      ['a whole double', new Double(5), 5],
      ['long', Long.fromNumber(5)],
      ['a long beyond 2^53', Long.fromString('9223372036854775807')],
      ['decimal', Decimal128.fromString('1.50')],
      ['text with any characters', 'ä\u0000\u{1F600}'],
      ['date', new Date(-1)],
      ['ObjectId', new ObjectId('65a000000000000000000001')],
      ['timestamp', new Timestamp({ t: 1, i: 2 })],
      ['pattern', /a.b/i],
      ['nested', { a: [{ b: [null, true] }], c: {} }],
      ['infinity', Infinity],
      ['not a number', NaN],
    ];
    for (const [what, value, read = value] of values) {
      it(`come back as they were stored: ${what}`, async () => {
        const things = fresh();
        await things.insertOne({ _id: 1, value });
        expect(await things.findOne({ _id: 1 }, { promoteLongs: false })).to.deep.equal({ _id: 1, value: read });
      });
    }

    it('turn 64-bit integers into numbers if asked', async () => {
      const things = fresh();
      await things.insertOne({ _id: 1, value: Long.fromNumber(5) });
      expect(await things.findOne({ _id: 1 }, { promoteLongs: true })).to.deep.equal({ _id: 1, value: 5 });
    });

    it('keep their types of numbers if asked, and take them back so', async () => {
      const things = fresh();
      const value = { int: new Int32(1), double: new Double(1), long: Long.fromNumber(1) };
      await things.insertOne({ _id: 1, value });
      const exactly = await things.findOne({ _id: 1 }, { promoteValues: false, promoteLongs: false });
      expect((exactly as unknown as { value: object }).value).to.deep.equal(value);
      await things.replaceOne({ _id: 1 }, exactly!);
      expect(await things.findOne({ _id: 1 }, { promoteValues: false, promoteLongs: false })).to.deep.equal(exactly);
    });

    it('keep the order of fields', async () => {
      const things = fresh();
      await things.insertOne({ _id: 1, z: 1, a: { y: 1, b: 2 } });
      expect(JSON.stringify(await things.findOne({ _id: 1 }))).to.equal('{"_id":1,"z":1,"a":{"y":1,"b":2}}');
    });

    it('keep a field called __proto__ as a field', async () => {
      const things = fresh();
      await things.insertOne(JSON.parse('{"_id":1,"a":{"__proto__":{"b":1}}}') as Document);
      const found = await things.findOne({ _id: 1 });
      expect(Object.hasOwn(found?.['a'] as object, '__proto__')).to.equal(true);
    });
  });
}
