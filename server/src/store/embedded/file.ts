import { disk, type Disk } from './disk.ts';
import { checkForLoss, DamagedFileError } from './mark.ts';
import { takeLock } from './lock.ts';
import { makePrivate } from './private-file.ts';
import { isSqliteError, openSqlite, type Sqlite } from './sqlite.ts';

/** Format of the file. A file with another number is not opened. */
const formatVersion = 1;

const schema = `
  CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS collections (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
  CREATE TABLE IF NOT EXISTS indexes (
    id INTEGER PRIMARY KEY, collection INTEGER NOT NULL, name TEXT NOT NULL, definition BLOB NOT NULL,
    multikey INTEGER NOT NULL, ready INTEGER NOT NULL, UNIQUE (collection, name));
  CREATE TABLE IF NOT EXISTS journal (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, collection INTEGER NOT NULL, operation INTEGER NOT NULL,
    key BLOB NOT NULL, body BLOB);
`;

/** An open data file. */
export interface DataFile {
  sqlite: Sqlite;
  /** The durability layer; undefined in memory. */
  disk: Disk | undefined;
  /** Closes the file and releases its lock. */
  close(): void;
}

/** Opens the data file, made with mode 0600 (its folder with 0700) if it is not there, and takes it for this process alone. */
export async function openFile(path: string, maxPages: number | undefined, acceptLoss = false): Promise<DataFile> {
  const inMemory = path === ':memory:';
  const unlock = inMemory ? () => undefined : await takeLock(path);
  try {
    if (!inMemory) checkForLoss(path, acceptLoss);
    if (!inMemory) makePrivate(path);
    const sqlite = await openSqlite(path);
    prepare(sqlite, maxPages, acceptLoss);
    if (inMemory) return { sqlite, disk: undefined, close: () => sqlite.close() };
    const files = disk(sqlite, path);
    const close = () => {
      finish(files);
      closeFile(sqlite);
      files.close();
      unlock();
    };
    return { sqlite, disk: files, close };
  } catch (error) {
    unlock();
    throw error;
  }
}

function prepare(sqlite: Sqlite, maxPages: number | undefined, acceptLoss: boolean): void {
  try {
    sqlite.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    sqlite.exec('PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 16777216');
    if (maxPages !== undefined) sqlite.exec(`PRAGMA max_page_count = ${Math.trunc(maxPages)}`);
    prepareFormat(sqlite);
    if (acceptLoss) checkIntegrity(sqlite);
    // From here on `Disk` takes care of what FULL does, and of checkpoints.
    sqlite.exec('PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF');
  } catch (error) {
    sqlite.close();
    throw error;
  }
}

function finish(files: Disk): void {
  try {
    files.finish();
  } catch (error) {
    // A full disk: the log keeps everything.
    if (!isSqliteError(error)) throw error;
  }
}

/**
 * `@photostructure/sqlite` keeps a closed connection, and so its locks, until its statements are collected as garbage; a
 * connection that is neither in WAL nor in exclusive mode has no locks to keep.
 */
function closeFile(sqlite: Sqlite): void {
  try {
    sqlite.exec(
      'PRAGMA synchronous = FULL; PRAGMA journal_mode = DELETE; PRAGMA locking_mode = NORMAL; SELECT count(*) FROM facts',
    );
  } finally {
    sqlite.close();
  }
}

/** Fails if a file that has lost data is inconsistent: its pages may be of different times. */
function checkIntegrity(sqlite: Sqlite): void {
  const [first] = sqlite.prepare('PRAGMA integrity_check(1)').all() as { integrity_check: string }[];
  if (first?.integrity_check !== 'ok')
    throw new DamagedFileError('What is left of the data file cannot be used: restore a backup into an empty data folder.');
}

function prepareFormat(sqlite: Sqlite): void {
  sqlite.exec('BEGIN EXCLUSIVE');
  const found = sqlite.prepare('PRAGMA user_version').get() as { user_version: number };
  if (found.user_version !== 0 && found.user_version !== formatVersion) {
    throw new Error(`the data file has format ${found.user_version}, this program reads ${formatVersion}`);
  }
  sqlite.exec(schema);
  sqlite.exec(`PRAGMA user_version = ${formatVersion}`);
  sqlite.exec('COMMIT');
}
