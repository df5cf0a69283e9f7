import type { Revision } from './revision.ts';
import type { Guarded, Metadata } from './documents/metadata.ts';

/** Of a store filter: what is there. Whatever is gone counts as missing (ME-6). */
export const notDeleted = { '_rollcall.gone': { $exists: false } } as const;

/** A document that is removed: what is left of it, missing to everybody from now on, kept for its last event. `at` in milliseconds since 1970. */
export const asTombstone = <D extends Guarded>(
  left: { readonly _rollcall?: Metadata | undefined },
  by: string,
  at: number,
): Revision<D> => ({
  next: { ...left, _rollcall: { rev: 0, shown: 0, ...left._rollcall, gone: { at, by } } } as D,
  visible: true,
});
