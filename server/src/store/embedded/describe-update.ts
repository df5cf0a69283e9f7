import type { Document } from 'mongodb';
import { encode } from './bson.ts';
import { storedEqual } from './stored-equal.ts';

/**
 * The `updateDescription` of an update's event, as stored bytes: top-level fields that are new or different, and removed ones.
 *
 * The server names changed paths inside a field; here the whole field is named, which says the same in more bytes.
 */
export function describeUpdate(before: Document, after: Document): Uint8Array {
  const changed = Object.entries(after).filter(
    ([name, value]) => !Object.hasOwn(before, name) || !storedEqual(before[name], value),
  );
  const removedFields = Object.keys(before).filter((name) => !Object.hasOwn(after, name));
  return encode({ updatedFields: Object.fromEntries(changed), removedFields, truncatedArrays: [] });
}
