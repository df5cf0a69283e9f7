import type { World } from './world.ts';
import type { Guarded } from '@rollcall/server/internal/domain/documents/metadata';

/** One write in the log of the set. */
export interface LogEntry {
  /** Its place among all entries; places are not used twice. */
  readonly index: number;
  readonly high: number;
  readonly low: number;
  readonly at: number;
  readonly collection: string;
  readonly type: 'insert' | 'replace' | 'delete';
  readonly id: string;
  readonly document: Guarded | null;
  committedAt: number | null;
}

/** What a write came to, for a driver that sends it again after an election. */
export type WriteResult = { readonly matched: number; readonly entry: LogEntry | null };

/** An error as the driver throws it. */
export const driverError = (name: string, code?: number): Error =>
  Object.assign(new Error(name), { name, ...(code !== undefined && { code }) });
const stepDown = (): Error => driverError('MongoServerError', 189);
export const networkError = (): Error => driverError('MongoNetworkError');
const duplicateKey = (): Error => driverError('MongoServerError', 11000);
export const historyLost = (): Error => driverError('MongoServerError', 286);

/** How a filter finds its document: by the address, and under which condition. */
export interface Condition {
  readonly address: string;
  readonly rev?: number;
  readonly unwritten?: boolean;
}

type Waiter = { readonly through: number; readonly done: () => void; readonly failed: (error: Error) => void };

/**
 * A replica set: one log, of which a growing part is committed. An election takes back an uncommitted end of it, or commits
 * it, while its writers learn neither. Simplified: one primary at a time writes to the log; a second, cut-off one accepts
 * writes that never come to anything, and shows the state as it was committed when it was cut off.
 */
export interface ReplicaSet {
  /** Is there a primary? */
  readonly up: boolean;
  readonly log: readonly LogEntry[];
  /** Number of committed entries. */
  readonly committed: number;
  /** Number of entries that majority reads see: after an election fewer, until the new primary has committed something of its own. */
  readonly readable: number;
  /** True time until which majority reads saw less than was committed. */
  readonly behindUntil: number;
  /** Entries before this one can no longer be resumed from. */
  readonly oldest: number;
  write(collection: string, condition: Condition, document: Guarded | null, upsert: boolean): WriteResult;
  insert(collection: string, document: Guarded): WriteResult;
  remove(collection: string, id: string): WriteResult;
  /** The state that the first `through` committed entries make. */
  committedDocument(collection: string, address: string, through: number): Guarded | null;
  /** All documents of a collection in that state. */
  committedDocuments(collection: string, through: number): Guarded[];
  latest(collection: string, address: string): Guarded | null;
  all(collection: string): Guarded[];
  /** Resolves when everything that is in the log now is committed; rejects if an election comes before. */
  committal(): Promise<void>;
  survives(entry: LogEntry): boolean;
  onCommit(listener: () => void): void;
  /** No primary for `ms` milliseconds; `keep`: share of the uncommitted end that the next primary has. */
  elect(ms: number, keep: number): void;
  /** Called when there is a primary again. */
  whenUp(run: () => void): void;
  truncate(): void;
}

const BASE_SECONDS = 1_700_000_000;

/** The property that addresses a document of a collection. */
export const addressOf = (collection: string, document: Guarded): string =>
  String(collection === 'devices' ? document['uuid'] : document['_id']);

