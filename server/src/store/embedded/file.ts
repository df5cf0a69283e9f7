import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
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

/**
 * Opens the data file, made with mode 0600 (its folder with 0700) if it is not there, and takes it for this process alone.
 *
 * The lock is SQLite's exclusive locking mode on the file itself: it ends with the process, however that ends.
 */
export async function openFile(path: string, maxPages: number | undefined): Promise<Sqlite> {
  if (path !== ':memory:') makePrivate(path);
  const sqlite = await openSqlite(path);
  try {
    sqlite.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    sqlite.exec('PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 16777216');
    if (maxPages !== undefined) sqlite.exec(`PRAGMA max_page_count = ${Math.trunc(maxPages)}`);
    prepareFormat(sqlite);
  } catch (error) {
    sqlite.close();
    if (isSqliteError(error) && /locked|busy/.test(String(error))) throw new Error(`${path} is in use by another process`);
    throw error;
  }
  return sqlite;
}

/**
 * Closes the file and lets go of its lock at once.
 *
 * `@photostructure/sqlite` keeps a closed connection, and so its lock, until its statements are collected as garbage; a
 * connection that is neither in WAL nor in exclusive mode has no lock to keep.
 */
export function closeFile(sqlite: Sqlite): void {
  try {
    sqlite.exec('PRAGMA journal_mode = DELETE; PRAGMA locking_mode = NORMAL; SELECT count(*) FROM facts');
  } finally {
    sqlite.close();
  }
}

function makePrivate(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
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
