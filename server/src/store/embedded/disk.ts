import { closeSync, fdatasync, fstatSync, openSync } from 'node:fs';
import { createLogEnd } from './log-walk.ts';
import { openMark } from './mark.ts';
import type { Sqlite } from './sqlite.ts';

/** Brings something to the disk without keeping the event loop. */
export type Sync = (done: (error: Error | null) => void) => void;

/**
 * The order in which a data file in WAL mode reaches the disk, with SQLite's own syncs switched off.
 *
 * SQLite syncs on the thread that calls it; a slow disk would stop the event loop. What its documentation demands is kept by
 * the caller: a commit counts when `syncLog` is done; `checkpoint` is called only when all of the log is on the disk; and
 * nothing is written after it, so the log does not begin anew, until `syncData` is done.
 */
export interface Disk {
  syncLog: Sync;
  /** Whether the log is long enough for a checkpoint. */
  due(): boolean;
  /** Brings everything into the data file and to the disk, at once; what is left to do is to close it. */
  finish(): void;
  /** Writes the log's pages into the data file, as far as the operating system's memory. */
  checkpoint(): void;
  syncData: Sync;
  close(): void;
}

/** A checkpoint is due after so many changed rows, each of which is about a page of the log, or so many bytes of its growth. */
const maxChanges = 4000;
const maxBytes = 4 * 1024 * 1024;

export function disk(sqlite: Sqlite, path: string): Disk {
  const mark = openMark(path);
  const log = openSync(`${path}-wal`, 'r+');
  const data = openSync(path, 'r+');
  const changes = sqlite.prepare('SELECT total_changes() AS count');
  const extent = () => ({ changes: (changes.get() as { count: number }).count, bytes: fstatSync(log).size });
  let start = extent();
  const logEnd = createLogEnd(log);
  let acknowledged = logEnd();
  let isCheckpointed = false;
  const note = (isCheckpointed: boolean): void => {
    if (acknowledged !== undefined) mark.write({ ...acknowledged, isCheckpointed });
  };
  const passive = sqlite.prepare('PRAGMA wal_checkpoint(PASSIVE)');
  /** Writes the log into the data file; false if not all of it. */
  const checkpointed = (): boolean => {
    const { log: pages, checkpointed: written } = passive.get() as { log: number; checkpointed: number };
    return pages === written;
  };
  return {
    syncLog(done) {
      const end = logEnd();
      fdatasync(log, (error) => {
        if (error === null) {
          acknowledged = end;
          note(false);
        }
        done(error);
      });
    },
    syncData(done) {
      fdatasync(data, (error) => {
        if (error === null && isCheckpointed) note(true);
        done(error);
      });
    },
    due() {
      const now = extent();
      return now.changes - start.changes > maxChanges || now.bytes - start.bytes > maxBytes;
    },
    checkpoint() {
      isCheckpointed = false;
      isCheckpointed = checkpointed();
      start = extent();
    },
    finish() {
      sqlite.exec('PRAGMA synchronous = FULL');
      // Without the mark a process that ends before the next step would seem to have lost its log.
      if (checkpointed()) note(true);
    },
    close() {
      mark.write({ salts: '', bytes: 0, isCheckpointed: true });
      mark.close();
      closeSync(log);
      closeSync(data);
    },
  };
}
