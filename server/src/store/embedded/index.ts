import type { Document } from 'mongodb';
import type { ChangeStream, Collection } from '../port.ts';
import type { Promotion } from './bson.ts';
import { catalog } from './catalog.ts';
import { watch } from './change-stream.ts';
import { collection } from './collection.ts';
import type { Engine } from './engine.ts';
import { openFile } from './file.ts';
import { journal, type JournalLimits } from './journal.ts';
import { reader } from './reader.ts';
import { rows } from './rows.ts';
import { statements } from './sqlite.ts';
import { sweep } from './ttl.ts';
import { createGroupCommit } from './group-commit.ts';

export interface EmbeddedOptions extends Promotion {
  /** Name of the database in events and errors. Default `rollcall`. */
  name?: string;
  /** The clock of `$currentDate`, TTL and the journal, in milliseconds. Default `Date.now`. */
  now?: () => number;
  /** How far back `watch` can resume. */
  journal?: JournalLimits;
  /** Time between two sweeps of TTL indexes in milliseconds. Default one minute. */
  sweepMs?: number;
  /** Largest size of the file in SQLite pages of 4 KiB. A write beyond it fails as on a full disk. Default unlimited. */
  maxPages?: number;
  /** Opens a file that has lost something acknowledged, as far as what is left can be used. Default false: it is refused. */
  acceptLoss?: boolean;
}

/** The part of the driver's `Db` that the embedded store has. */
export interface EmbeddedDb {
  readonly databaseName: string;
  collection<T extends Document = Document>(name: string): Collection<T>;
  watch(pipeline?: Document[], options?: Document): ChangeStream;
}

export interface EmbeddedStore {
  db: EmbeddedDb;
  /** Removes expired documents now instead of at the next sweep. */
  sweep(): Promise<void>;
  /** Finishes queued writes and closes the file. Open streams end. */
  close(): Promise<void>;
}

/**
 * Opens the embedded store in a file, made if it is not there, or in memory (':memory:').
 *
 * Every write that resolves is on disk. Only one process can have the file open; a second one is refused.
 */
export async function openEmbedded(path: string, options: EmbeddedOptions = {}): Promise<EmbeddedStore> {
  const {
    name = 'rollcall',
    now = Date.now,
    sweepMs = 60_000,
    maxPages,
    acceptLoss,
    journal: limits = {},
    ...promotion
  } = options;
  const { sqlite, disk, close: closeFile } = await openFile(path, maxPages, acceptLoss);
  const sql = statements(sqlite);
  const entries = catalog(sqlite, sql);
  const log = journal(sqlite, sql, now, limits);
  const listeners = new Set<() => void>();
  const engine: Engine = {
    database: name,
    promotion,
    now,
    sql,
    catalog: entries,
    journal: log,
    rows: rows({ sql, catalog: entries, journal: log, database: name }),
    reader: reader(sql),
    turns: createGroupCommit(
      sqlite,
      {
        beforeCommit: () => log.prune(),
        mark: () => log.mark(),
        durable(mark) {
          log.durable(mark);
          for (const listener of listeners) listener();
        },
        rolledBack() {
          entries.reload();
          log.rolledBack();
        },
      },
      disk,
    ),
    onCommit(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const streams = new Set<ChangeStream>();
  // A sweep that fails (a full disk) leaves its work to the next one.
  const timer = setInterval(() => void sweep(engine).catch(() => undefined), sweepMs).unref();
  return {
    db: {
      databaseName: name,
      collection: (collectionName) => collection(engine, collectionName),
      watch(pipeline = [], streamOptions = {}) {
        const stream = watch(engine, pipeline, streamOptions);
        streams.add(stream);
        return stream;
      },
    },
    sweep: () => sweep(engine),
    async close() {
      clearInterval(timer);
      for (const stream of streams) await stream.close();
      await engine.turns.close();
      closeFile();
    },
  };
}
