import { availableParallelism } from 'node:os';
import { RegistryError } from '@rollcall/client/contract';
import bcrypt from 'bcrypt';

/**
 * Work with the slow hash, one at a time on each core but one: the last core is left to everything else. At least one thread of the
 * pool stays free as well, because file system and DNS share it.
 */
export interface BcryptPool {
  /** How many hashes are worked on at once. */
  readonly parallel: number;
  /** Is `secret` the one that was hashed? Fails with `busy` when too many wait. A malformed hash is false. */
  compare(secret: string, hash: string): Promise<boolean>;
  /** The hash of a secret, with a salt of its own. Fails with `busy` when too many wait. */
  hash(secret: string): Promise<string>;
}

/** Work factor of new hashes. */
const cost = 10;

const maxWaiting = 256;

/** Threads of the pool that hashes, files and DNS share, if `UV_THREADPOOL_SIZE` does not say otherwise (libuv). */
const defaultPoolSize = 4;

const poolSize = (): number => {
  const size = Number(process.env['UV_THREADPOOL_SIZE']);
  return Number.isInteger(size) && size > 0 ? size : defaultPoolSize;
};

/** Bounded bcrypt (ME-5). */
export const createBcryptPool = (): BcryptPool => {
  const free = Math.max(1, Math.min(availableParallelism(), poolSize()) - 1);
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
    parallel: free,
    compare: (secret, hash) => turn(() => bcrypt.compare(secret, hash)),
    hash: (secret) => turn(() => bcrypt.hash(secret, cost)),
  };
};
