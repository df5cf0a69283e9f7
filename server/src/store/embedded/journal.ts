import { randomBytes } from 'node:crypto';
import { Timestamp, type Document } from 'mongodb';
import { encode, promote, type Promotion } from './bson.ts';
import { serverError } from './errors.ts';
import type { Sqlite, Statement } from './sqlite.ts';

export const journalOperations = ['insert', 'replace', 'update', 'delete'] as const;
export type JournalOperation = (typeof journalOperations)[number];

/** How much of the past the journal keeps: whatever of the three is less. */
export interface JournalLimits {
  /** Number of events. Default 100,000. */
  events?: number;
  /** Age in milliseconds. Default 10 minutes. */
  ageMs?: number;
  /** Bytes of stored events. Default 256 MiB. */
  bytes?: number;
}

export interface JournalRow {
  seq: number;
  at: number;
  collection: number;
  operation: number;
  key: Uint8Array;
  body: Uint8Array | null;
}

/** The changes in commit order, in the same file and transactions as the documents. */
export interface Journal {
  append(collection: number, operation: JournalOperation, key: Uint8Array, body: Uint8Array | null): void;
  /** Number of the newest committed event; 0 if there never was one. */
  last(): number;
  /** Events after `seq`, oldest first. Fails with 286 if some of them are gone. */
  after(seq: number, limit: number): JournalRow[];
  /** The position before the first event at or after a cluster time. */
  before(time: Timestamp): number;
  token(seq: number): { _data: string };
  position(token: unknown): number;
  /** Removes what is over the limits, some of it at a time; to be called in a turn. */
  prune(): void;
  /** How far the journal goes now. */
  mark(): unknown;
  /** What was appended up to a mark may be read from now on. */
  durable(mark: unknown): void;
  /** Forgets what was not committed. */
  rolledBack(): void;
}

/** `first` is the oldest event kept, `last` the newest; `size` counts the bytes between. */
interface Extent {
  first: number;
  last: number;
  at: number;
  size: number;
}

export function clusterTime({ at, seq }: Pick<JournalRow, 'at' | 'seq'>): Timestamp {
  return new Timestamp({ t: Math.floor(at / 1000), i: seq % 0x7fffffff });
}

const historyLost = () =>
  serverError(286, 'Resume of change stream was not possible, as the resume point may no longer be in the journal');
const foreignToken = () => serverError(260, 'the resume token is not one of this store');
const hexToken = /^[0-9a-f]{32}$/;

