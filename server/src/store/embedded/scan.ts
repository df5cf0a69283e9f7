import type { Range } from './bounds.ts';
import type { Index, Stored } from './catalog.ts';
import type { AccessPath } from './plan.ts';
import type { RowData } from './rows.ts';
import type { Cell, Statement } from './sqlite.ts';

/**
 * Rows one at a time. Where undefined comes in between, the reader may pause: rows that come after it are read after it.
 * Rows up to the next undefined are as they were when the pause ended.
 */
export type RowStream = Generator<RowData | undefined, void>;

type IndexAccess = Extract<AccessPath, { kind: 'index' }>;

/** Bytes and rows read from the file between two possible pauses. */
const batchBytes = 256 * 1024;
const firstBatch = 4;
const largestBatch = 256;

interface Batch {
  rows: number;
}

/** The candidates of an access, each once. */
export function* candidates(sql: (text: string) => Statement, stored: Stored, access: AccessPath): RowStream {
  if (access.kind === 'scan') {
    yield* table(sql, stored);
  } else if (access.kind === 'index' && access.ranges.length === 1 && !access.index.multikey) {
    yield* rangeOf(sql, stored, access, access.ranges[0] as Range);
  } else {
    const seen = new Set<number>();
    for (const row of repeated(sql, stored, access)) {
      if (row !== undefined && seen.has(row.r)) continue;
      if (row !== undefined) seen.add(row.r);
      yield row;
    }
  }
}

function* repeated(sql: (text: string) => Statement, stored: Stored, access: AccessPath): RowStream {
  if (access.kind === 'scan') yield* table(sql, stored);
  else if (access.kind === 'index') for (const part of access.ranges) yield* rangeOf(sql, stored, access, part);
  else for (const branch of access.branches) yield* repeated(sql, stored, branch);
}

function rangeOf(
  sql: (text: string) => Statement,
  stored: Stored,
  { index, reverse, single }: IndexAccess,
  part: Range,
): RowStream {
  return single ? key(sql, stored, index, part.from) : range(sql, stored, index, part, reverse);
}

function* key(sql: (text: string) => Statement, stored: Stored, index: Index, k: Uint8Array): RowStream {
  const join = `SELECT c.r AS r, c.d AS d FROM x${index.id} AS x CROSS JOIN c${stored.id} AS c ON c.r = x.r`;
  const row = sql(`${join} WHERE x.k = ?`).get(k) as RowData | undefined;
  if (row !== undefined) yield row;
}

function* table(sql: (text: string) => Statement, stored: Stored): RowStream {
  const select = sql(`SELECT r, d FROM c${stored.id} WHERE r > ? ORDER BY r LIMIT ?`);
  const size = { rows: firstBatch };
  for (let last = 0; ;) {
    const batch = select.all(last, size.rows) as RowData[];
    yield* batch;
    if (batch.length < size.rows) return;
    last = (batch[batch.length - 1] as RowData).r;
    grow(size, batch);
    yield undefined;
  }
}

function* range(
  sql: (text: string) => Statement,
  stored: Stored,
  index: Index,
  { from, to }: Range,
  reverse: boolean,
): RowStream {
  const join = `SELECT x.k AS k, x.r AS r, c.d AS d FROM x${index.id} AS x CROSS JOIN c${stored.id} AS c ON c.r = x.r`;
  const start = reverse ? 'x.k >= ?' : to === undefined ? 'x.k >= ?' : 'x.k >= ? AND x.k < ?';
  const order = reverse ? 'ORDER BY x.k DESC, x.r DESC LIMIT ?' : 'ORDER BY x.k, x.r LIMIT ?';
  const size = { rows: firstBatch };
  const end: Cell[] = to === undefined ? [] : [to];
  const untilEnd = reverse && to !== undefined ? `${start} AND x.k < ?` : start;
  let batch = sql(`${join} WHERE ${untilEnd} ${order}`).all(from, ...end, size.rows) as (RowData & { k: Uint8Array })[];
  for (;;) {
    yield* batch;
    if (batch.length < size.rows) return;
    const last = batch[batch.length - 1] as RowData & { k: Uint8Array };
    grow(size, batch);
    yield undefined;
    batch = (
      reverse
        ? sql(`${join} WHERE x.k >= ? AND (x.k, x.r) < (?, ?) ${order}`).all(from, last.k, last.r, size.rows)
        : to === undefined
          ? sql(`${join} WHERE (x.k, x.r) > (?, ?) ${order}`).all(last.k, last.r, size.rows)
          : sql(`${join} WHERE (x.k, x.r) > (?, ?) AND x.k < ? ${order}`).all(last.k, last.r, to, size.rows)
    ) as (RowData & { k: Uint8Array })[];
  }
}

/** Doubles a batch up to what may be read at once without a pause. */
function grow(size: Batch, batch: RowData[]): void {
  const bytes = batch.reduce((sum, { d }) => sum + d.length, 0) / batch.length;
  size.rows = Math.max(1, Math.min(size.rows * 4, largestBatch, Math.floor(batchBytes / bytes)));
}
