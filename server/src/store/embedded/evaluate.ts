import type { Document } from 'mongodb';
import * as language from '../../mql/index.ts';
import { serverError } from './errors.ts';

/** MongoDB's language as the engine uses it: what is refused is thrown as the driver throws a server's answer. */
function asServer<A extends unknown[], R>(evaluate: (...input: A) => R): (...input: A) => R {
  return (...input) => {
    try {
      return evaluate(...input);
    } catch (error) {
      if (error instanceof language.DocumentError) throw serverError(error.code, error.message);
      throw error;
    }
  };
}

export type { Match } from '../../mql/index.ts';
export const compileStoredFilter = asServer(language.compileFilter);
export const compileStoredProjection = asServer(language.compileProjection);
export const storedUpsertSeed = asServer(language.upsertSeed);
export const encodeStoredKey = asServer(language.encodeKey);

/** Compiles an update; what it refuses is thrown alike when it is compiled and when it is applied. */
export function compileStoredUpdate(update: Document, arrayFilters: readonly Document[] = []): language.Update {
  return asServer(asServer(language.compileUpdate)(update, arrayFilters));
}
