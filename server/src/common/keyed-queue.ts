import { RegistryError } from '@rollcall/client/contract';

/** How much work may wait for one name before more of it is refused with `busy`. */
const MOST_WAITING = 1_000;

/**
 * Runs work one at a time per name, in the order in which it came; work for different names runs
 * side by side.
 */
export type KeyedQueue = <T>(name: string, work: () => Promise<T>) => Promise<T>;

export const createKeyedQueue = (): KeyedQueue => {
  const lines = new Map<string, { tail: Promise<unknown>; length: number }>();
  return async (name, work) => {
    const line = lines.get(name) ?? { tail: Promise.resolve(), length: 0 };
    if (line.length >= MOST_WAITING) throw new RegistryError('busy');
    lines.set(name, line);
    line.length += 1;
    const turn = line.length === 1 ? work() : line.tail.then(work);
    // The next one's turn comes whether or not this one succeeds.
    line.tail = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      line.length -= 1;
      if (line.length === 0) lines.delete(name);
    }
  };
};
