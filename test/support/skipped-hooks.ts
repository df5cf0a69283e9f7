import Mocha from 'mocha';

/**
 * Mocha runs the `after` hooks of a suite whose `before` hook has skipped it, although nothing was prepared that they could clean up.
 *
 * Required by Mocha before all tests: an `after` hook does nothing if a `before` hook that stands in front of it in the same suite has skipped.
 */
interface Prepared {
  /** Hooks of the suite so far, of both kinds. */
  hooks: number;
  /** Place of the first `before` hook that skipped the suite. */
  skippedAt: number;
}

const suites = new WeakMap<Mocha.Suite, Prepared>();

const preparedOf = (suite: Mocha.Suite): Prepared => {
  const known = suites.get(suite);
  if (known !== undefined) return known;
  const made = { hooks: 0, skippedAt: Infinity };
  suites.set(suite, made);
  return made;
};

type Hook = (this: Mocha.Context, done?: Mocha.Done) => unknown;
type Register = (this: Mocha.Suite, title: string | Hook | undefined, hook?: Hook) => unknown;

/** Registers a hook whose function is wrapped, with its place among the hooks of its suite. */
const wrapped = (register: Register, wrap: (run: Hook, prepared: Prepared, place: number) => Hook): Register =>
  function (title, hook) {
    const prepared = preparedOf(this);
    const place = (prepared.hooks += 1);
    const [name, given] = typeof title === 'function' ? [title.name, title] : [title, hook];
    if (given === undefined || given.length > 0) return register.call(this, name, given);
    return register.call(this, name, wrap(given, prepared, place));
  };

const isSkip = (error: unknown): boolean => error instanceof Error && error.name === 'PendingError';

const prototype = Mocha.Suite.prototype as unknown as { beforeAll: Register; afterAll: Register };

prototype.beforeAll = wrapped(prototype.beforeAll, (run, prepared, place) => {
  return async function () {
    try {
      await run.call(this);
    } catch (error) {
      if (isSkip(error)) prepared.skippedAt = Math.min(prepared.skippedAt, place);
      throw error;
    }
  };
});

prototype.afterAll = wrapped(prototype.afterAll, (run, prepared, place) => {
  return async function () {
    if (prepared.skippedAt > place) await run.call(this);
  };
});
