import { delay, type Clock } from '../common/clock.ts';
import type { Log } from '../common/log.ts';

/** Closes something; in the opposite order of opening. */
export type Closers = (() => unknown)[];

/** The inside of a registry, which is closed as a whole and opened anew when the store under it was replaced. */
export interface Restartable<T> {
  /** What was opened last. */
  readonly instance: T;
  close(): Promise<void>;
}

/** The store began to be replaced while the inside was being opened. */
export class StoreReplacedError extends Error {
  override readonly name = 'ReplacedError';
}

const againMs = 1_000;

/** Closes everything in the opposite order; what fails is logged and keeps nothing else open. */
export const closeAll = async (closers: Closers, log: Log): Promise<void> => {
  for (const closer of closers.splice(0).reverse()) {
    try {
      await closer();
    } catch (error) {
      log.error({ err: error }, 'a part of the registry did not close well');
    }
  }
};

/** Has `close` called with the others, unless the function that is given back is called earlier. It is called once. */
export const closeOnce = (closers: Closers, close: () => unknown): (() => Promise<void>) => {
  let closing: Promise<void> | undefined;
  const once = (): Promise<void> => (closing ??= Promise.resolve(close()).then(() => undefined));
  closers.push(once);
  return once;
};

/**
 * Opens an inside and keeps one open. `open` gets a list for its closers, and a function that closes this inside and has another one opened; what that
 * function returns resolves when this one is closed. Fails as the first `open` does; later ones are tried until they succeed.
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
      // One that is still being opened is closed when it is.
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
