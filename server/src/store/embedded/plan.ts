import type { Document } from 'mongodb';
import { boundsOf, type Bounds, type Range } from './bounds.ts';
import type { Index, Stored } from './catalog.ts';
import { implies } from './filter-implies.ts';
import type { KeyDirection } from './index-keys.ts';
import { isPlain, predicatesOf, type Predicates } from './predicates.ts';

export type SortOrder = readonly (readonly [path: string, direction: KeyDirection])[];

/** Where to look for documents. Everything found is a candidate, each at least once if it matches. */
export type AccessPath =
  | { kind: 'scan' }
  /** `single`: each range is one key of a unique index, so it holds one row at most. */
  | { kind: 'index'; index: Index; ranges: Range[]; reverse: boolean; single: boolean }
  | { kind: 'union'; branches: AccessPath[] };

export interface QueryPlan {
  access: AccessPath;
  /** The access gives the order that was asked for. */
  sorted: boolean;
  /** Every candidate matches the filter. */
  exact: boolean;
}

/** Counts entries of a range, up to `most`. */
export type Estimate = (index: Index, ranges: Range[], most: number) => number;

interface Candidate {
  plan: QueryPlan;
  /** Rows to look at, counted up to `countMost`; 0 if counting was not needed. */
  rows: number;
}

/** Up to this many candidates it is always better to look at them all than to walk an index for its order. */
const countMost = 2000;

/** Chooses the access to a collection for a filter, an order and whether only the first documents are asked for. */
export function planOf(stored: Stored, filter: Document, order: SortOrder, limited: boolean, estimate: Estimate): QueryPlan {
  const predicates = predicatesOf(filter);
  const single = order.length === 0 ? uniqueLookup(stored, predicates) : undefined;
  if (single !== undefined) return single;
  const chosen = narrowest(stored, predicates, order, estimate);
  if (chosen?.plan.sorted === true || order.length === 0) return chosen?.plan ?? scan;
  if (chosen !== undefined && (!limited || chosen.rows < countMost)) return chosen.plan;
  return walkInOrder(stored, predicates, order) ?? chosen?.plan ?? scan;
}

const scan: QueryPlan = { access: { kind: 'scan' }, sorted: false, exact: false };

function uniqueLookup(stored: Stored, predicates: Predicates): QueryPlan | undefined {
  for (const index of stored.indexes) {
    if (index.unique !== true) continue;
    const bounds = usable(index, predicates) ? boundsOf(index, predicates) : undefined;
    if (bounds?.fixed === index.parts.length) return planFor(bounds, predicates, []);
  }
  return undefined;
}

/** The access that leaves the fewest candidates: one index, or one for each branch of an `$or`. */
function narrowest(stored: Stored, predicates: Predicates, order: SortOrder, estimate: Estimate): Candidate | undefined {
  const candidates: QueryPlan[] = [];
  for (const index of stored.indexes) {
    const bounds = usable(index, predicates) ? boundsOf(index, predicates) : undefined;
    if (bounds !== undefined) candidates.push(planFor(bounds, predicates, order));
  }
  for (const branches of predicates.ors) {
    const union = unionOf(stored, branches, estimate);
    if (union !== undefined) candidates.push(union);
  }
  if (candidates.length === 0) return undefined;
  if (candidates.length === 1 && order.length === 0) return { plan: candidates[0] as QueryPlan, rows: 0 };
  const counted = candidates.map((plan) => ({ plan, rows: count(plan.access, estimate) }));
  const fewest = counted.reduce((least, { rows }) => Math.min(least, rows), Infinity);
  const best = counted.filter(({ rows }) => rows === fewest);
  return best.find(({ plan }) => plan.sorted) ?? best.find(({ plan }) => plan.exact) ?? best[0];
}

function unionOf(stored: Stored, branches: Document[], estimate: Estimate): QueryPlan | undefined {
  const accesses: AccessPath[] = [];
  for (const branch of branches) {
    const found = isPlain(branch) ? narrowest(stored, predicatesOf(branch), [], estimate) : undefined;
    if (found === undefined) return undefined;
    accesses.push(found.plan.access);
  }
  return { access: { kind: 'union', branches: accesses }, sorted: false, exact: false };
}

function count(access: AccessPath, estimate: Estimate): number {
  if (access.kind === 'scan') return countMost;
  if (access.kind === 'index') return estimate(access.index, access.ranges, countMost);
  return Math.min(
    countMost,
    access.branches.reduce((sum, branch) => sum + count(branch, estimate), 0),
  );
}

function usable({ ready, partialFilterExpression }: Index, predicates: Predicates): boolean {
  return ready && (partialFilterExpression === undefined || implies(predicates, partialFilterExpression));
}

function planFor(bounds: Bounds, predicates: Predicates, order: SortOrder): QueryPlan {
  const { index, ranges } = bounds;
  const direction = bounds.ranges.length === 1 ? directionFor(index, bounds.fixed, order) : undefined;
  const single = index.unique === true && bounds.exact && bounds.used === index.parts.length;
  const exact = bounds.exact && predicates.exact && bounds.used === predicates.paths.size;
  return { access: { kind: 'index', index, ranges, reverse: direction === -1, single }, sorted: direction !== undefined, exact };
}

/** Whether the entries after `fixed` parts come in the order asked for: forwards (1), backwards (-1), or not. */
function directionFor({ parts, multikey }: Index, fixed: number, order: SortOrder): KeyDirection | undefined {
  if (order.length === 0) return 1;
  if (multikey) return undefined;
  const constant = new Set(parts.slice(0, fixed).map(([path]) => path));
  const asked = order.filter(([path]) => !constant.has(path));
  let direction: KeyDirection = 1;
  for (const [at, [path, wanted]] of asked.entries()) {
    const part = parts[fixed + at];
    if (part === undefined || part[0] !== path) return undefined;
    const needed = part[1] === wanted ? 1 : -1;
    if (at > 0 && needed !== direction) return undefined;
    direction = needed;
  }
  return direction;
}

/** All of an index in its order, if it holds every document and its order is the one asked for. */
function walkInOrder(stored: Stored, predicates: Predicates, order: SortOrder): QueryPlan | undefined {
  for (const index of stored.indexes) {
    const direction = usable(index, predicates) && index.sparse !== true ? directionFor(index, 0, order) : undefined;
    if (direction === undefined) continue;
    const everything = [{ from: new Uint8Array(0), to: undefined }];
    return {
      access: { kind: 'index', index, ranges: everything, reverse: direction === -1, single: false },
      sorted: true,
      exact: false,
    };
  }
  return undefined;
}
