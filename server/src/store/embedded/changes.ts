import { MongoInvalidArgumentError, type Document } from 'mongodb';
import { refuseArgument } from './errors.ts';
import { compileStoredUpdate, storedUpsertSeed } from './evaluate.ts';
import { copyArgument } from './copy-arguments.ts';

/** What becomes of a matching document: the next one as a pure function of the present one. */
export interface DocumentChange {
  kind: 'replace' | 'update';
  /** The next document; the very same one if nothing changes. */
  apply(before: Document, filter: Document): Document;
  /** The document that an upsert inserts, made of the filter. `_id` may be missing. */
  seed(filter: Document): Document;
}

/**
 * The change that an update document with operators makes. A plain document is refused at once, as the driver does; what a
 * server would refuse is refused when the answer is called.
 */
export function updateChange(update: Document, arrayFilters: Document[] | undefined, now: () => number): () => DocumentChange {
  if (Array.isArray(update)) throw refuseArgument('an update given as a pipeline');
  const asked = copyArgument(update);
  const names = Object.keys(asked);
  if (names.length === 0 || names.some((name) => !name.startsWith('$'))) {
    throw new MongoInvalidArgumentError('Update document requires atomic operators');
  }
  const filters = arrayFilters?.map(copyArgument);
  return () => {
    const next = compileStoredUpdate(asked, filters);
    return {
      kind: 'update',
      apply: (before, filter) => next(before, { filter, now: now() }),
      seed: (filter) => next(storedUpsertSeed(filter), { filter, insert: true, now: now() }),
    };
  };
}

/** The change that puts a whole document in the place of another. The `_id` stays. Refuses as `updateChange` does. */
export function replacementChange(replacement: Document): () => DocumentChange {
  const asked = copyArgument(replacement);
  if (Object.keys(asked)[0]?.startsWith('$')) {
    throw new MongoInvalidArgumentError('Replacement document must not contain atomic operators');
  }
  return () => {
    const next = compileStoredUpdate(asked);
    return {
      kind: 'replace',
      apply: (before) => next(before, { now: 0 }),
      seed: (filter) => {
        const id: unknown = storedUpsertSeed(filter, true)['_id'];
        return id === undefined ? asked : next({ _id: id }, { now: 0 });
      },
    };
  };
}
