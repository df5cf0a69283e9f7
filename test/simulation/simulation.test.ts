import { expect } from 'chai';
import type { Breaks } from './process.ts';
import { runSchedule } from './schedule.ts';

/** Runs schedules from a seed on until one breaks a promise; at most `most`. */
const firstBroken = async (breaks: Breaks, most: number): Promise<readonly string[]> => {
  for (let seed = 1; seed <= most; seed += 1) {
    const { broken } = await runSchedule(seed, breaks);
    if (broken.length > 0) return broken;
  }
  return [];
};

describe('nodes on a replica set under faults', function () {
  this.timeout(300_000);

  it('keep what they promise in 100 schedules', async () => {
    const first = Date.now() % 1_000_000;
    for (let seed = first; seed < first + 100; seed += 1) {
      const { broken, faults } = await runSchedule(seed);
      expect(broken, `seed ${seed}: ${faults}`).to.deep.equal([]);
    }
  });

  it('do the same again under the same seed', async () => {
    const [one, other] = [await runSchedule(12), await runSchedule(12)];
    expect(one.history).to.deep.equal(other.history);
    expect(one.history.calls).to.have.length.above(50);
  });
});

describe('the checks of the simulation', function () {
  this.timeout(300_000);

  const rules: readonly [string, Breaks, string][] = [
    ['writes that do not ask for the revision', { anyRev: true }, 'P3'],
    ['documents that forget their requests', { noWindow: true }, 'P2'],
    ['endings that do not wait for the other nodes', { noBarrier: true }, 'P8'],
    ['nodes that go on although nobody hears of them', { noFence: true }, 'P8'],
    ['a cache that does not hear of changes', { deafCache: true }, 'cache'],
    ['messages that come to whom no list allows', { openLists: true }, 'P4'],
    ['what was missed and is not replayed', { noResume: true }, 'P6'],
    ['messages that overtake what is replayed', { anyOrder: true }, 'order'],
    ['devices that stay online', { neverOffline: true }, 'P7'],
  ];
  for (const [rule, breaks, promise] of rules) {
    it(`notice ${rule}`, async () => {
      const broken = await firstBroken(breaks, 60);
      expect(broken.filter((sentence) => sentence.startsWith(promise))).to.have.length.above(0);
    });
  }
});
