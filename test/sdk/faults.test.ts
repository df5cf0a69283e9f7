import { expect } from 'chai';
import { lamp, session } from './support/session.ts';
import type { Received } from './support/stub.ts';
import { failure, silence } from './support/stub.ts';

/** A small generator of numbers in [0, 1) (mulberry32), so that a failing round names its seed. */
const randomFrom = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};

const counterOf = ({ options: { reqId } }: Received): number => Number(reqId.split(':')[1]);

/** A registry that carries each request out once, and loses connections before and after it does. */
const faultyRegistry = async (seed: number) => {
  const random = randomFrom(seed);
  const the = await session();
  const effects = new Map<string, unknown>();
  const broken: string[] = [];
  let newest = 0;
  the.stub.answer = (call) => {
    const { reqId, again = 0 } = call.options;
    newest = Math.max(newest, counterOf(call));
    if (counterOf(call) < newest - 32) broken.push(`${reqId} is too far behind ${newest}`);
    if (again === 0 && effects.has(reqId)) broken.push(`${reqId} was sent twice as new`);
    const chance = random();
    if (chance < 0.05) return failure(503, 'unavailable');
    if (chance < 0.07) {
      the.stub.cut();
      return silence;
    }
    if (!effects.has(reqId)) effects.set(reqId, call.input['n']);
    if (chance < 0.09) {
      the.stub.cut();
      return silence;
    }
    return { n: effects.get(reqId) };
  };
  return { the, effects, broken };
};

describe('under random losses of connections and answers', function () {
  this.timeout(30_000);
  for (const seed of [1, 2, 3, Math.trunc(Math.random() * 2 ** 31)])
    it(`every call is resolved with its own answer and takes effect once (seed ${seed})`, async () => {
      const { the, effects, broken } = await faultyRegistry(seed);
      try {
        const client = await the.open(lamp, { backoff: { minMs: 1, maxMs: 5 } });
        const numbers = Array.from({ length: 400 }, (_, n) => n);
        const answers = await Promise.all(numbers.map((n) => client.call('update', { n })));
        expect(answers).to.deep.equal(numbers.map((n) => ({ n })));
        expect(broken).to.deep.equal([]);
        expect([...effects.values()].sort((one, other) => Number(one) - Number(other))).to.deep.equal(numbers);
      } finally {
        await the.close();
      }
    });

  it('repeats are numbered upwards, each number once', async () => {
    const { the } = await faultyRegistry(7);
    try {
      const client = await the.open(lamp, { backoff: { minMs: 1, maxMs: 5 } });
      await Promise.all(Array.from({ length: 200 }, (_, n) => client.call('update', { n })));
      const sendings = new Map<string, number>();
      for (const { options } of the.stub.calls) {
        const { reqId, again = 0 } = options;
        expect(again, reqId).to.be.greaterThan(sendings.get(reqId) ?? -1);
        sendings.set(reqId, again);
      }
      expect(Math.max(...sendings.values())).to.be.greaterThan(0);
    } finally {
      await the.close();
    }
  });
});
