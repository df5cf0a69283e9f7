import { getBuiltinModule } from 'node:process';

/** A value that goes into or comes out of SQLite here: keys and documents are bytes, everything else is a whole number. */
export type Cell = number | bigint | string | null | Uint8Array;

export interface Statement {
  run(...cells: Cell[]): { changes: number | bigint; lastInsertRowid: number | bigint };
  get(...cells: Cell[]): unknown;
  all(...cells: Cell[]): unknown[];
}

/** The part of `node:sqlite` that the engine calls. `@photostructure/sqlite` has the same surface. */
export interface Sqlite {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

interface SqliteModule {
  DatabaseSync: new (path: string) => Sqlite;
}

/** Node's own SQLite where it needs no flag (22.13 and later), else the package of the same interface. */
async function load(): Promise<SqliteModule> {
  const builtIn = getBuiltinModule('node:sqlite') as SqliteModule | undefined;
  return builtIn ?? (await import('@photostructure/sqlite'));
}

/** Opens a database file, or a database in memory for ':memory:'. */
export async function openSqlite(path: string): Promise<Sqlite> {
  const { DatabaseSync } = await load();
  return new DatabaseSync(path);
}

/** Statements by their text, prepared once for each database. */
export function statements(sqlite: Sqlite): (sql: string) => Statement {
  const prepared = new Map<string, Statement>();
  return (sql) => {
    let statement = prepared.get(sql);
    if (statement === undefined) prepared.set(sql, (statement = sqlite.prepare(sql)));
    return statement;
  };
}

/** SQLite's own failures (disk full, corruption, a lock), as opposed to what an operation was refused for. */
export function isSqliteError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_SQLITE');
}
