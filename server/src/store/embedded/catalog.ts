import type { Document } from 'mongodb';
import { compileStoredFilter } from './evaluate.ts';
import { encode, promote } from './bson.ts';
import type { KeyPart } from './index-keys.ts';
import type { Sqlite, Statement } from './sqlite.ts';

/** What an index is, as `createIndex` got it. */
export interface IndexDefinition {
  name: string;
  key: Record<string, 1 | -1>;
  unique?: boolean;
  sparse?: boolean;
  partialFilterExpression?: Document;
  expireAfterSeconds?: number;
}

export interface Index extends IndexDefinition {
  readonly id: number;
  readonly parts: readonly KeyPart[];
  /** The top-level fields that decide about a document's entries. */
  readonly roots: readonly string[];
  /** Whether a document belongs into the index at all (`partialFilterExpression`). */
  readonly covers: (document: Document) => boolean;
  /** Set for ever once a document had more than one entry: such an index gives no order and only one bound of a range. */
  multikey: boolean;
  /** False while the entries of older documents are still being made. */
  ready: boolean;
}

export interface Stored {
  readonly id: number;
  readonly name: string;
  readonly indexes: Index[];
  /** Row number of the next inserted document: rows in order of insertion, as a scan returns them. */
  nextRow: number;
}

/** The collections and indexes that the file holds, kept in memory. All changes belong into a turn's transaction. */
export interface Catalog {
  find(name: string): Stored | undefined;
  findById(id: number): Stored | undefined;
  create(name: string): Stored;
  addIndex(stored: Stored, definition: IndexDefinition, ready: boolean): Index;
  markReady(index: Index): void;
  markMultikey(index: Index): void;
  dropIndex(stored: Stored, index: Index): void;
  /** Reads everything again: after a rollback. */
  reload(): void;
  all(): Iterable<Stored>;
}

export function catalog(sqlite: Sqlite, sql: (text: string) => Statement): Catalog {
  const byName = new Map<string, Stored>();
  const byId = new Map<number, Stored>();

  function keep(stored: Stored): Stored {
    byName.set(stored.name, stored);
    byId.set(stored.id, stored);
    return stored;
  }

  function reload(): void {
    // Work that goes on over several turns holds on to these objects: they are brought up to date, not replaced.
    const known = new Map(byId);
    byName.clear();
    byId.clear();
    const rows = sqlite.prepare('SELECT id, name FROM collections').all() as { id: number; name: string }[];
    for (const { id, name } of rows) {
      const stored = keep(known.get(id) ?? { id, name, indexes: [], nextRow: 0 });
      stored.indexes.length = 0;
      stored.nextRow = lastRow(sqlite, id) + 1;
    }
    const found = sqlite.prepare('SELECT id, collection, definition, multikey, ready FROM indexes ORDER BY id').all();
    for (const row of found as IndexRow[]) byId.get(row.collection)?.indexes.push(loaded(row));
  }

  function addIndex(stored: Stored, definition: IndexDefinition, ready: boolean): Index {
    const { lastInsertRowid } = sql(
      'INSERT INTO indexes (collection, name, definition, multikey, ready) VALUES (?, ?, ?, 0, ?)',
    ).run(stored.id, definition.name, encode(definition), Number(ready));
    const id = Number(lastInsertRowid);
    sqlite.exec(`CREATE TABLE x${id} (k BLOB NOT NULL, r INTEGER NOT NULL, PRIMARY KEY (k, r)) WITHOUT ROWID`);
    const index = built(id, definition, false, ready);
    stored.indexes.push(index);
    return index;
  }

  /** An index whose building was interrupted is as if it had never been asked for. */
  function dropUnfinished(): void {
    for (const stored of byId.values()) {
      for (const index of stored.indexes.filter(({ ready }) => !ready)) dropIndex(stored, index);
    }
  }

  function dropIndex(stored: Stored, index: Index): void {
    sql('DELETE FROM indexes WHERE id = ?').run(index.id);
    sqlite.exec(`DROP TABLE x${index.id}`);
    stored.indexes.splice(stored.indexes.indexOf(index), 1);
  }

  reload();
  dropUnfinished();
  return {
    find: (name) => byName.get(name),
    findById: (id) => byId.get(id),
    all: () => byName.values(),
    reload,
    addIndex,
    create(name) {
      const { lastInsertRowid } = sql('INSERT INTO collections (name) VALUES (?)').run(name);
      const id = Number(lastInsertRowid);
      sqlite.exec(`CREATE TABLE c${id} (r INTEGER PRIMARY KEY, d BLOB NOT NULL)`);
      const stored = keep({ id, name, indexes: [], nextRow: 1 });
      addIndex(stored, { name: '_id_', key: { _id: 1 }, unique: true }, true);
      return stored;
    },
    markReady(index) {
      sql('UPDATE indexes SET ready = 1 WHERE id = ?').run(index.id);
      index.ready = true;
    },
    markMultikey(index) {
      sql('UPDATE indexes SET multikey = 1 WHERE id = ?').run(index.id);
      index.multikey = true;
    },
    dropIndex,
  };
}

interface IndexRow {
  id: number;
  collection: number;
  definition: Uint8Array;
  multikey: number;
  ready: number;
}

function loaded({ id, definition, multikey, ready }: IndexRow): Index {
  return built(id, promote(definition, {}) as IndexDefinition, multikey === 1, ready === 1);
}

function built(id: number, definition: IndexDefinition, multikey: boolean, ready: boolean): Index {
  const parts = Object.entries(definition.key).map(([path, direction]): KeyPart => [path, Number(direction) < 0 ? -1 : 1]);
  const roots = rootsOf([...parts.map(([path]) => path), ...pathsIn(definition.partialFilterExpression ?? {})]);
  return { ...definition, id, parts, roots, covers: covering(definition.partialFilterExpression), multikey, ready };
}

function rootsOf(paths: string[]): string[] {
  return [...new Set(paths.map((path) => path.split('.', 1)[0] as string))];
}

/** Paths of a partial index's expression, which has no operators over documents but `$and`. */
function pathsIn(expression: Document): string[] {
  return Object.entries(expression).flatMap(([path, condition]) =>
    path === '$and' ? (condition as Document[]).flatMap(pathsIn) : [path],
  );
}

function covering(expression: Document | undefined): (document: Document) => boolean {
  if (expression === undefined) return () => true;
  const match = compileStoredFilter(expression);
  return (document) => Boolean(match(document));
}

function lastRow(sqlite: Sqlite, collection: number): number {
  const row = sqlite.prepare(`SELECT max(r) AS last FROM c${collection}`).get() as { last: number | null };
  return row.last ?? 0;
}
