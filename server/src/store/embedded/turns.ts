import { isSqliteError, type Sqlite } from './sqlite.ts';

/**
 * A write in steps. It runs between BEGIN and COMMIT; where it yields, what it did so far may be committed and other
 * operations may run. It checks everything before it changes anything of a document, so that its failure leaves no half.
 */
export type Work<T> = Generator<undefined, T>;

export interface Turns {
  /** Queues work for the end of this turn of the event loop. Resolves or rejects after the commit that holds its last step. */
  write<T>(work: Work<T>): Promise<T>;
  /** Runs what is queued, then refuses all further work. */
  close(): Promise<void>;
}

interface Pending {
  work: Work<unknown>;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

interface Hooks {
  /** Last writes of a turn, in its transaction. */
  beforeCommit(): void;
  /** The turn's writes are durable: publish them. */
  committed(): void;
  /** The turn's writes are undone: forget what memory holds of them. */
  rolledBack(): void;
}

/** Longest time one turn works before it commits and lets the event loop go on, in milliseconds. */
const budgetMs = 20;

/** Group commit: all writes of one turn of the event loop in one transaction, answered after its commit, or all refused. */
export function turns(sqlite: Sqlite, hooks: Hooks): Turns {
  const begin = sqlite.prepare('BEGIN IMMEDIATE');
  const commit = sqlite.prepare('COMMIT');
  let queue: Pending[] = [];
  let scheduled = false;
  let closed = false;

  function schedule(): void {
    if (scheduled || queue.length === 0) return;
    scheduled = true;
    setImmediate(turn);
  }

  function turn(): void {
    scheduled = false;
    const outcomes: (() => void)[] = [];
    const waiting = queue;
    queue = [];
    let next = 0;
    try {
      begin.run();
      const end = performance.now() + budgetMs;
      while (next < waiting.length && performance.now() < end) {
        const pending = waiting[next] as Pending;
        next += 1;
        const outcome = advance(pending, end);
        if (outcome === undefined) queue.push(pending);
        else outcomes.push(outcome);
      }
      hooks.beforeCommit();
      commit.run();
    } catch (error) {
      undo(waiting.slice(0, next), error);
      queue.push(...waiting.slice(next));
      schedule();
      return;
    }
    queue = [...waiting.slice(next), ...queue];
    hooks.committed();
    for (const answer of outcomes) answer();
    schedule();
  }

  function undo(touched: Pending[], error: unknown): void {
    try {
      sqlite.exec('ROLLBACK');
    } catch {
      // SQLite has already rolled back by itself, as it does when the disk is full.
    }
    hooks.rolledBack();
    queue = queue.filter((pending) => !touched.includes(pending));
    for (const { reject } of touched) reject(error);
  }

  return {
    write<T>(work: Work<T>): Promise<T> {
      if (closed) return Promise.reject(new Error('The store is closed'));
      return new Promise<T>((resolve, reject) => {
        queue.push({ work, resolve: resolve as (value: unknown) => void, reject });
        schedule();
      });
    },
    async close() {
      closed = true;
      while (queue.length > 0) await new Promise(setImmediate);
    },
  };
}

/** Runs steps until the work is done (what to answer after the commit) or the time is up (undefined). */
function advance({ work, resolve, reject }: Pending, end: number): (() => void) | undefined {
  try {
    for (;;) {
      const step = work.next();
      if (step.done) return () => resolve(step.value);
      if (performance.now() >= end) return undefined;
    }
  } catch (error) {
    if (isSqliteError(error)) throw error;
    return () => reject(error);
  }
}
