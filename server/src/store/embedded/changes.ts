import { MongoInvalidArgumentError, type Document } from 'mongodb';
import { refused } from './errors.ts';
import { compileUpdate, upsertSeed } from './evaluate.ts';
import { received } from './copy-arguments.ts';

/** What becomes of a matching document: the next one as a pure function of the present one. */
export interface Change {
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
export function updateChange(update: Document, arrayFilters: Document[] | undefined, now: () => number): () => Change {
  if (Array.isArray(update)) throw refused('an update given as a pipeline');
  const asked = received(update);
  const names = Object.keys(asked);
  if (names.length === 0 || names.some((name) => !name.startsWith('$'))) {
    throw new MongoInvalidArgumentError('Update document requires atomic operators');
  }
  const filters = arrayFilters?.map(received);
  return () => {
    const next = compileUpdate(asked, filters);
    return {
      kind: 'update',
      apply: (before, filter) => next(before, { filter, now: now() }),
      seed: (filter) => next(upsertSeed(filter), { filter, insert: true, now: now() }),
    };
  };
}

/** The change that puts a whole document in the place of another. The `_id` stays. Refuses as `updateChange` does. */
export function replacementChange(replacement: Document): () => Change {
  const asked = received(replacement);
  if (Object.keys(asked)[0]?.startsWith('$')) {
    throw new MongoInvalidArgumentError('Replacement document must not contain atomic operators');
  }
  return () => {
    const next = compileUpdate(asked);
    return {
      kind: 'replace',
      apply: (before) => next(before, { now: 0 }),
      seed: (filter) => {
        const id: unknown = upsertSeed(filter, true)['_id'];
        return id === undefined ? asked : next({ _id: id }, { now: 0 });
      },
    };
  };
}
