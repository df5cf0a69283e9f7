import type { Disk } from './disk.ts';
import { isSqliteError, type Sqlite } from './sqlite.ts';

/**
 * A write in steps. It runs between BEGIN and COMMIT; where it yields, what it did so far may be committed and other
 * operations may run. It checks everything before it changes anything of a document, so that its failure leaves no half.
 */
export type WriteSteps<T> = Generator<undefined, T>;

export interface GroupCommit {
  /** Queues work for the end of this turn of the event loop. Resolves or rejects after the commit that holds its last step. */
  write<T>(work: WriteSteps<T>): Promise<T>;
  /**
   * Resolves when everything committed so far is on the disk; undefined if it is already. A reader waits for it before it
   * answers, so that no client sees a write that a power cut then undoes.
   */
  settled(): Promise<void> | undefined;
  /** Runs what is queued, then refuses all further work. */
  close(): Promise<void>;
}

/** What waits for the disk: an answer to give, or to take back. */
interface Outcome {
  answer(): void;
  reject(error: unknown): void;
}

interface Pending {
  work: WriteSteps<unknown>;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

interface Hooks {
  /** Last writes of a turn, in its transaction. */
  beforeCommit(): void;
  /** Remembers how far the committed writes go. */
  mark(): unknown;
  /** The writes up to a mark are durable: publish them. */
  durable(mark: unknown): void;
  /** The turn's writes are undone: forget what memory holds of them. */
  rolledBack(): void;
}

/** Longest time one turn works before it commits and lets the event loop go on, in milliseconds. */
const budgetMs = 20;

/**
 * Group commit: all writes of one turn of the event loop in one transaction, all refused if its commit fails.
 *
 * They are answered when the disk has them. While it works, further turns commit; one sync serves all that committed
 * before it began. For a checkpoint turns wait, while reads go on. Without `disk` a commit is all there is to wait for. If a
 * sync fails, the content of the disk is unknown, and all further work is refused.
 */
export function createGroupCommit(sqlite: Sqlite, hooks: Hooks, disk?: Disk): GroupCommit {
  const begin = sqlite.prepare('BEGIN IMMEDIATE');
  const commit = sqlite.prepare('COMMIT');
  let queue: Pending[] = [];
  let scheduled = false;
  let closed = false;
  let waiting: Outcome[] = [];
  let syncing: Outcome[] | undefined;
  let broken: Error | undefined;
  let checkpointing = false;

  function schedule(): void {
    if (scheduled || checkpointing || queue.length === 0) return;
    scheduled = true;
    setImmediate(turn);
  }

  function turn(): void {
    scheduled = false;
    const outcomes: Outcome[] = [];
    const work = queue;
    queue = [];
    let next = 0;
    try {
      begin.run();
      const end = performance.now() + budgetMs;
      while (next < work.length && performance.now() < end) {
        const pending = work[next] as Pending;
        next += 1;
        const outcome = advance(pending, end);
        if (outcome === undefined) queue.push(pending);
        else outcomes.push(outcome);
      }
      hooks.beforeCommit();
      commit.run();
    } catch (error) {
      undo(work.slice(0, next), error);
      queue = [...queue, ...work.slice(next)];
      schedule();
      return;
    }
    queue = [...work.slice(next), ...queue];
    waiting = [...waiting, committed, ...outcomes];
    checkpointing = disk?.due() ?? false;
    settle();
    schedule();
  }

  function settle(): void {
    if (syncing !== undefined || broken !== undefined) return;
    if (waiting.length === 0) return void (checkpointing && checkpoint());
    const outcomes = waiting;
    const mark = hooks.mark();
    waiting = [];
    if (disk === undefined) return publish(mark, outcomes);
    syncing = outcomes;
    disk.syncLog((error) => {
      syncing = undefined;
      if (error === null) publish(mark, outcomes);
      else fail(error, outcomes);
      settle();
    });
  }

  /** All of the log is on the disk, and no turn begins before the data file is, too. */
  function checkpoint(): void {
    syncing = [];
    try {
      disk?.checkpoint();
    } catch (error) {
      // The data file could not grow: the log keeps everything, and the next turn tries again.
      if (!isSqliteError(error)) throw error;
    }
    disk?.syncData((error) => {
      syncing = undefined;
      checkpointing = false;
      if (error !== null) return fail(error, []);
      settle();
      schedule();
    });
  }

  function publish(mark: unknown, outcomes: Outcome[]): void {
    hooks.durable(mark);
    for (const { answer } of outcomes) answer();
  }

  function fail(cause: Error, outcomes: Outcome[]): void {
    broken = new Error('The disk failed: the store must be opened again', { cause });
    for (const { reject } of [...outcomes, ...waiting, ...queue]) reject(broken);
    waiting = [];
    queue = [];
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
    write<T>(work: WriteSteps<T>): Promise<T> {
      if (closed || broken !== undefined) return Promise.reject(broken ?? isClosed());
      return new Promise<T>((resolve, reject) => {
        queue.push({ work, resolve: resolve as (value: unknown) => void, reject });
        schedule();
      });
    },
    settled() {
      if (closed || broken !== undefined) return Promise.reject(broken ?? isClosed());
      // A checkpoint changes nothing that is not on the disk already.
      const last = waiting.length > 0 ? waiting : syncing?.length === 0 ? undefined : syncing;
      return last === undefined ? undefined : new Promise((answer, reject) => last.push({ answer, reject }));
    },
    async close() {
      closed = true;
      while (broken === undefined && (queue.length > 0 || syncing !== undefined || waiting.length > 0))
        await new Promise(setImmediate);
    },
  };
}

const isClosed = () => new Error('The store is closed');
const nothing = () => undefined;
/** A turn waits for the disk even if it finished no work: readers may have seen what it committed. */
const committed: Outcome = { answer: nothing, reject: nothing };

/** Runs steps until the work is done (what to answer after the commit) or the time is up (undefined). */
function advance({ work, resolve, reject }: Pending, end: number): Outcome | undefined {
  try {
    for (;;) {
      const step = work.next();
      if (step.done) return { answer: () => resolve(step.value), reject };
      if (performance.now() >= end) return undefined;
    }
  } catch (error) {
    if (isSqliteError(error)) throw error;
    return { answer: () => reject(error), reject };
  }
}
