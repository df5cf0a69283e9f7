import { availableParallelism } from 'node:os';
import { RegistryError } from '@rollcall/client/contract';
import bcrypt from 'bcrypt';

/**
 * Work with the slow hash, one at a time on each core but one: queued hashes would starve file system and DNS, which share their threads, and one
 * core is left to everybody else.
 */
export interface SlowHash {
  /** Is `secret` the one that was hashed? Fails with `busy` when too many wait. A malformed hash is false. */
  compare(secret: string, hash: string): Promise<boolean>;
  /** The hash of a secret, with a salt of its own. Fails with `busy` when too many wait. */
  hash(secret: string): Promise<string>;
}

/** Work factor of new hashes. */
const cost = 10;

const maxWaiting = 256;

/** Bounded bcrypt (decisions, section 5). */
export const slowHash = (): SlowHash => {
  const free = Math.max(1, availableParallelism() - 1);
  const waiting: (() => void)[] = [];
  let running = 0;

  const turn = async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= free) {
      if (waiting.length >= maxWaiting) throw new RegistryError('busy');
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else {
      running += 1;
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };

  return {
    compare: (secret, hash) => turn(() => bcrypt.compare(secret, hash)),
    hash: (secret) => turn(() => bcrypt.hash(secret, cost)),
  };
};
