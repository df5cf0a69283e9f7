import type { Revision } from './revision.ts';
import type { Guarded, Metadata } from './documents/metadata.ts';

/**
 * The part of a store filter that leaves out tombstones: a removed document counts as missing
 * (ME-6).
 */
export const notDeleted = { '_rollcall.gone': { $exists: false } } as const;

/**
 * Makes a tombstone of a removed document: it counts as missing from now on, and is kept for its
 * last event. `at` in milliseconds since 1970.
 */
export const asTombstone = <D extends Guarded>(
  left: { readonly _rollcall?: Metadata | undefined },
  by: string,
  at: number,
): Revision<D> => ({
  next: { ...left, _rollcall: { rev: 0, shown: 0, ...left._rollcall, gone: { at, by } } } as D,
  visible: true,
});
