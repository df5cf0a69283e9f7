import { createRegistry } from '@rollcall/server';
import { expect } from 'chai';

/** Origins that cannot be read for the `failing`th time. */
const originsUntil = (failing: number): { readonly origins: string[]; readonly hasFailed: () => boolean } => {
  let reads = 0;
  const origins: string[] = [];
  Object.defineProperty(origins, Symbol.iterator, {
    value() {
      reads += 1;
      if (reads === failing) throw new Error('this part does not open');
      return [].values();
    },
  });
  return { origins, hasFailed: () => reads >= failing };
};

/** The timers, in milliseconds, that were set while `work` ran, and have neither run out nor been cleared. */
const timersLeftBy = async (work: () => Promise<void>): Promise<readonly number[]> => {
  const left = new Map<unknown, number>();
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const setAndCount = (run: (...values: unknown[]) => void, ms = 0, ...values: unknown[]) => {
    const timer = set(() => {
      left.delete(timer);
      run(...values);
    }, ms);
    left.set(timer, ms);
    return timer;
  };
  const clearAndCount = (timer: NodeJS.Timeout): void => {
    left.delete(timer);
    clear(timer);
  };
  Object.assign(globalThis, { setTimeout: setAndCount, clearTimeout: clearAndCount });
  try {
    await work();
  } finally {
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
  }
  return [...left.values()];
};

describe('a start that fails', () => {
  it('closes every part that was opened, whichever later part does not open', async () => {
    let failures = 0;
    for (let isOver = false; !isOver;) {
      const { origins, hasFailed } = originsUntil(failures + 1);
      const left = await timersLeftBy(async () => {
        const settings = {
          dataDir: ':memory:',
          port: 0,
          mqttPort: 0,
          logLevel: 'silent',
          pepper: 'p',
          secret: 'a secret of the tests',
          origins,
        };
        const outcome = await createRegistry(settings as never).catch((error: unknown) => error as Error);
        if (outcome instanceof Error) expect(outcome.message).to.equal('this part does not open');
        else await outcome.close();
      });
      expect(left, `after part ${failures + 1}`).to.deep.equal([]);
      if (hasFailed()) failures += 1;
      else isOver = true;
    }
    expect(failures).to.be.above(1);
  });
});
