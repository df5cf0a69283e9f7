import { decode, encode, equalBytes } from './bson.ts';

/**
 * The `updateDescription` of an update's event, as stored bytes: top-level fields that are new or different, and removed ones.
 *
 * The server names changed paths inside a field; here the whole field is named, which says the same in more bytes.
 */
export function describeUpdate(before: Uint8Array, after: Uint8Array): Uint8Array {
  const old = decode(before);
  const next = decode(after);
  const updatedFields = Object.fromEntries(Object.entries(next).filter(([name, value]) => !sameField(old, name, value)));
  const removedFields = Object.keys(old).filter((name) => !Object.hasOwn(next, name));
  return encode({ updatedFields, removedFields, truncatedArrays: [] });
}

function sameField(old: Record<string, unknown>, name: string, value: unknown): boolean {
  return Object.hasOwn(old, name) && equalBytes(encode({ value: old[name] }), encode({ value }));
}
