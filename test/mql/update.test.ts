import { expect } from 'chai';
import { applyUpdate, compareValues, DocumentError, UnsupportedOperator, upsertSeed } from '@rollcall/server/mql';
import { BSON, Double, ObjectId, type Document } from 'mongodb';
import { realCollection } from './real-collection.ts';
import { updateCases, updateErrors } from './update-cases.ts';
import { upsertCases, upsertErrors } from './upsert-cases.ts';

const now = new Date('2026-01-02T03:04:05.678Z');

/** Types, order of fields and every value of a document. */
function exact(document: unknown): string {
  return BSON.EJSON.stringify(BSON.deserialize(BSON.serialize({ document }), { promoteValues: false }), { relaxed: false });
}

function typed(document: Document): Document {
  return BSON.deserialize(BSON.serialize(document), { promoteValues: false });
}

describe('an update', () => {
  for (const { rule, before, update, after, modified = true, filter, arrayFilters } of updateCases) {
    it(rule, () => {
      for (const form of [(document: Document) => document, typed]) {
        const document = form({ _id: 1, ...before });
        const copy = exact(document);
        const options = { now, ...(filter && { filter }), ...(arrayFilters && { arrayFilters }) };
        const next = applyUpdate(document, form(update), options);
        expect(exact(next)).to.equal(exact({ _id: 1, ...after }));
        expect(next !== document, 'modified').to.equal(modified);
        expect(exact(document), 'the document before').to.equal(copy);
      }
    });
  }

  for (const { rule, before, update, filter, arrayFilters } of updateErrors) {
    it(`refuses ${rule}`, () => {
      const options = { now, ...(filter && { filter }), ...(arrayFilters && { arrayFilters }) };
      expect(() => applyUpdate({ _id: 1, ...before }, update, options)).to.throw(DocumentError);
    });
  }

  it('refuses a pipeline by its name', () => {
    expect(() => applyUpdate({}, [{ $set: { a: 1 } }], { now })).to.throw(UnsupportedOperator, 'pipeline');
  });

  it('refuses a positional $ whose element depends on the order of conditions', () => {
    const document = { a: [1, 2], b: [2] };
    expect(() => applyUpdate(document, { $set: { 'a.$': 0 } }, { now, filter: { a: 2, b: 2 } })).to.throw(
      UnsupportedOperator,
      'positional',
    );
  });

  it('refuses an index far beyond the end of an array by its name', () => {
    expect(() => applyUpdate({ a: [] }, { $set: { 'a.1000000': 1 } }, { now })).to.throw(UnsupportedOperator, 'an index');
  });

  it('refuses array filters and upserts that are nested without end', () => {
    let filter: Document = { x: 1 };
    for (let depth = 0; depth < 100_000; depth += 1) filter = { $and: [filter] };
    const options = { now, arrayFilters: [filter] };
    expect(() => applyUpdate({ a: [1] }, { $set: { 'a.$[x]': 1 } }, options)).to.throw(DocumentError, 'nested deeper');
    expect(() => upsertSeed(filter)).to.throw(DocumentError, 'nested deeper');
  });

  it('gives timestamps of one moment an order', () => {
    const next = applyUpdate({}, { $currentDate: { a: { $type: 'timestamp' }, b: { $type: 'timestamp' } } }, { now });
    expect(compareValues(next['a'], next['b'])).to.be.below(0);
  });

  it('sets the date that it is given', () => {
    expect(applyUpdate({}, { $currentDate: { a: true, b: { $type: 'date' } } }, { now })).to.deep.equal({ a: now, b: now });
  });

  it('never writes to a prototype', () => {
    const update = JSON.parse('{"$set":{"__proto__.x":1,"constructor.prototype.y":2}}') as Document;
    const next = applyUpdate({}, update, { now });
    expect(Object.keys(next).sort()).to.deep.equal(['__proto__', 'constructor']);
    expect(({} as Document)['x'] ?? ({} as Document)['y']).to.equal(undefined);
  });

  it('shares what it does not change', () => {
    const document = { a: { b: 1 }, c: { d: 1 } };
    const next = applyUpdate(document, { $set: { 'a.b': 2 } }, { now });
    expect(next['c']).to.equal(document.c);
    expect(document.a.b).to.equal(1);
  });
});

