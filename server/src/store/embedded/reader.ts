import type { Document } from 'mongodb';
import { compileStoredFilter, type Match } from './evaluate.ts';
import { decode } from './bson.ts';
import type { Range } from './bounds.ts';
import type { Index, Stored } from './catalog.ts';
import { planOf, type SortOrder, type QueryPlan } from './plan.ts';
import type { RowData } from './rows.ts';
import { candidates } from './scan.ts';
import { sorted } from './sort.ts';
import type { Cell, Statement } from './sqlite.ts';

/** Which documents, in which order, and how many. All documents here are of the store's own making. */
export interface Selection {
  filter: Document;
  match: Match;
  order: SortOrder;
  skip: number;
  /** Infinity for all. */
  limit: number;
}

export function selectionOf(filter: Document, order: SortOrder = [], skip = 0, limit = Infinity): Selection {
  return { filter, match: compileStoredFilter(filter), order, skip, limit };
}

/** A row that matches, and its document if it had to be looked at. */
export interface StoredRow {
  row: RowData;
  document: Document | undefined;
}

export interface Reader {
  /** The rows of a selection. At undefined the caller may pause; nothing read before it is relied on after it. */
  select(stored: Stored, selection: Selection): Generator<StoredRow | undefined, void>;
  plan(stored: Stored, selection: Selection): QueryPlan;
}

/** A filter that is nothing but an `_id`: there is at most one document, and MongoDB does not look at the order, not even to refuse it. */
const namesOne = (filter: Document): boolean => {
  const id: unknown = filter['_id'];
  if (id === undefined || Object.keys(filter).length !== 1) return false;
  return typeof id !== 'object' || id === null || !Object.keys(id).some((key) => key.startsWith('$'));
};

export function reader(sql: (text: string) => Statement): Reader {
  function estimate(index: Index, ranges: Range[], most: number): number {
    let rows = 0;
    for (const { from, to } of ranges) {
      const where = to === undefined ? 'k >= ?' : 'k >= ? AND k < ?';
      const ends: Cell[] = to === undefined ? [from] : [from, to];
      const counted = sql(`SELECT count(*) AS n FROM (SELECT 1 FROM x${index.id} WHERE ${where} LIMIT ?)`).get(
        ...ends,
        most - rows,
      );
      rows += (counted as { n: number }).n;
      if (rows >= most) return most;
    }
    return rows;
  }

  function plan(stored: Stored, { filter, order, limit }: Selection): QueryPlan {
    return planOf(stored, filter, order, limit !== Infinity, estimate);
  }

  function* matching(stored: Stored, { match }: Selection, { access, exact }: QueryPlan): Generator<StoredRow | undefined, void> {
    for (const row of candidates(sql, stored, access)) {
      if (row === undefined) {
        yield undefined;
        continue;
      }
      const document = exact ? undefined : decode(row.d);
      if (document === undefined || match(document)) yield { row, document };
    }
  }

  function* ordered(stored: Stored, selection: Selection, chosen: QueryPlan): Generator<StoredRow | undefined, void> {
    const most = selection.skip + selection.limit;
    const rows = matching(stored, selection, chosen);
    for (const row of sorted(rows, selection.order, most)) yield row === undefined ? undefined : { row, document: undefined };
  }

  return {
    plan,
    *select(stored, selection) {
      const chosen = plan(stored, selection);
      const needsSort = selection.order.length > 0 && !chosen.sorted && !namesOne(selection.filter);
      const found = needsSort ? ordered(stored, selection, chosen) : matching(stored, selection, chosen);
      let left = selection.limit;
      let skip = selection.skip;
      for (const one of found) {
        if (one === undefined) {
          yield undefined;
        } else if (skip > 0) {
          skip -= 1;
        } else {
          yield one;
          left -= 1;
          if (left <= 0) return;
        }
      }
    },
  };
}
