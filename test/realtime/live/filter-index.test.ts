import { compileFilter } from '@rollcall/server/internal/mql/index';
import { coversOf } from '@rollcall/server/internal/realtime/live/filter-subsumption';
import { createFilterIndex } from '@rollcall/server/internal/realtime/live/filter-index';
import { orderBy } from '@rollcall/server/internal/realtime/live/order';
import { readQuery, readSort } from '@rollcall/server/internal/domain/device-query';
import { expect } from 'chai';
import fc from 'fast-check';
import { Decimal128, Long } from 'mongodb';

const scalar = fc.constantFrom<unknown>('a', 'b', '', 0, 1, -0, 1.5, true, false, null);
const value = fc.oneof(
  { weight: 4, arbitrary: scalar },
  fc.array(scalar, { maxLength: 3 }),
  fc.record({ x: scalar }),
  fc.array(fc.record({ x: fc.oneof(scalar, fc.array(scalar, { maxLength: 2 })) }, { requiredKeys: [] }), { maxLength: 3 }),
);
const stored = fc.oneof(
  { weight: 8, arbitrary: value },
  fc.constantFrom<unknown>(Long.fromNumber(1), Decimal128.fromString('1')),
);
const document = fc.dictionary(fc.constantFrom('p', 'q', 'r'), stored, { maxKeys: 3 });

const path = fc.constantFrom('p', 'q', 'p.x', 'q.x', 'p.0', 'q.0.x', 'r');
const condition = fc.oneof(
  { weight: 4, arbitrary: value },
  fc.oneof(
    fc.record({ $eq: value }),
    fc.record({ $in: fc.array(value, { maxLength: 3 }) }),
    fc.record({ $gt: scalar }),
    fc.record({ $lte: scalar }),
    fc.record({ $ne: scalar }),
    fc.record({ $exists: fc.boolean() }),
    fc.record({ $size: fc.integer({ min: 0, max: 2 }) }),
    fc.record({ $all: fc.array(scalar, { minLength: 1, maxLength: 2 }) }),
    fc.record({ $not: fc.record({ $eq: scalar }) }),
    fc.record({ $elemMatch: fc.record({ x: scalar }) }),
  ),
);
const { filter } = fc.letrec<{ filter: Record<string, unknown> }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 2 },
    fc.dictionary(path, condition, { maxKeys: 3 }),
    fc.record({ $or: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ $and: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ $nor: fc.array(tie('filter'), { minLength: 1, maxLength: 2 }) }),
  ),
}));

describe('the index over the filters of live queries', () => {
  it('never leaves out a filter that matches, of any filters and documents', () => {
    fc.assert(
      fc.property(fc.array(filter, { maxLength: 12 }), fc.array(document, { minLength: 1, maxLength: 8 }), (raw, documents) => {
        const index = createFilterIndex<number>();
        const filters = raw.map((one) => readQuery(one));
        for (const [at, read] of filters.entries()) index.add(at, coversOf(read));
        for (const one of documents) {
          const candidates = index.candidates(one);
          for (const [at, read] of filters.entries()) {
            if (compileFilter(read)(one)) expect(candidates.has(at), JSON.stringify([read, one])).to.equal(true);
          }
        }
        for (const at of filters.keys()) index.remove(at);
        for (const one of documents) expect(index.candidates(one).size).to.equal(0);
      }),
      { numRuns: 500 },
    );
  }).timeout(20_000);

  it('asks hardly more than one of ten thousand filters that test for different values, whatever else they test', () => {
    const index = createFilterIndex<number>();
    for (let at = 0; at < 10_000; at += 1) {
      const room = `room ${at}`;
      const shapes = [{ type: 'lamp', room }, { $and: [{ room }, { online: true }] }, { room: { $in: [room, `${room} b`] } }];
      index.add(at, coversOf(readQuery(shapes[at % shapes.length]!)));
    }
    for (const at of [4711, 4712, 4713]) {
      const candidates = index.candidates({ type: 'lamp', room: `room ${at}`, online: true });
      expect(candidates.has(at)).to.equal(true);
      expect(candidates.size).to.be.at.most(4);
    }
    expect(index.candidates({ type: 'lamp', online: true }).size).to.be.at.most(3);
  });

  it('asks a filter without such a value only where the property that it tests is there', () => {
    const index = createFilterIndex<string>();
    index.add('low', coversOf(readQuery({ battery: { $lt: 20 } })));
    index.add('any', coversOf(readQuery({ name: { $ne: 'x' } })));
    expect([...index.candidates({ battery: 90 })]).to.have.members(['low', 'any']);
    expect([...index.candidates({ temperature: 9 })]).to.have.members(['any']);
  });
});

describe('the order of a live query', () => {
  it('gives equal documents but for the uuid the order of their uuids', () => {
    const { placeOf } = orderBy(readSort({ name: -1 }));
    const [a, b] = [placeOf({ name: 'x', uuid: 'a' }), placeOf({ name: 'x', uuid: 'b' })];
    expect(a < b).to.equal(true);
    expect(placeOf({ name: 'y', uuid: 'z' }) < a).to.equal(true);
  });
});