export const openReplicaSet = (world: World): ReplicaSet => {
  const { random } = world;
  let log: LogEntry[] = [];
  let committed = 0;
  let hidden = 0;
  let behindUntil = Number.NEGATIVE_INFINITY;
  let issued = 0;
  let oldest = 0;
  let up = true;
  let committing = false;
  let low = 0;
  let high = 0;
  let waiters: Waiter[] = [];
  let returns: (() => void)[] = [];
  const listeners: (() => void)[] = [];
  /** Versions of each document, in log order; null is deleted. */
  const versions = new Map<string, LogEntry[]>();

  const keyOf = (collection: string, address: string): string => `${collection}/${address}`;
  const latest = (collection: string, address: string): Guarded | null =>
    versions.get(keyOf(collection, address))?.at(-1)?.document ?? null;

  const commitNext = (): void => {
    if (committing || !up || committed >= log.length) return;
    committing = true;
    const through = random.whole(committed + 1, log.length);
    const term = issued;
    void term;
    world.after(random.between(0.5, random.chance(0.05) ? 300 : 8), () => {
      committing = false;
      if (!up) return;
      if (hidden > 0) behindUntil = world.time;
      hidden = 0;
      for (; committed < Math.min(through, log.length); committed += 1) log[committed]!.committedAt = world.time;
      for (const listener of listeners) listener();
      const done = waiters.filter((waiter) => waiter.through <= committed);
      waiters = waiters.filter((waiter) => waiter.through > committed);
      for (const waiter of done) waiter.done();
      commitNext();
    });
  };

  const append = (
    collection: string,
    type: LogEntry['type'],
    address: string,
    id: string,
    document: Guarded | null,
  ): WriteResult => {
    const seconds = BASE_SECONDS + Math.floor(world.time / 1000);
    low = seconds > high ? 1 : low + 1;
    high = Math.max(high, seconds);
    const entry: LogEntry = { index: issued, high, low, at: world.time, collection, type, id, document, committedAt: null };
    issued += 1;
    log.push(entry);
    const key = keyOf(collection, address);
    const list = versions.get(key);
    if (list) list.push(entry);
    else versions.set(key, [entry]);
    commitNext();
    return { matched: 1, entry };
  };

  /** The version of a document in the state that the first `through` committed entries make. */
  const versionAt = (list: readonly LogEntry[], through: number): Guarded | null => {
    const last = log[Math.min(through, committed) - 1];
    return list.findLast(({ index }) => last !== undefined && index <= last.index)?.document ?? null;
  };

  const fits = (document: Guarded, { rev, unwritten }: Condition): boolean =>
    (rev === undefined || (document._rollcall?.rev ?? 0) === rev) && (!unwritten || document._rollcall === undefined);

  return {
    get up() {
      return up;
    },
    get log() {
      return log;
    },
    get committed() {
      return committed;
    },
    get readable() {
      return Math.max(0, committed - hidden);
    },
    get behindUntil() {
      return hidden > 0 ? Number.POSITIVE_INFINITY : behindUntil;
    },
    get oldest() {
      return oldest;
    },
    write(collection, condition, document, upsert) {
      const before = latest(collection, condition.address);
      if (before === null)
        return upsert
          ? append(collection, 'insert', condition.address, String(document!._id), document)
          : { matched: 0, entry: null };
      if (!fits(before, condition)) return { matched: 0, entry: null };
      return append(collection, 'replace', condition.address, String(before._id), document);
    },
    insert(collection, document) {
      const address = addressOf(collection, document);
      if (latest(collection, address) !== null) throw duplicateKey();
      return append(collection, 'insert', address, String(document._id), document);
    },
    remove(collection, id) {
      return latest(collection, id) === null ? { matched: 0, entry: null } : append(collection, 'delete', id, id, null);
    },
    committedDocument: (collection, address, through) => versionAt(versions.get(keyOf(collection, address)) ?? [], through),
    committedDocuments: (collection, through) =>
      [...versions.entries()].flatMap(([key, list]) =>
        key.startsWith(`${collection}/`) ? (versionAt(list, through) ?? []) : [],
      ),
    latest,
    all: (collection) =>
      [...versions.entries()].flatMap(([key, list]) =>
        key.startsWith(`${collection}/`) && list.at(-1)?.document ? [list.at(-1)!.document!] : [],
      ),
    committal: () =>
      committed >= log.length
        ? Promise.resolve()
        : new Promise((done, failed) => void waiters.push({ through: log.length, done, failed })),
    survives: (entry) => log.includes(entry),
    onCommit: (listener) => void listeners.push(listener),
    elect(ms, keep) {
      if (!up) return;
      up = false;
      const end = committed + Math.round((log.length - committed) * keep);
      for (const entry of log.slice(end)) {
        for (const list of versions.values()) if (list.at(-1) === entry) list.pop();
      }
      // Of several entries of one document, the later ones go first.
      const gone = new Set(log.slice(end));
      for (const [key, list] of versions)
        versions.set(
          key,
          list.filter((entry) => !gone.has(entry)),
        );
      log = log.slice(0, end);
      const failed = waiters;
      waiters = [];
      for (const waiter of failed) waiter.failed(stepDown());
      world.after(ms, () => {
        up = true;
        hidden = random.whole(0, 6);
        committing = false;
        commitNext();
        const waiting = returns;
        returns = [];
        for (const run of waiting) run();
      });
    },
    whenUp(run) {
      if (up) run();
      else returns.push(run);
    },
    truncate: () => void (oldest = committed),
  };
};
