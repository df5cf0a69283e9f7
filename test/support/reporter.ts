import { styleText } from 'node:util';
import Mocha from 'mocha';

/** A failure, as it is told at the end. */
interface Told {
  readonly title: string;
  readonly error: unknown;
}

const titleOf = (runnable: Mocha.Runnable): string => runnable.titlePath().join(' › ');

/** Why tests were skipped, from the title of their suite or of the hook that skipped them: "skipped: reason", of a hook also "(reason)" at its end. */
const reasonIn = (title: string): string | undefined =>
  (/\bskipped: ([^()]+)/.exec(title) ?? /^"(?:before|after) .*\(([^()]+)\)$/s.exec(title))?.[1]?.trim().replace(/\s+/g, ' ');

/** An error with its stack, without the lines of Mocha and of Node itself. */
const textOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const lines = (error.stack ?? `${error.name}: ${error.message}`).split('\n');
  return lines.filter((line) => !/^\s+at .*(?:node_modules\/mocha\/|node:internal\/)/.test(line)).join('\n');
};

/** What was expected and what came, line by line, if the error holds both. */
const differenceIn = (error: unknown): string => {
  if (typeof error !== 'object' || error === null || !('actual' in error) || !('expected' in error)) return '';
  if ('showDiff' in error && error.showDiff === false) return '';
  const [actual, expected] = [error.actual, error.expected].map((value) => JSON.stringify(value, null, 2) ?? String(value));
  return actual === undefined || expected === undefined || actual === expected
    ? ''
    : Mocha.reporters.Base.generateDiff(actual, expected);
};

const causesOf = (error: unknown): string =>
  error instanceof Error && error.cause !== undefined ? `\ncaused by ${textOf(error.cause)}` : '';

/** What tests may lack, by the words of their reasons, and the command that brings it. */
const remedies: readonly (readonly [words: RegExp, command: string])[] = [
  [/libcurl/i, 'libcurl4 (apt-get install libcurl4)'],
  [/mongo/i, 'a mongod (npm run mongod, or MONGODB_TEST_URI)'],
  [/chromium/i, 'Chromium (apt-get install chromium, or CHROMIUM_PATH)'],
  [/oathtool/i, 'oathtool (apt-get install oathtool)'],
  [/mosquitto/i, 'Mosquitto (apt-get install mosquitto mosquitto-clients)'],
  [/nginx/i, 'nginx (apt-get install nginx-light)'],
  [/openssl/i, 'openssl (apt-get install openssl)'],
  [/\bcurl/i, 'curl (apt-get install curl)'],
  [/\bbash/i, 'bash (apt-get install bash)'],
];

/** What would bring the tests that were skipped for these reasons. */
const commandsFor = (reasons: readonly string[]): string =>
  [...new Set(reasons.flatMap((reason) => remedies.find(([words]) => words.test(reason))?.[1] ?? []))].join('; ');

const indented = (text: string, by: number): string => text.replace(/^(?=.)/gm, ' '.repeat(by));

/**
 * Prints one line per suite and test, then what was skipped and why, then the failures with their stacks.
 *
 * The last line is `N passed, N failed, N skipped`. A promise that was rejected and never looked at counts as a failure: Mocha
 * itself drops those.
 */
export default class Reporter {
  #passed = 0;
  readonly #failures: Told[] = [];
  /** Reasons, each with the number of tests that it skipped. */
  readonly #skipped = new Map<string, number>();
  readonly #reasons = new Map<Mocha.Suite, string>();
  readonly #rejections = new Set<Promise<unknown>>();
  readonly #begun = performance.now();
  #depth = 0;
  #current = 'outside of any test';

  constructor(runner: Mocha.Runner) {
    const names = Mocha.Runner.constants;
    runner.on(names.EVENT_SUITE_BEGIN, (suite) => {
      if (!suite.root) this.#say(suite.title);
      if (!suite.root) this.#depth += 1;
    });
    runner.on(names.EVENT_SUITE_END, (suite) => {
      if (!suite.root) this.#depth -= 1;
    });
    runner.on(names.EVENT_TEST_BEGIN, (test) => {
      this.#current = titleOf(test);
    });
    runner.on(names.EVENT_TEST_PASS, (test) => {
      this.#passed += 1;
      const slow = (test.duration ?? 0) > test.slow() ? ` (${test.duration} ms)` : '';
      this.#say(`${styleText('green', '✓')} ${test.title}${slow}`);
    });
    runner.on(names.EVENT_TEST_FAIL, (test, error: unknown) => {
      this.#failures.push({ title: titleOf(test), error });
      this.#say(styleText('red', `✗ ${test.title}`));
    });
    runner.on(names.EVENT_HOOK_END, (hook) => {
      const reason = reasonIn(hook.title);
      if (reason !== undefined && hook.parent) this.#reasons.set(hook.parent, reason);
    });
    runner.on(names.EVENT_TEST_PENDING, (test) => {
      const reason = this.#reasonOf(test);
      this.#skipped.set(reason, (this.#skipped.get(reason) ?? 0) + 1);
      this.#say(styleText('yellow', `- ${test.title}`));
    });
    process.on('unhandledRejection', this.#rejected);
  }

  /** Mocha takes a rejection and passes it on to the other listeners: it comes twice. */
  readonly #rejected = (error: unknown, promise: Promise<unknown>): void => {
    if (this.#rejections.has(promise)) return;
    this.#rejections.add(promise);
    this.#failures.push({ title: `unhandled rejection while "${this.#current}" ran, or before`, error });
  };

  /** Called by Mocha after everything, with the number of failed tests; passes on the exit status. */
  done(_failed: number, end: (failures: number) => void): void {
    const skipped = [...this.#skipped.values()].reduce((sum, count) => sum + count, 0);
    for (const [reason, count] of this.#skipped) console.log(`\nskipped ${count}: ${reason}`);
    for (const [index, { title, error }] of this.#failures.entries()) {
      console.log(`\n${index + 1}) ${styleText('red', title)}`);
      console.log(indented(textOf(error) + causesOf(error), 3));
      const difference = differenceIn(error);
      if (difference !== '') console.log(indented(difference.replace(/^ {6}/gm, '').trim(), 3));
    }
    const wanted = commandsFor([...this.#skipped.keys()]);
    if (wanted !== '') console.log(`\nskipped for want of: ${wanted}`);
    console.log(`\nran for ${((performance.now() - this.#begun) / 1000).toFixed(1)} s`);
    console.log(`${this.#passed} passed, ${this.#failures.length} failed, ${skipped} skipped`);
    end(this.#failures.length);
    process.removeListener('unhandledRejection', this.#rejected);
  }

  #say(text: string): void {
    console.log(indented(text, this.#depth * 2));
  }

  #reasonOf(test: Mocha.Test): string {
    for (let suite = test.parent; suite; suite = suite.parent) {
      const reason = this.#reasons.get(suite) ?? reasonIn(suite.title);
      if (reason !== undefined) return reason;
    }
    return `no reason given: ${titleOf(test)}`;
  }
}
