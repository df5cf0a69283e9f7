import { Decimal128, Double, Int32, Long, type Document } from 'mongodb';

export interface UpdateCase {
  rule: string;
  before: Document;
  update: Document;
  /** The document afterwards. */
  after: Document;
  /** Whether it counts as modified. Default true. */
  modified?: boolean;
  filter?: Document;
  arrayFilters?: Document[];
}

const decimal = (text: string) => Decimal128.fromString(text);
const long = (value: number | string) => Long.fromString(String(value));

export const updateCases: readonly UpdateCase[] = [
  {
    rule: '$set keeps the place of a field and appends new ones by name',
    before: { b: 1, a: 2 },
    update: { $set: { c: 4, a: 3, aa: 5 } },
    after: { b: 1, a: 3, aa: 5, c: 4 },
  },
  {
    rule: 'all operators together append by name',
    before: {},
    update: { $push: { b: 1 }, $inc: { a: 1 }, $set: { c: 1 } },
    after: { a: 1, b: [1], c: 1 },
  },
  {
    rule: 'numeric names are applied in numeric order',
    before: { a: [] },
    update: { $set: { 'a.10': 1, 'a.2': 2 } },
    after: { a: [null, null, 2, null, null, null, null, null, null, null, 1] },
  },
  {
    rule: '$set makes documents on its way, never arrays',
    before: {},
    update: { $set: { 'a.0.b': 1 } },
    after: { a: { '0': { b: 1 } } },
  },
  {
    rule: '$set fills an array up with null',
    before: { a: [1] },
    update: { $set: { 'a.3': 4 } },
    after: { a: [1, null, null, 4] },
  },
  {
    rule: '$set to the same value is no modification',
    before: { a: { b: [1] } },
    update: { $set: { a: { b: [1] } } },
    after: { a: { b: [1] } },
    modified: false,
  },
  {
    rule: '$set to an equal value of another type is one',
    before: { a: 1 },
    update: { $set: { a: new Double(1) } },
    after: { a: new Double(1) },
  },
  { rule: '$set of the same _id is none', before: { a: 1 }, update: { $set: { _id: 1 } }, after: { a: 1 }, modified: false },
  {
    rule: '$setOnInsert does nothing to a document that is there',
    before: { a: 1 },
    update: { $setOnInsert: { b: 1 } },
    after: { a: 1 },
    modified: false,
  },
  {
    rule: '$unset leaves null in an array',
    before: { a: [1, 2], b: 1 },
    update: { $unset: { 'a.0': '', b: '' } },
    after: { a: [null, 2] },
  },
  {
    rule: '$unset of what cannot be there is no error',
    before: { a: 1 },
    update: { $unset: { 'a.b': '' } },
    after: { a: 1 },
    modified: false,
  },
  { rule: '$inc of a missing field sets it', before: {}, update: { $inc: { a: new Double(2) } }, after: { a: new Double(2) } },
  {
    rule: 'an int that overflows becomes a long',
    before: { a: 2147483647 },
    update: { $inc: { a: 1 } },
    after: { a: long(2147483648) },
  },
  { rule: 'a long stays a long', before: { a: long(1) }, update: { $inc: { a: -1 } }, after: { a: long(0) } },
  {
    rule: 'an int and a double make a double',
    before: { a: 1 },
    update: { $inc: { a: new Double(1) } },
    after: { a: new Double(2) },
  },
  {
    rule: 'a double meets a decimal with 15 digits',
    before: { a: 0.1 },
    update: { $inc: { a: decimal('1.5') } },
    after: { a: decimal('1.600000000000000') },
  },
  {
    rule: 'a decimal keeps its zeros',
    before: { a: 5 },
    update: { $mul: { a: decimal('1.50') } },
    after: { a: decimal('7.50') },
  },
  { rule: '$inc by zero is no modification', before: { a: 1 }, update: { $inc: { a: 0 } }, after: { a: 1 }, modified: false },
  { rule: 'NaN plus one is NaN, and a modification', before: { a: NaN }, update: { $inc: { a: 1 } }, after: { a: NaN } },
  {
    rule: '$mul of a missing field makes zero of its type',
    before: {},
    update: { $mul: { a: long(5), b: new Double(-2.5) } },
    after: { a: long(0), b: -0 },
  },
  { rule: 'zero times a negative double is -0', before: { a: 0 }, update: { $mul: { a: -1.25 } }, after: { a: -0 } },
  { rule: '-0 in the place of 0 is a modification', before: { a: 0 }, update: { $set: { a: -0 } }, after: { a: -0 } },
  {
    rule: 'a double times -1 that is 0 stays what it is',
    before: { a: new Double(0) },
    update: { $mul: { a: new Double(-1) } },
    after: { a: new Double(0) },
    modified: false,
  },
  {
    rule: '$set of NaN to NaN is no modification',
    before: { a: NaN },
    update: { $set: { a: NaN } },
    after: { a: NaN },
    modified: false,
  },
  {
    rule: '$min and $max compare over all types',
    before: { a: 5, b: 'x', c: 1 },
    update: { $min: { a: null }, $max: { b: [0], c: new Double(1), d: 1 } },
    after: { a: null, b: [0], c: 1, d: 1 },
  },
  {
    rule: '$addToSet adds what is not there, in order',
    before: { a: [1] },
    update: { $addToSet: { a: { $each: [2, new Double(1), 2, 3] } } },
    after: { a: [1, 2, 3] },
  },
  {
    rule: '$addToSet compares documents with the order of their fields',
    before: { a: [{ x: 1, y: 2 }] },
    update: { $addToSet: { a: { y: 2, x: 1 } } },
    after: {
      a: [
        { x: 1, y: 2 },
        { y: 2, x: 1 },
      ],
    },
  },
  { rule: '$addToSet of an array adds the array', before: { a: [1] }, update: { $addToSet: { a: [1] } }, after: { a: [1, [1]] } },
  { rule: '$addToSet of nothing makes an array', before: {}, update: { $addToSet: { a: { $each: [] } } }, after: { a: [] } },
  {
    rule: '$pop takes from either end',
    before: { a: [1, 2, 3], b: [1, 2, 3] },
    update: { $pop: { a: 1, b: -1 } },
    after: { a: [1, 2], b: [2, 3] },
  },
  {
    rule: '$pop of an empty or missing array does nothing',
    before: { a: [] },
    update: { $pop: { a: 1, b: 1 } },
    after: { a: [] },
    modified: false,
  },
  { rule: '$pull of a value', before: { a: [1, 2, new Double(1), [1]] }, update: { $pull: { a: 1 } }, after: { a: [2, [1]] } },
  {
    rule: '$pull by a condition on elements',
    before: { a: [1, 5, 'x', [9]] },
    update: { $pull: { a: { $gte: 5 } } },
    after: { a: [1, 'x'] },
  },
  {
    rule: '$pull by a filter on documents',
    before: { a: [{ b: 1, c: 1 }, { b: [1] }, { b: 2 }, 1] },
    update: { $pull: { a: { b: 1 } } },
    after: { a: [{ b: 2 }, 1] },
  },
  {
    rule: '$pull by an exact document would be $eq',
    before: { a: [{ b: 1 }, { b: 1, c: 1 }] },
    update: { $pull: { a: { $eq: { b: 1 } } } },
    after: { a: [{ b: 1, c: 1 }] },
  },
  {
    rule: '$pullAll takes every listed value',
    before: { a: [1, { b: 1 }, 2, 1] },
    update: { $pullAll: { a: [1, { b: 1 }] } },
    after: { a: [2] },
  },
  { rule: '$push appends one value, also an array', before: { a: [1] }, update: { $push: { a: [2] } }, after: { a: [1, [2]] } },
  {
    rule: '$push inserts, sorts, cuts, in this order',
    before: { a: [5, 3] },
    update: { $push: { a: { $each: [4, 1], $position: 0, $sort: 1, $slice: 3 } } },
    after: { a: [1, 3, 4] },
  },
  {
    rule: '$push at a negative position counts from the end',
    before: { a: [1, 2] },
    update: { $push: { a: { $each: [9], $position: -1 } } },
    after: { a: [1, 9, 2] },
  },
  {
    rule: '$push with a negative slice keeps the last ones',
    before: { a: [1, 2] },
    update: { $push: { a: { $each: [3], $slice: -2 } } },
    after: { a: [2, 3] },
  },
  {
    rule: '$push sorts documents by paths, missing first',
    before: { a: [{ b: { c: 2 } }, { b: { c: 1 } }, {}] },
    update: { $push: { a: { $each: [], $sort: { 'b.c': 1 } } } },
    after: { a: [{}, { b: { c: 1 } }, { b: { c: 2 } }] },
  },
  {
    rule: 'a sort that moves nothing is still a modification',
    before: { a: [1, 2] },
    update: { $push: { a: { $each: [], $sort: 1 } } },
    after: { a: [1, 2] },
  },
  {
    rule: '$push of nothing is none',
    before: { a: [1, 2] },
    update: { $push: { a: { $each: [] } } },
    after: { a: [1, 2] },
    modified: false,
  },
  {
    rule: '$bit keeps the type',
    before: { a: 13, b: long(5) },
    update: { $bit: { a: { and: 10 }, b: { or: 2 }, c: { xor: 5 } } },
    after: { a: 8, b: long(7), c: 5 },
  },
  {
    rule: '$rename moves a value to the end or in the place of another',
    before: { a: 1, b: 2, c: 3 },
    update: { $rename: { a: 'd', b: 'c' } },
    after: { c: 2, d: 1 },
  },
  {
    rule: '$rename of a missing field does nothing',
    before: { a: 1 },
    update: { $rename: { x: 'a' } },
    after: { a: 1 },
    modified: false,
  },
  {
    rule: 'the positional $ is the element that the filter met',
    before: { a: [{ b: 1 }, { b: 2 }] },
    filter: { 'a.b': 2 },
    update: { $set: { 'a.$.c': 3 } },
    after: { a: [{ b: 1 }, { b: 2, c: 3 }] },
  },
  {
    rule: 'the positional $ follows $elemMatch',
    before: { a: [1, 5, 9] },
    filter: { a: { $elemMatch: { $gt: 4, $lt: 8 } } },
    update: { $inc: { 'a.$': 1 } },
    after: { a: [1, 6, 9] },
  },
  {
    rule: 'the positional $ means the outermost array',
    before: { a: [{ b: [1, 2] }, { b: [3, 4] }] },
    filter: { 'a.b': 4 },
    update: { $set: { 'a.$.c': 1 } },
    after: { a: [{ b: [1, 2] }, { b: [3, 4], c: 1 }] },
  },
  {
    rule: 'an element that the filter names by its place is none for the positional $, one further in is',
    before: { a: [{ b: [1, 2] }] },
    filter: { 'a.0.b': 2 },
    update: { $set: { 'a.0.b.$': 3 } },
    after: { a: [{ b: [1, 3] }] },
  },
  { rule: '$[] means every element', before: { a: [1, 2] }, update: { $mul: { 'a.$[]': 10 } }, after: { a: [10, 20] } },
  {
    rule: '$[x] means the elements that its filter chooses',
    before: { a: [{ b: 1 }, { b: 5 }] },
    update: { $set: { 'a.$[x].c': 1 } },
    arrayFilters: [{ 'x.b': { $gt: 2 } }],
    after: { a: [{ b: 1 }, { b: 5, c: 1 }] },
  },
  {
    rule: 'array filters nest',
    before: { a: [{ b: [1, 2] }, { b: [3] }] },
    update: { $inc: { 'a.$[].b.$[x]': 10 } },
    arrayFilters: [{ x: { $gte: 2 } }],
    after: { a: [{ b: [1, 12] }, { b: [13] }] },
  },
  {
    rule: 'a name with $ inside a document is allowed',
    before: { a: {} },
    update: { $set: { 'a.$x': 1, b: { $y: 2 } } },
    after: { a: { $x: 1 }, b: { $y: 2 } },
  },
  { rule: 'an empty operator does nothing', before: { a: 1 }, update: { $set: {} }, after: { a: 1 }, modified: false },
];

