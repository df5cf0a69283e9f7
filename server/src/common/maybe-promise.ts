/** A value that is there, or will be. */
export type MaybePromise<T> = T | Promise<T>;

/** Goes on with a value: at once if it is there. What fails at once is thrown. */
export const chain = <T, U>(value: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> =>
  value instanceof Promise ? value.then(next) : next(value);

/**
 * Runs work and passes its result to one of these callbacks: synchronously if the result is already
 * there.
 */
export const settle = <T>(work: () => MaybePromise<T>, done: (value: T) => void, failed: (error: unknown) => void): void => {
  let outcome: MaybePromise<T>;
  try {
    outcome = work();
  } catch (error) {
    return failed(error);
  }
  if (outcome instanceof Promise) outcome.then(done, failed);
  else done(outcome);
};
