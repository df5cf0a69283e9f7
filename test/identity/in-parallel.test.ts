import { inParallel } from '@rollcall/server/internal/common/in-parallel';
import { createBcryptPool } from '@rollcall/server/internal/identity/passwords/bcrypt-pool';
import { createPasswords } from '@rollcall/server/internal/identity/passwords/passwords';
import { expect } from 'chai';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('work on many items', () => {
  it('goes on at most so many at once, and keeps their order (V4)', async () => {
    let running = 0;
    let highest = 0;
    const results = await inParallel([5, 1, 4, 2, 3], 2, async (item) => {
      highest = Math.max(highest, (running += 1));
      for (let turns = 0; turns < item; turns += 1) await turn();
      running -= 1;
      return item * 2;
    });
    expect([results, highest]).to.deep.equal([[10, 2, 8, 4, 6], 2]);
  });

  it('begins nothing after a failure, waits for what is under way, and throws the earliest failure (V4)', async () => {
    const ended: number[] = [];
    const work = inParallel([0, 1, 2, 3], 2, async (item) => {
      for (let turns = 0; turns < (item === 0 ? 5 : 1); turns += 1) await turn();
      ended.push(item);
      throw new Error(`failure ${item}`);
    });
    const error = await work.catch((caught: unknown) => caught);
    expect(String(error)).to.equal('Error: failure 0');
    expect(ended).to.deep.equal([1, 0]);
  });

  it('hashes more passwords than may wait, and a login gets its turn between them (V4)', async () => {
    let waiting = 0;
    let highest = 0;
    const { parallel } = createBcryptPool();
    const passwords = createPasswords({
      credentials: {} as never,
      pepper: 'im-a-pepper',
      now: () => 0,
      slowHash: {
        parallel,
        compare: () => Promise.resolve(true),
        async hash(secret) {
          highest = Math.max(highest, (waiting += 1));
          await turn();
          waiting -= 1;
          return `hash of ${secret.length}`;
        },
      },
    });
    expect(await passwords.hashAll(Array.from({ length: 500 }, (_, index) => `password ${index}`))).to.have.length(500);
    expect(highest).to.equal(parallel);
  });
});
