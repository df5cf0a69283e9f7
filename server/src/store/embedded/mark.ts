import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { readLog } from './log-walk.ts';
import { makePrivate } from './private-file.ts';

/**
 * How far a data file was acknowledged, in a small file beside it.
 *
 * SQLite takes a log up to its first damaged frame and leaves out the rest in silence, because that is what a power cut leaves of writes
 * that were not acknowledged. The mark is written after each sync of the log, and needs no sync of its own: it is never ahead of the log,
 * and only after a power cut can it be older.
 */
export interface Mark {
  /** The salts of the log; empty after the data file was closed in order. */
  readonly salts: string;
  /** Where the log ends that was acknowledged. */
  readonly bytes: number;
  /** Does the data file hold all of it? */
  readonly isCheckpointed: boolean;
}

/** Thrown when a data file has lost what it once held. */
export class DamagedFileError extends Error {
  override readonly name = 'DamagedFileError';
}

const pathOf = (path: string): string => `${path}-mark`;
/** Length of every mark, so that one write replaces it. */
const textBytes = 64;

/** Opens the mark of a data file for writing. */
export const openMark = (path: string): { write(mark: Mark): void; close(): void } => {
  makePrivate(pathOf(path));
  const file = openSync(pathOf(path), 'r+');
  let last = '';
  return {
    write({ salts, bytes, isCheckpointed }) {
      const text = `${JSON.stringify([salts, bytes, isCheckpointed]).padEnd(textBytes - 1)}\n`;
      if (text !== last) writeSync(file, text, 0);
      last = text;
    },
    close: () => closeSync(file),
  };
};

const readMark = (path: string): Mark | undefined => {
  try {
    const [salts, bytes, isCheckpointed] = JSON.parse(readFileSync(pathOf(path), 'utf8')) as [unknown, unknown, unknown];
    if (typeof salts !== 'string' || typeof bytes !== 'number') return undefined;
    return { salts, bytes, isCheckpointed: isCheckpointed === true };
  } catch {
    return undefined;
  }
};

const sizeOf = (path: string): number => (existsSync(path) ? statSync(path).size : 0);

const use = <T>(path: string, read: (file: number) => T): T => {
  const file = openSync(path, 'r');
  try {
    return read(file);
  } finally {
    closeSync(file);
  }
};

/** Bytes that a data file says it has (SQLite file format, 1.3); 0 if it does not say. */
const announcedBytes = (path: string): number =>
  use(path, (file) => {
    const header = Buffer.alloc(100);
    if (readSync(file, header, 0, 100, 0) < 100 || fstatSync(file).size < 100) return Number.POSITIVE_INFINITY;
    if (header.toString('latin1', 0, 15) !== 'SQLite format 3') return Number.POSITIVE_INFINITY;
    const pageBytes = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
    return header.readUInt32BE(24) === header.readUInt32BE(92) ? header.readUInt32BE(28) * pageBytes : 0;
  });

/** What is missing of a data file and its log; undefined if nothing is. */
const lossIn = (path: string): string | undefined => {
  const mark = readMark(path);
  const log = `${path}-wal`;
  const logBytes = sizeOf(log);
  if (sizeOf(path) === 0) return mark === undefined && logBytes === 0 ? undefined : 'the data file is empty or missing';
  const found = logBytes === 0 ? undefined : use(log, readLog);
  // Pages that the log holds may be missing in the data file.
  if ((found === undefined || found.bytes <= 32) && announcedBytes(path) > sizeOf(path))
    return 'the data file is cut off or damaged';
  if (mark === undefined || mark.salts === '') return undefined;
  if (found === undefined) return mark.isCheckpointed ? undefined : 'the log is empty, missing or damaged';
  return found.salts === mark.salts && found.bytes < mark.bytes ? 'the log is cut off or damaged' : undefined;
};

/**
 * Fails with a `DamagedFileError` if a data file was once written and has lost something since. Called before SQLite opens it, while no other
 * process has it. `acceptLoss`: opens what is left.
 */
export const checkForLoss = (path: string, acceptLoss: boolean): void => {
  const loss = lossIn(path);
  if (loss === undefined) return;
  if (acceptLoss) {
    rmSync(pathOf(path), { force: true });
    return;
  }
  throw new DamagedFileError(
    `${path}: ${loss}. Acknowledged changes are lost. Restore a backup into an empty data folder, or start once with ROLLCALL_ACCEPT_LOSS=true (rollcall serve --accept-loss) to go on with what is left.`,
  );
};
