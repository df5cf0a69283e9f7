import { RegistryError } from '@rollcall/client/contract';
import { expect } from 'chai';
import { maxElementaryTests, spend, bounded } from '@rollcall/server/internal/mql/effort';
import { applyUpdate, compileFilter } from '@rollcall/server/internal/mql/index';
import { readQuery } from '@rollcall/server/internal/domain/device-query';
import { failuresTo } from '@rollcall/server/internal/app/to-registry-error';
import { toClientError } from '@rollcall/server/internal/domain/evaluate';

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const now = new Date(0);

const codeOf = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return 'none';
};

describe('effort of one evaluation', () => {
  it('takes as many elementary tests as the limit says, and refuses one more (S5)', () => {
    expect(codeOf(() => bounded(() => spend(maxElementaryTests)))).to.equal('none');
    expect(codeOf(() => bounded(() => spend(maxElementaryTests + 1)))).to.equal(50);
  });

  const filters: Record<string, [object, object]> = {
    '$all on a long array': [{ $and: numbers(60).map(() => ({ a: { $all: numbers(90) } })) }, { a: numbers(20_000) }],
    '$elemMatch with $and': [
      { a: { $elemMatch: { $and: [...numbers(2_000).map(() => ({})), { x: 1 }] } } },
      { a: numbers(10_000).map(() => ({})) },
    ],
    '$nor on a long array': [{ $nor: numbers(60).map(() => ({ a: -1 })) }, { a: numbers(20_000) }],
    'arrays in arrays': [
      { 'a.a': { $in: ['x'] }, $and: numbers(20).map(() => ({ 'a.a': { $ne: -1 } })) },
      { a: numbers(200).map(() => ({ a: [...numbers(200), 'x'] })) },
    ],
    'an operator in $elemMatch': [{ a: { $elemMatch: { $gte: 0, $lt: 0 } }, $and: [{ b: 1 }] }, { a: numbers(200_000) }],
  };
  for (const [name, [filter, document]] of Object.entries(filters)) {
    it(`stops a filter with ${name} (S5)`, () => {
      const match = compileFilter(filter);
      expect(codeOf(() => match(document as Record<string, unknown>))).to.equal(50);
    });
  }

  const updates: Record<string, [object, object]> = {
    '$pull with $or': [
      { $pull: { a: { $or: numbers(9_000).map((x) => ({ x: -x - 1 })) } } },
      { a: numbers(6_000).map((x) => ({ x })) },
    ],
    '$push with $sort': [
      { $push: { a: { $each: [], $sort: Object.fromEntries(numbers(64).map((n) => [`p${n}`, 1])) } } },
      { a: numbers(20_000).map(() => ({})) },
    ],
  };
  for (const [name, [update, document]] of Object.entries(updates)) {
    it(`stops an update with ${name} (S5)`, () => {
      expect(codeOf(() => applyUpdate(document, update, { now }))).to.equal(50);
    });
  }

  it('starts each evaluation with the whole limit (S5)', () => {
    const match = compileFilter({ a: -1 });
    for (let turn = 0; turn < 5; turn += 1) expect(match({ a: numbers(45_000) })).to.equal(false);
  });
});

describe('bounds of a query', () => {
  const refused: Record<string, Record<string, unknown>> = {
    'too many branches': { $or: numbers(65).map(() => ({})) },
    'too many values in all': { $and: numbers(12).map(() => ({ a: { $in: numbers(100) } })) },
    'a $size of 2^31': { a: { $size: 2 ** 31 } },
    'an empty $not': { a: { $not: {} } },
    'an operator below online': { online: { $eq: { $gt: 1 } } },
  };
  for (const [name, query] of Object.entries(refused)) {
    it(`refuses ${name} (S5)`, () => {
      expect(() => readQuery(query))
        .to.throw(RegistryError)
        .with.property('code', 'invalid-input');
    });
  }

  it('reads each value of a list as it reads a single one (W3)', () => {
    const time = '2026-01-02T03:04:05.000Z';
    expect(readQuery({ online: { $in: ['false'] } })).to.deep.equal({ online: { $in: [false] } });
    expect(readQuery({ 'meshblu.createdAt': { $in: [time] } })).to.deep.equal({ 'meshblu.createdAt': { $in: [new Date(time)] } });
  });
});

describe('errors of the document language', () => {
  const failure = failuresTo({ error: () => undefined } as never);
  const caught = (run: () => unknown): RegistryError => {
    try {
      run();
    } catch (error) {
      return toClientError(error) as RegistryError;
    }
    throw new Error('nothing was thrown');
  };
  const updates: [object, object][] = [
    [{ n: 5 }, { $set: { 'n.b': 1 } }],
    [{}, { $set: { o: {}, 'o.a': 1 } }],
    [{ list: [1] }, { $set: { 'list.$': 1 } }],
    [{ list: [1] }, { $set: { 'list.foo': 1 } }],
    [{ list: [1] }, { $set: { 'list.1600000': 1 } }],
    [{ meshblu: { whitelists: 'x' } }, { $set: { 'meshblu.whitelists.discover.view': [] } }],
  ];
  for (const [document, update] of updates) {
    it(`maps ${JSON.stringify(update)} to invalid-input with path and rule (W1)`, () => {
      const error = caught(() => applyUpdate(document, update, { now }));
      expect(error.code).to.equal('invalid-input');
      expect(error.details?.[0]).to.include.keys('path', 'rule');
    });
  }

  it('maps an evaluation beyond its limit to timeout (S5)', () => {
    expect(caught(() => compileFilter({ a: -1 })({ a: numbers(100_001) })).code).to.equal('timeout');
  });

  it('maps a full disk to unavailable (W1)', () => {
    const sqlite = Object.assign(new Error('database or disk is full'), { code: 'ERR_SQLITE_ERROR', errcode: 13 });
    const synced = new Error('The disk failed', { cause: Object.assign(new Error('no space'), { code: 'ENOSPC' }) });
    const server = Object.assign(new Error('no space'), { name: 'MongoServerError', code: 14_031 });
    for (const error of [sqlite, synced, server]) expect(failure(error).code).to.equal('unavailable');
  });
});
