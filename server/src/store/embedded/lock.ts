import { makePrivate } from './private-file.ts';
import { isSqliteError, openSqlite } from './sqlite.ts';

/**
 * Takes a data file for this process alone, until the returned function is called or the process ends, however it ends.
 *
 * The lock is SQLite's own on an empty file beside the data. The data file has one as well, but POSIX drops a process's locks
 * on a file as soon as it closes any descriptor of that file: a copy made for a backup would set it free without a sign.
 */
export async function takeLock(path: string): Promise<() => void> {
  makePrivate(`${path}-lock`);
  const lock = await openSqlite(`${path}-lock`);
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (isBusy(error)) throw new Error(`${path} is in use by another process`, { cause: error });
    throw error;
  }
  return () => lock.close();
}

function isBusy(error: unknown): boolean {
  return isSqliteError(error) && /locked|busy/.test(String(error));
}
