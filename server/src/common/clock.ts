/** Time as the registry sees it: injected, so that a simulation can run it at its own pace. */
export interface Clock {
  /** Wall clock in milliseconds since 1970. It may jump. */
  now(): number;
  /** Milliseconds since some moment; never goes back, and no two hosts agree on it. */
  monotonic(): number;
  /** Calls `run` once after `ms` milliseconds; the returned function takes that back. */
  after(ms: number, run: () => void): () => void;
}

/** The clock of this computer. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/**
 * A piece of work did not end in the time it was given. Whether it still takes effect is unknown.
 */
export class TimeLimitError extends Error {
  override readonly name = 'TimeLimitError';
}

/**
 * The outcome of `work`, or a `TimeLimitError` after `ms` milliseconds. The work itself is not
 * stopped.
 */
export const withTimeLimit = <T>(clock: Clock, ms: number, work: Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(new TimeLimitError(`not done within ${ms} ms`)));
    work.then(resolve, reject).finally(cancel);
  });

/** Resolves after `ms` milliseconds. */
export const delay = (clock: Clock, ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));

/**
 * Does something again and again, each time `ms` milliseconds after it was done; the function
 * returned ends it. The work must not fail.
 */
export const every = (clock: Clock, ms: number, work: () => Promise<unknown>): (() => void) => {
  let stopped = false;
  let cancel = (): void => undefined;
  const later = (): void => {
    cancel = clock.after(ms, () => {
      void work().then(() => {
        if (!stopped) later();
      });
    });
  };
  later();
  return () => {
    stopped = true;
    cancel();
  };
};
