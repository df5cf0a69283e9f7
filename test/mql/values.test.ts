import { expect } from 'chai';
import { compareValues, encodeKey, equalValues } from '@rollcall/server/mql';
import { Binary, BSON, Code, Decimal128, Double, Long, MaxKey, MinKey, ObjectId, Timestamp } from 'mongodb';
import { realCollection } from './real-collection.ts';

const decimal = (text: string) => Decimal128.fromString(text);

/** All in MongoDB's order; values in one list are equal. */
const ordered: readonly (readonly unknown[])[] = [
  [new MinKey()],
  [null],
  [NaN, decimal('NaN')],
  [-Infinity, decimal('-Infinity')],
  [decimal('-1E+6000')],
  [-1e300],
  [Long.MIN_VALUE, new Double(-(2 ** 63))],
  [Long.fromString('-9007199254740993')],
  [new Double(-9007199254740992), Long.fromString('-9007199254740992')],
  [-1.5, decimal('-1.50')],
  [-1, new Double(-1)],
  [-Number.MIN_VALUE],
  [decimal('-1E-6000')],
  [0, -0, new Double(0), Long.ZERO, decimal('0'), decimal('-0E+3')],
  [decimal('1E-6000')],
  [Number.MIN_VALUE],
  [decimal('0.1')],
  [0.1],
  [decimal('0.10000000000000001')],
  [1, new Double(1), Long.fromNumber(1), decimal('1.000')],
  [2147483647],
  [new Double(9007199254740992), Long.fromString('9007199254740992'), decimal('9007199254740992')],
  [decimal('9007199254740992.5')],
  [Long.fromString('9007199254740993'), decimal('9007199254740993.0')],
  [decimal('9007199254740993.5')],
  [Long.fromString('9007199254740994'), new Double(9007199254740994)],
  [Long.MAX_VALUE],
  [new Double(2 ** 63), decimal('9223372036854775808')],
  [1e300],
  [decimal('1E+6000')],
  [Infinity, decimal('Infinity')],
  [''],
  ['\u0000'],
  ['\u0000a'],
  ['a'],
  ['a\u0000b'],
  ['aa'],
  ['b'],
  ['é'],
  ['\ue000'],
  ['\ufffd'],
  ['😀'],
  [{}],
  [{ a: 1 }, { a: new Double(1) }],
  [{ a: 1, b: 0 }],
  [{ a: 2 }],
  [{ b: 1 }],
  [{ a: 'x' }],
  [{ a: { b: 1 } }],
  [[]],
  [[1]],
  [[1, 1]],
  [[2]],
  [['a']],
  [new Binary(Buffer.from('b')), Buffer.from('b')],
  [new Binary(Buffer.from('b'), 4)],
  [new Binary(Buffer.from('aa'))],
  [new ObjectId('64b000000000000000000001')],
  [new ObjectId('74b000000000000000000001')],
  [false],
  [true],
  [new Date(-5)],
  [new Date(0)],
  [new Date(1_600_000_000_000)],
  [new Timestamp({ t: 1, i: 2 })],
  [new Timestamp({ t: 4_000_000_000, i: 1 })],
  [new BSON.BSONRegExp('a', 'i'), /a/i],
  [new BSON.BSONRegExp('b')],
  [new Code('a')],
  [new Code('a', { b: 1 })],
  [new MaxKey()],
];

const flat = ordered.flatMap((values, place) => values.map((value) => ({ value, place })));

describe('the order of values', () => {
  it('is the same for every pair, and equality is exactly what is in one place', () => {
    for (const a of flat) {
      for (const b of flat) {
        const text = `${BSON.EJSON.stringify({ a: a.value })} and ${BSON.EJSON.stringify({ b: b.value })}`;
        expect(Math.sign(compareValues(a.value, b.value)), text).to.equal(Math.sign(a.place - b.place));
        expect(equalValues(a.value, b.value), text).to.equal(a.place === b.place);
      }
    }
  });

  it('is the order of the encoded keys, of which none begins another', () => {
    for (const a of flat) {
      for (const b of flat) {
        const text = `${BSON.EJSON.stringify({ a: a.value })} and ${BSON.EJSON.stringify({ b: b.value })}`;
        const [left, right] = [Buffer.from(encodeKey(a.value)), Buffer.from(encodeKey(b.value))];
        expect(Math.sign(Buffer.compare(left, right)), text).to.equal(Math.sign(a.place - b.place));
        if (a.place !== b.place) expect(right.subarray(0, left.length).equals(left), text).to.equal(false);
      }
    }
  });

  it('counts undefined as null', () => {
    expect(equalValues(undefined, null)).to.equal(true);
    expect(encodeKey(undefined)).to.deep.equal(encodeKey(null));
  });
});

describe('the order of values, on MongoDB', () => {
  const collection = realCollection('values');

  it('is the same', async () => {
    // A sort takes an array by its elements: wrapped, every value is one.
    await collection().insertMany(flat.map(({ value }, index) => ({ _id: index as never, a: { value } })).reverse());
    const found = await collection().find().sort({ a: 1, _id: 1 }).toArray();
    // Values of different type come by their type first; the order of types is the order of places.
    expect(found.map(({ _id }) => flat[Number(_id)]?.place)).to.deep.equal(flat.map(({ place }) => place));
  });
});
