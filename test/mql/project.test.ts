import { expect } from 'chai';
import { compileProjection, DocumentError, UnsupportedOperator } from '@rollcall/server/mql';
import { BSON, Double, type Document } from 'mongodb';
import { realCollection } from './real-collection.ts';

const document = { _id: 1, b: { c: 1, d: [1, { c: 2, e: 3 }, [{ c: 4 }]] }, a: [{ x: 1, y: 2 }, 5], z: null };

const cases: readonly (readonly [rule: string, projection: Document, result: Document])[] = [
  ['an empty projection gives the document', {}, document],
  ['inclusion keeps the order of the document, and the _id', { z: 1, b: true }, { _id: 1, b: document.b, z: null }],
  ['the _id can be left out', { z: new Double(0.5), _id: 0 }, { z: null }],
  ['only the _id', { _id: 1 }, { _id: 1 }],
  ['only without the _id', { _id: 0 }, { b: document.b, a: document.a, z: null }],
  ['exclusion', { b: 0, a: false }, { _id: 1, z: null }],
  ['exclusion that names the _id to keep it', { b: 0, a: 0, _id: 1 }, { _id: 1, z: null }],
  ['inclusion inside arrays drops what is no document', { 'a.x': 1 }, { _id: 1, a: [{ x: 1 }] }],
  ['inclusion goes into nested arrays', { 'b.d.c': 1 }, { _id: 1, b: { d: [{ c: 2 }, [{ c: 4 }]] } }],
  ['exclusion inside arrays keeps it', { 'b.d.c': 0, a: 0 }, { _id: 1, b: { c: 1, d: [1, { e: 3 }, [{}]] }, z: null }],
  ['inclusion of a path into a value without fields leaves it out', { 'z.q': 1 }, { _id: 1 }],
  ['two names of one document', { 'b.c': 1, 'b.x': 1 }, { _id: 1, b: { c: 1 } }],
  ['a number is a name, not a place', { 'a.0': 1 }, { _id: 1, a: [{}] }],
];

const errors: readonly (readonly [rule: string, projection: Document])[] = [
  ['inclusion and exclusion together', { a: 1, b: 0 }],
  ['a path and one inside it', { a: 1, 'a.b': 1 }],
  ['a path and one around it', { 'a.b': 0, a: 0 }],
  ['a path that ends in a dot', { 'a.': 1 }],
];

const refusals: readonly Document[] = [
  { a: { $slice: 1 } },
  { a: { $elemMatch: { b: 1 } } },
  { 'a.$': 1 },
  { a: 'text' },
  { a: null },
];

describe('a projection', () => {
  for (const [rule, projection, result] of cases) {
    it(rule, () => {
      expect(BSON.EJSON.stringify(compileProjection(projection)(document))).to.equal(BSON.EJSON.stringify(result));
    });
  }

  for (const [rule, projection] of errors) {
    it(`refuses ${rule}`, () => {
      expect(() => compileProjection(projection)).to.throw(DocumentError);
    });
  }

  it('refuses everything but 0 and 1 by its name', () => {
    for (const projection of refusals) expect(() => compileProjection(projection)).to.throw(UnsupportedOperator);
  });
});

describe('a projection, on MongoDB', () => {
  const collection = realCollection('project');

  for (const [rule, projection, result] of cases) {
    it(rule, async () => {
      await collection().insertOne({ ...document, _id: 1 as never });
      const found = await collection().findOne({}, { projection });
      expect(BSON.EJSON.stringify(found ?? {})).to.equal(BSON.EJSON.stringify(result));
    });
  }

  for (const [rule, projection] of errors) {
    it(`refuses ${rule}`, async () => {
      const error: unknown = await collection()
        .findOne({}, { projection })
        .then(
          () => undefined,
          (reason: unknown) => reason,
        );
      expect(error).to.be.an('error');
    });
  }
});
