import { MongoInvalidArgumentError, type Document } from 'mongodb';
import { applyUpdate, upsertSeed } from './evaluate.ts';
import { received } from './bson.ts';
import { refused } from './errors.ts';
import type { Change } from './writer.ts';

/** The change that an update document with operators makes. Refuses a plain document, as the driver does, and a pipeline. */
export function updateChange(update: Document, arrayFilters: Document[] | undefined, now: () => number): Change {
  if (Array.isArray(update)) throw refused('an update given as a pipeline');
  const asked = received(update);
  const names = Object.keys(asked);
  if (names.length === 0 || names.some((name) => !name.startsWith('$'))) {
    throw new MongoInvalidArgumentError('Update document requires atomic operators');
  }
  const filters = arrayFilters?.map((filter) => received(filter)) ?? [];
  return {
    kind: 'update',
    apply: (before, { filter }) => applyUpdate(before, asked, { arrayFilters: filters, filter, insert: false, now: now() }),
    seed: (filter) => applyUpdate(upsertSeed(filter), asked, { arrayFilters: filters, filter, insert: true, now: now() }),
  };
}

/** The change that puts a whole document in the place of another. The `_id` stays. */
export function replacementChange(replacement: Document): Change {
  const next = received(replacement);
  if (Object.keys(next).some((name) => name.startsWith('$'))) {
    throw new MongoInvalidArgumentError('Replacement document must not contain atomic operators');
  }
  return {
    kind: 'replace',
    apply: (before) => ({ _id: before['_id'], ...next }),
    seed: (filter) => ({ ...upsertedId(filter), ...next }),
  };
}

function upsertedId(filter: Document): Document {
  const { _id: id } = upsertSeed(filter);
  return id === undefined ? {} : { _id: id };
}
