import type { Document } from 'mongodb';
import { encode, promote } from './bson.ts';
import type { Catalog, Index, Stored } from './catalog.ts';
import { describeUpdate } from './describe-update.ts';
import { duplicateKey } from './errors.ts';
import { entriesOf, type Entries, type Entry, keyTextOf } from './index-keys.ts';
import { keyBytes, type Journal } from './journal.ts';
import { storedEqual } from './stored-equal.ts';
import type { Statement } from './sqlite.ts';

/** One stored document: its row number and its bytes. */
export interface RowData {
  r: number;
  d: Uint8Array;
}

/** Writing documents with everything that hangs on them: index entries and the journal. All calls belong into a turn. */
export interface Rows {
  insert(stored: Stored, bytes: Uint8Array, document: Document): void;
  /** `change` is what the journal gets: the whole document for a replacement, a description for an update. */
  replace(stored: Stored, row: RowData, before: Document, bytes: Uint8Array, after: Document, change: 'replace' | 'update'): void;
  remove(stored: Stored, row: RowData, document: Document): void;
  get(stored: Stored, r: number): RowData | undefined;
  /** Makes the entries of an older document in a new index. */
  index(stored: Stored, index: Index, r: number, document: Document): void;
}

export interface RowParts {
  sql(text: string): Statement;
  catalog: Catalog;
  journal: Journal;
  database: string;
}

export function rows({ sql, catalog, journal, database }: RowParts): Rows {
  /** Entries of a document in one index, as they are or were stored. */
  function entries(index: Index, document: Document): Entries {
    if (!index.covers(document)) return none;
    return entriesOf(document, index.parts, index.sparse === true);
  }

  /** Entries that are about to be stored, checked against those of all other documents. */
  function checked(stored: Stored, index: Index, r: number, document: Document): Entry[] {
    const { list, multikey } = entries(index, document);
    if (index.unique === true) for (const entry of list) refuseHeld(stored, index, r, entry);
    if (multikey && !index.multikey) catalog.markMultikey(index);
    return list;
  }

  function refuseHeld(stored: Stored, index: Index, r: number, { key, values }: Entry): void {
    const held = sql(`SELECT r FROM x${index.id} WHERE k = ? AND r <> ? LIMIT 1`).get(key, r);
    if (held === undefined) return;
    const keyValue = Object.fromEntries(index.parts.map(([path], at) => [path, values[at]]));
    throw duplicateKey(`${database}.${stored.name}`, index.name, index.key, promote(encode(keyValue), {}));
  }

  function add(index: Index, list: Entry[], r: number): void {
    for (const { key } of list) sql(`INSERT OR IGNORE INTO x${index.id} (k, r) VALUES (?, ?)`).run(key, r);
  }

  function drop(index: Index, list: Entry[], r: number): void {
    for (const { key } of list) sql(`DELETE FROM x${index.id} WHERE k = ? AND r = ?`).run(key, r);
  }

  return {
    insert(stored, bytes, document) {
      const r = stored.nextRow;
      const lists = stored.indexes.map((index) => checked(stored, index, r, document));
      sql(`INSERT INTO c${stored.id} (r, d) VALUES (?, ?)`).run(r, bytes);
      stored.nextRow = r + 1;
      stored.indexes.forEach((index, at) => add(index, lists[at] as Entry[], r));
      journal.append(stored.id, 'insert', keyBytes(document['_id']), bytes);
    },
    replace(stored, { r }, before, bytes, after, change) {
      const touched = stored.indexes.filter((index) => !untouched(index, before, after));
      const changes = touched.map((index) => {
        const old = entries(index, before).list;
        const next = checked(stored, index, r, after);
        return { index, gone: without(old, next), added: without(next, old) };
      });
      sql(`UPDATE c${stored.id} SET d = ? WHERE r = ?`).run(bytes, r);
      for (const { index, gone, added } of changes) {
        drop(index, gone, r);
        add(index, added, r);
      }
      const body = change === 'replace' ? bytes : describeUpdate(before, after);
      journal.append(stored.id, change, keyBytes(after['_id']), body);
    },
    remove(stored, { r }, document) {
      for (const index of stored.indexes) drop(index, entries(index, document).list, r);
      sql(`DELETE FROM c${stored.id} WHERE r = ?`).run(r);
      journal.append(stored.id, 'delete', keyBytes(document['_id']), null);
    },
    get: (stored, r) => sql(`SELECT r, d FROM c${stored.id} WHERE r = ?`).get(r) as RowData | undefined,
    index(stored, index, r, document) {
      add(index, checked(stored, index, r, document), r);
    },
  };
}

/** None of the top-level fields that the index looks into has changed, so its entries have not. */
function untouched({ roots }: Index, before: Document, after: Document): boolean {
  return roots.every((root) => storedEqual(before[root], after[root]));
}

const none: Entries = { list: [], multikey: false };

/** Those entries of `list` whose key is not in `other`. Lists are short, or an array's length. */
function without(list: Entry[], other: Entry[]): Entry[] {
  const keys = new Set(other.map(({ key }) => keyTextOf(key)));
  return list.filter(({ key }) => !keys.has(keyTextOf(key)));
}
