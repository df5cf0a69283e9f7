import type { DeviceDocument } from '../../domain/documents/device.ts';

/** A document in the order of a query. */
export interface LiveRow {
  readonly id: string;
  readonly place: string;
  readonly document: DeviceDocument;
}

/** One step from a result to the next, as clients are told it. */
export type WindowStep =
  | { readonly type: 'enter'; readonly index: number; readonly document: DeviceDocument }
  | { readonly type: 'change'; readonly index: number; readonly previousIndex: number; readonly document: DeviceDocument }
  | { readonly type: 'leave'; readonly previousIndex: number };

/** Told of every document that is kept or let go, the reserve included. */
export interface Keeping {
  /** Returns the row to keep in its place. */
  keep(row: LiveRow): LiveRow;
  drop(id: string): void;
}

/** The first rows of a query's result, and a reserve of the next ones, kept right by one document at a time. */
export interface Window {
  /** The result: at most `limit` rows. */
  readonly shown: readonly LiveRow[];
  get(id: string): LiveRow | undefined;
  /** Are rows of the result missing that only the store knows? */
  readonly short: boolean;
  /** Takes in how a document stands now; null: it belongs to the result no longer. */
  apply(id: string, row: LiveRow | null): readonly WindowStep[];
  /** Begins anew with these rows, in order; nothing up to `frontier` is missing in them (null: nothing at all). */
  fill(rows: readonly LiveRow[], frontier: string | null): void;
  clear(): void;
}

/** Number of the last change of a document that clients may see. */
export const shownOf = (document: DeviceDocument): number => document._rollcall?.shown ?? 0;

/** Rows kept beyond the limit: enough for as many to leave before the store has to be asked. */
export const reserveOf = (limit: number): number => Math.ceil(limit / 4) + 16;

/** The index of the first of these rows that stands at this place or after it. */
const firstFrom = (rows: readonly LiveRow[], place: string): number => {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rows[middle]!.place < place) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** Opens an empty window, which knows of nothing that is missing. */
export const createWindow = (limit: number, { keep, drop }: Keeping): Window => {
  const reserve = reserveOf(limit);
  const byId = new Map<string, LiveRow>();
  let rows: LiveRow[] = [];
  /** Up to this place nothing is missing; what stands after it is not kept. Null: nothing is missing anywhere. */
  let frontier: string | null = null;

  const put = (row: LiveRow): LiveRow => {
    const kept = keep(row);
    byId.set(row.id, kept);
    return kept;
  };

  const take = (id: string): void => {
    if (byId.delete(id)) drop(id);
  };

  /** What stands far behind the reserve goes. */
  const trim = (): void => {
    if (rows.length <= limit + 2 * reserve) return;
    for (const { id } of rows.splice(limit + reserve)) take(id);
    frontier = rows.at(-1)!.place;
  };

  const isShown = (index: number): boolean => index >= 0 && index < limit;

  /** The steps after one document went from one index to another (-1: nowhere). */
  const stepsOf = (from: number, to: number, changed: boolean): readonly WindowStep[] => {
    if (isShown(from) && isShown(to)) {
      const { document } = rows[to]!;
      return from !== to || changed ? [{ type: 'change', index: to, previousIndex: from, document }] : [];
    }
    if (isShown(from)) {
      const next = rows[limit - 1];
      const left: WindowStep = { type: 'leave', previousIndex: from };
      return next === undefined ? [left] : [left, { type: 'enter', index: limit - 1, document: next.document }];
    }
    if (!isShown(to)) return [];
    const entered: WindowStep = { type: 'enter', index: to, document: rows[to]!.document };
    return rows.length > limit ? [{ type: 'leave', previousIndex: limit - 1 }, entered] : [entered];
  };

  return {
    get shown() {
      return rows.slice(0, limit);
    },
    get: (id) => byId.get(id),
    get short() {
      return frontier !== null && rows.length < limit;
    },
    apply(id, row) {
      const before = byId.get(id);
      const from = before === undefined ? -1 : firstFrom(rows, before.place);
      const kept = row !== null && (frontier === null || row.place <= frontier) ? row : null;
      if (before === undefined && kept === null) return [];
      const changed = before !== undefined && row !== null && shownOf(before.document) !== shownOf(row.document);
      if (before !== undefined) rows.splice(from, 1);
      if (kept === null) {
        take(id);
        return stepsOf(from, -1, changed);
      }
      const to = firstFrom(rows, kept.place);
      rows.splice(to, 0, put(kept));
      const steps = stepsOf(from, to, changed);
      trim();
      return steps;
    },
    fill(given, upTo) {
      const ids = new Set(given.map(({ id }) => id));
      for (const id of [...byId.keys()]) if (!ids.has(id)) take(id);
      rows = given.map(put);
      frontier = upTo;
    },
    clear() {
      for (const id of [...byId.keys()]) take(id);
      rows = [];
    },
  };
};

/** The steps that lead from one result to another. */
export const stepsBetween = (before: readonly LiveRow[], after: readonly LiveRow[]): readonly WindowStep[] => {
  const steps: WindowStep[] = [];
  const remaining = new Set(after.map(({ id }) => id));
  const work = [...before];
  for (let at = work.length - 1; at >= 0; at -= 1) {
    if (remaining.has(work[at]!.id)) continue;
    steps.push({ type: 'leave', previousIndex: at });
    work.splice(at, 1);
  }
  const known = new Set(work.map(({ id }) => id));
  for (const [index, row] of after.entries()) {
    const { id, document } = row;
    if (!known.has(id)) {
      steps.push({ type: 'enter', index, document });
      work.splice(index, 0, row);
      continue;
    }
    const previousIndex = work.findIndex((one, at) => at >= index && one.id === id);
    const changed = shownOf(work[previousIndex]!.document) !== shownOf(document);
    if (previousIndex !== index || changed) steps.push({ type: 'change', index, previousIndex, document });
    work.splice(previousIndex, 1);
    work.splice(index, 0, row);
  }
  return steps;
};
