import { expect } from 'chai';
import { compileFilter, DocumentError, UnsupportedOperator } from '@rollcall/server/mql';
import { BSON, type Document } from 'mongodb';
import { matchCases, matchErrors, matchRefusals } from './match-cases.ts';
import { realCollection } from './real-collection.ts';

/** The same document with every number in its class, as the embedded store reads it. */
function typed(document: Document): Document {
  return BSON.deserialize(BSON.serialize(document), { promoteValues: false });
}

describe('a filter', () => {
  for (const [rule, filter, matching, others] of matchCases) {
    it(rule, () => {
      for (const form of [(document: Document) => document, typed]) {
        const match = compileFilter(form(filter));
        for (const document of matching) expect(match(form(document)), BSON.EJSON.stringify(document)).to.equal(true);
        for (const document of others) expect(match(form(document)), BSON.EJSON.stringify(document)).to.equal(false);
      }
    });
  }

  for (const [rule, filter] of matchErrors) {
    it(`refuses ${rule}`, () => {
      expect(() => compileFilter(filter)).to.throw(DocumentError);
    });
  }

  for (const [name, filter] of matchRefusals) {
    it(`refuses ${name} by its name: ${Object.keys(filter).join()}`, () => {
      expect(() => compileFilter(filter)).to.throw(UnsupportedOperator, name);
    });
  }

  it('refuses to be nested without end', () => {
    let filter: Document = { a: 1 };
    for (let depth = 0; depth < 100_000; depth += 1) filter = { $and: [filter] };
    expect(() => compileFilter(filter)).to.throw(DocumentError, 'nested deeper');
    let condition: Document = { $gt: 1 };
    for (let depth = 0; depth < 100_000; depth += 1) condition = { $not: condition };
    expect(() => compileFilter({ a: condition })).to.throw(DocumentError, 'nested deeper');
    expect(() => compileFilter({ [Array.from({ length: 1000 }, () => 'a').join('.')]: 1 })).to.throw(DocumentError, 'parts');
  });
});

describe('a filter, on MongoDB', () => {
  const collection = realCollection('match');

  for (const [rule, filter, matching, others] of matchCases) {
    it(rule, async () => {
      const documents = [...matching, ...others].map((document, index) => ({ _id: index as never, ...document }));
      if (documents.length > 0) await collection().insertMany(documents);
      const found = await collection().find(filter).sort({ _id: 1 }).toArray();
      expect(found.map(({ _id }) => _id as unknown)).to.deep.equal(matching.map((_, index) => index));
    });
  }

  for (const [rule, filter] of matchErrors) {
    it(`refuses ${rule}`, async () => {
      const error: unknown = await collection()
        .findOne(filter)
        .then(
          () => undefined,
          (reason: unknown) => reason,
        );
      expect(error).to.be.an('error');
    });
  }
});
