import { delay, type Clock } from '../common/clock.ts';
import type { Log } from '../common/log.ts';

/** Functions that close resources, called in the reverse order of opening. */
export type Closers = (() => unknown)[];

/** Holds an instance that is closed as a whole and opened again after its store was replaced. */
export interface Restartable<T> {
  /** The instance that was opened last. */
  readonly instance: T;
  close(): Promise<void>;
}

/** Error of an opening during which the replacement of the store began. */
export class StoreReplacedError extends Error {
  override readonly name = 'ReplacedError';
}

const againMs = 1_000;

/** Calls every closer in reverse order. Errors are logged and do not stop the others. */
export const closeAll = async (closers: Closers, log: Log): Promise<void> => {
  for (const closer of closers.splice(0).reverse()) {
    try {
      await closer();
    } catch (error) {
      log.error({ err: error }, 'a part of the registry did not close well');
    }
  }
};

/**
 * Registers `close` with the others and returns a function that calls it earlier.
 * It runs only once.
 */
export const closeOnce = (closers: Closers, close: () => unknown): (() => Promise<void>) => {
  let closing: Promise<void> | undefined;
  const once = (): Promise<void> => (closing ??= Promise.resolve(close()).then(() => undefined));
  closers.push(once);
  return once;
};

/**
 * Opens an instance and opens it again whenever it asks for that.
 * `open` gets a list for its closers, and a function that requests closing and reopening.
 * That function resolves when the instance is closed.
 * Fails if the first `open` fails. Later ones are retried until they succeed.
 */
export const openRestartable = async <T>(options: {
  readonly open: (closers: Closers, leave: () => Promise<void>) => Promise<T>;
  readonly clock: Clock;
  readonly log: Log;
}): Promise<Restartable<T>> => {
  const { clock, log } = options;
  let inside!: T;
  let current: (() => Promise<void>) | null = null;
  let following: Promise<void> = Promise.resolve();
  let closed = false;

  const openOne = async (): Promise<void> => {
    const closers: Closers = [];
    let isOpen = false;
    let wanted = false;
    let ended!: () => void;
    const left = new Promise<void>((resolve) => (ended = resolve));
    const close = async (): Promise<void> => {
      current = null;
      await closeAll(closers, log);
      ended();
    };
    const leave = (): Promise<void> => {
      // An instance that is still opening is closed afterwards.
      if (!wanted && isOpen) following = close().then(reopen);
      wanted = true;
      return left;
    };
    try {
      inside = await options.open(closers, leave);
    } catch (error) {
      await close();
      throw error;
    }
    if (wanted || closed) {
      await close();
      throw new StoreReplacedError();
    }
    isOpen = true;
    current = () => {
      wanted = true;
      return close();
    };
  };

  const reopen = async (): Promise<void> => {
    while (!closed && current === null) {
      try {
        await openOne();
      } catch (error) {
        if (error instanceof StoreReplacedError || closed) continue;
        log.error({ err: error }, 'the registry could not be opened again');
        await delay(clock, againMs);
      }
    }
  };

  for (;;) {
    try {
      await openOne();
      break;
    } catch (error) {
      if (!(error instanceof StoreReplacedError)) throw error;
    }
  }
  return {
    get instance() {
      return inside;
    },
    async close() {
      closed = true;
      await current?.();
      await following;
    },
  };
};