export interface UpdateError {
  rule: string;
  before: Document;
  update: Document;
  filter?: Document;
  arrayFilters?: Document[];
}

/** Updates that are errors for MongoDB too. */
export const updateErrors: readonly UpdateError[] = [
  { rule: 'an unknown operator', before: {}, update: { $foo: { a: 1 } } },
  { rule: 'an operator without a document', before: {}, update: { $set: 1 } },
  { rule: 'two operators on one path', before: {}, update: { $set: { a: 1 }, $inc: { a: 1 } } },
  { rule: 'a path inside another one', before: {}, update: { $set: { a: 1, 'a.b': 1 } } },
  { rule: 'another _id', before: {}, update: { $set: { _id: 2 } } },
  { rule: 'the same _id in another type', before: {}, update: { $set: { _id: new Double(1) } } },
  { rule: 'removing the _id', before: {}, update: { $unset: { _id: '' } } },
  { rule: 'an empty path', before: {}, update: { $set: { '': 1 } } },
  { rule: 'a path that ends in a dot', before: {}, update: { $set: { 'a.': 1 } } },
  { rule: 'a path that begins with $', before: {}, update: { $set: { $a: 1 } } },
  { rule: 'a field inside a number', before: { a: 1 }, update: { $set: { 'a.b': 1 } } },
  { rule: 'a field inside null', before: { a: null }, update: { $set: { 'a.b': 1 } } },
  { rule: 'a name in an array', before: { a: [] }, update: { $set: { 'a.b': 1 } } },
  { rule: '$pull inside a number', before: { a: 1 }, update: { $pull: { 'a.b': 1 } } },
  { rule: '$inc by a text', before: {}, update: { $inc: { a: '1' } } },
  { rule: '$inc of a text', before: { a: 'x' }, update: { $inc: { a: 1 } } },
  { rule: '$inc of null', before: { a: null }, update: { $inc: { a: 1 } } },
  { rule: '$inc beyond 64 bits', before: { a: Long.MAX_VALUE }, update: { $inc: { a: 1 } } },
  { rule: '$push to a number', before: { a: 1 }, update: { $push: { a: 1 } } },
  { rule: '$addToSet to a number', before: { a: 1 }, update: { $addToSet: { a: 1 } } },
  { rule: '$pop of a number', before: { a: 1 }, update: { $pop: { a: 1 } } },
  { rule: '$pop by something else than 1 or -1', before: {}, update: { $pop: { a: 2 } } },
  { rule: '$pull from a number', before: { a: 1 }, update: { $pull: { a: 1 } } },
  { rule: '$pullAll without an array', before: {}, update: { $pullAll: { a: 1 } } },
  { rule: '$push with an unknown clause', before: {}, update: { $push: { a: { $each: [], $foo: 1 } } } },
  { rule: '$each without an array', before: {}, update: { $push: { a: { $each: 1 } } } },
  { rule: '$slice that is not whole', before: {}, update: { $push: { a: { $each: [], $slice: 1.5 } } } },
  { rule: '$sort by 2', before: {}, update: { $push: { a: { $each: [], $sort: 2 } } } },
  { rule: '$bit with a double', before: { a: 1 }, update: { $bit: { a: { and: new Double(1) } } } },
  { rule: '$bit of a text', before: { a: 'x' }, update: { $bit: { a: { and: new Int32(1) } } } },
  { rule: '$bit with an unknown operation', before: {}, update: { $bit: { a: { nand: 1 } } } },
  { rule: '$currentDate with an unknown type', before: {}, update: { $currentDate: { a: { $type: 'day' } } } },
  { rule: '$rename to the same name', before: { a: 1 }, update: { $rename: { a: 'a' } } },
  { rule: '$rename into itself', before: { a: {} }, update: { $rename: { a: 'a.b' } } },
  { rule: '$rename out of an array', before: { a: [1] }, update: { $rename: { 'a.0': 'b' } } },
  { rule: '$rename into an array', before: { a: [1], b: 1 }, update: { $rename: { b: 'a.0' } } },
  { rule: 'the positional $ without a match', before: { a: [1] }, update: { $set: { 'a.$': 1 } } },
  {
    rule: 'the positional $ after a place named by the filter',
    before: { a: [1, 2] },
    filter: { 'a.1': 2 },
    update: { $set: { 'a.$': 3 } },
  },
  { rule: 'two positional $', before: { a: [[1]] }, filter: { a: { $exists: true } }, update: { $set: { 'a.$.$': 1 } } },
  { rule: '$[] of a missing field', before: {}, update: { $set: { 'a.$[]': 1 } } },
  { rule: '$[] of a number', before: { a: 1 }, update: { $set: { 'a.$[]': 1 } } },
  { rule: '$[x] without its filter', before: { a: [1] }, update: { $set: { 'a.$[x]': 1 } } },
  { rule: 'an array filter that is not used', before: { a: [1] }, update: { $set: { a: 1 } }, arrayFilters: [{ x: 1 }] },
  {
    rule: 'two array filters of one name',
    before: { a: [1] },
    update: { $set: { 'a.$[x]': 1 } },
    arrayFilters: [{ x: 1 }, { x: 2 }],
  },
  { rule: 'an array filter on two names', before: { a: [1] }, update: { $set: { 'a.$[x]': 1 } }, arrayFilters: [{ x: 1, y: 1 }] },
  {
    rule: 'two paths that meet in one element',
    before: { a: [{ b: 1 }] },
    update: { $set: { 'a.$[].b': 2, 'a.$[x].b': 3 } },
    arrayFilters: [{ 'x.b': 1 }],
  },
];