export function journal(sqlite: Sqlite, sql: (text: string) => Statement, now: () => number, limits: JournalLimits): Journal {
  const { events = 100_000, ageMs = 600_000, bytes = 256 * 1024 * 1024 } = limits;
  const insert = sql('INSERT INTO journal (seq, at, collection, operation, key, body) VALUES (?, ?, ?, ?, ?, ?)');
  const select = sql(
    'SELECT seq, at, collection, operation, key, body FROM journal WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?',
  );
  const id = storeId(sqlite);
  let state = read();
  let durable = state;
  let nextAgeCheck = 0;

  function read(): Extent {
    const query =
      'SELECT min(seq) AS first, max(seq) AS last, max(at) AS at, total(length(key) + ifnull(length(body), 0)) AS size FROM journal';
    const row = sqlite.prepare(query).get() as { first: number | null; last: number | null; at: number | null; size: number };
    const pruned = sqlite.prepare("SELECT value FROM facts WHERE name = 'pruned'").get() as { value: Uint8Array } | undefined;
    const before = pruned === undefined ? 0 : Number(Buffer.from(pruned.value).toString());
    return { first: row.first ?? before + 1, last: row.last ?? before, at: row.at ?? 0, size: row.size };
  }

  /** Number of the newest event that is older than a time; 0 if there is none among the oldest. */
  function newestBefore(time: number): number {
    const row = sql('SELECT max(seq) AS seq FROM (SELECT seq, at FROM journal ORDER BY seq LIMIT ?) WHERE at < ?').get(
      maxAtOnce,
      time,
    );
    return (row as { seq: number | null }).seq ?? 0;
  }

  /** Forgets events up to a number. */
  function remove(upTo: number): void {
    if (upTo < state.first) return;
    const sum = sql('SELECT ifnull(sum(length(key) + ifnull(length(body), 0)), 0) AS size FROM journal WHERE seq <= ?').get(upTo);
    sql('DELETE FROM journal WHERE seq <= ?').run(upTo);
    state = { ...state, first: upTo + 1, size: state.size - (sum as { size: number }).size };
    // An empty journal cannot tell by its rows how far it went.
    if (state.first <= state.last) return;
    sql("INSERT OR REPLACE INTO facts (name, value) VALUES ('pruned', ?)").run(Buffer.from(String(upTo)));
  }

  return {
    append(collection, operation, key, body) {
      const at = Math.max(now(), state.at);
      const seq = state.last + 1;
      insert.run(seq, at, collection, journalOperations.indexOf(operation), key, body);
      state = { ...state, last: seq, at, size: state.size + key.length + (body?.length ?? 0) };
    },
    last: () => durable.last,
    after(seq, limit) {
      if (seq + 1 < durable.first || seq > durable.last) throw historyLost();
      return select.all(seq, durable.last, limit) as JournalRow[];
    },
    before(time) {
      const next = sqlite.prepare('SELECT min(seq) AS seq FROM journal WHERE at >= ?').get(time.getHighBits() * 1000) as {
        seq: number | null;
      };
      const seq = next.seq ?? durable.last + 1;
      if (seq === durable.first && seq > 1) throw historyLost();
      return Math.min(seq - 1, durable.last);
    },
    token: (seq) => ({ _data: seq.toString(16).padStart(16, '0') + id }),
    position(token) {
      const data = typeof token === 'object' && token !== null && '_data' in token ? token._data : undefined;
      if (typeof data !== 'string' || !hexToken.test(data)) throw foreignToken();
      if (data.slice(16) !== id) throw historyLost();
      return Number.parseInt(data.slice(0, 16), 16);
    },
    prune() {
      const kept = state.last - state.first + 1;
      const time = now();
      const tooMany = kept - events >= slack || state.size > bytes;
      if (!tooMany && time < nextAgeCheck) return;
      if (time >= nextAgeCheck) nextAgeCheck = time + ageCheckMs;
      const upTo = Math.max(state.last - events, newestBefore(time - ageMs), state.size > bytes ? state.first + slack : 0);
      remove(Math.min(upTo, state.last, state.first + maxAtOnce));
    },
    mark: () => state,
    durable(mark) {
      durable = mark as Extent;
    },
    rolledBack() {
      state = read();
    },
  };
}

/** So many events over the limit are removed together. */
const slack = 128;
const maxAtOnce = 1000;
const ageCheckMs = 1000;

/** A random name of this store, part of its tokens, so that another store's token is never taken for one of ours. */
function storeId(sqlite: Sqlite): string {
  const fresh = randomBytes(8);
  sqlite.prepare("INSERT OR IGNORE INTO facts (name, value) VALUES ('store', ?)").run(fresh);
  const { value } = sqlite.prepare("SELECT value FROM facts WHERE name = 'store'").get() as { value: Uint8Array };
  return Buffer.from(value).toString('hex');
}

/** The driver's change event for one row of the journal. */
export function changeEvent(
  row: JournalRow,
  token: { _data: string },
  database: string,
  collection: string,
  promotion: Promotion,
): Document {
  const operationType = journalOperations[row.operation] as JournalOperation;
  const whole = operationType === 'insert' || operationType === 'replace';
  const body = row.body === null ? undefined : promote(row.body, promotion);
  return {
    _id: token,
    operationType,
    clusterTime: clusterTime(row),
    wallTime: new Date(row.at),
    ...(whole ? { fullDocument: body } : {}),
    ns: { db: database, coll: collection },
    documentKey: promote(row.key, promotion),
    ...(operationType === 'update' ? { updateDescription: body } : {}),
  };
}

/** The stored form of an event's document key. */
export function keyBytes(id: unknown): Uint8Array {
  return encode({ _id: id });
}