describe('a replacement', () => {
  it('keeps the _id and puts it first', () => {
    expect(exact(applyUpdate({ _id: 1, a: 1 }, { b: 2 }, { now }))).to.equal(exact({ _id: 1, b: 2 }));
    expect(exact(applyUpdate({ _id: 1, a: 1 }, { b: 2, _id: new Double(1) }, { now }))).to.equal(
      exact({ _id: new Double(1), b: 2 }),
    );
  });

  it('refuses another _id and names that begin with $', () => {
    expect(() => applyUpdate({ _id: 1 }, { _id: 2 }, { now })).to.throw(DocumentError);
    expect(() => applyUpdate({ _id: 1 }, { a: 1, $b: 2 }, { now })).to.throw(DocumentError);
  });

  it('is no modification only if it is the very document', () => {
    const document = { _id: 1, a: 1 };
    expect(applyUpdate(document, { _id: 1, a: 1 }, { now })).to.equal(document);
    expect(applyUpdate(document, { a: 1 }, { now })).not.to.equal(document);
  });
});

describe('an upsert', () => {
  for (const { rule, filter, update, inserted } of upsertCases) {
    it(rule, () => {
      expect(exact(applyUpdate(upsertSeed(filter), update, { now, insert: true }))).to.equal(exact(inserted));
    });
  }

  for (const { rule, filter, update } of upsertErrors) {
    it(`refuses ${rule}`, () => {
      expect(() => applyUpdate(upsertSeed(filter), update, { now, insert: true })).to.throw(DocumentError);
    });
  }

  it('takes only the _id for a replacement', () => {
    expect(upsertSeed({ _id: 5, a: 1, b: { $all: [1, 2] } }, true)).to.deep.equal({ _id: 5 });
    expect(() => upsertSeed({ '_id.x': 1 }, true)).to.throw(DocumentError);
  });
});

describe('an update, on MongoDB', () => {
  const collection = realCollection('update');

  for (const { rule, before, update, after, modified = true, filter = {}, arrayFilters } of updateCases) {
    it(rule, async () => {
      await collection().insertOne({ _id: 1 as never, ...before });
      const result = await collection().updateOne(filter, update, arrayFilters ? { arrayFilters } : {});
      const next = await collection().findOne({}, { promoteValues: false });
      expect(exact(next)).to.equal(exact({ _id: 1, ...after }));
      expect(result.modifiedCount === 1, 'modified').to.equal(modified);
    });
  }

  for (const { rule, before, update, filter = {}, arrayFilters } of updateErrors) {
    it(`refuses ${rule}`, async () => {
      await collection().insertOne({ _id: 1 as never, ...before });
      const error: unknown = await collection()
        .updateOne(filter, update, arrayFilters ? { arrayFilters } : {})
        .then(
          () => undefined,
          (reason: unknown) => reason,
        );
      expect(error).to.be.an('error');
    });
  }

  for (const { rule, filter, update, inserted } of upsertCases) {
    it(`upsert: ${rule}`, async () => {
      await collection().updateOne(filter, update, { upsert: true });
      const { _id: id, ...rest } = (await collection().findOne({}, { promoteValues: false })) as Document;
      expect(exact(id instanceof ObjectId ? rest : { _id: id as unknown, ...rest })).to.equal(exact(inserted));
    });
  }

  for (const { rule, filter, update } of upsertErrors) {
    it(`upsert: refuses ${rule}`, async () => {
      const error: unknown = await collection()
        .updateOne(filter, update, { upsert: true })
        .then(
          () => undefined,
          (reason: unknown) => reason,
        );
      expect(error).to.be.an('error');
    });
  }
});
