import type { Revision } from './revision.ts';
import type { Guarded, Hidden } from './documents/metadata.ts';

/** Of a store filter: what is there. Whatever is gone counts as missing (decisions, section 6). */
export const present = { '_rollcall.gone': { $exists: false } } as const;

/** A document that is removed: what is left of it, missing to everybody from now on, kept for its last event. `at` in milliseconds since 1970. */
export const goneAs = <D extends Guarded>(
  left: { readonly _rollcall?: Hidden | undefined },
  by: string,
  at: number,
): Revision<D> => ({
  next: { ...left, _rollcall: { rev: 0, shown: 0, ...left._rollcall, gone: { at, by } } } as D,
  shown: true,
});
