import { BSON, type BSONSerializeOptions, type Document } from 'mongodb';

/** How results are turned into JavaScript values: the driver's options of the same names, with the driver's defaults. */
export type Promotion = Partial<
  Pick<BSONSerializeOptions, 'promoteLongs' | 'promoteValues' | 'promoteBuffers' | 'useBigInt64' | 'bsonRegExp'>
>;

/** Largest stored document in bytes, as MongoDB has it. */
export const maxDocumentBytes = 16 * 1024 * 1024;

const typed = { promoteValues: false } as const;

/** Bytes of a document as the driver would send it: `undefined` becomes null, or vanishes if so asked. */
export function encode(document: Document, ignoreUndefined = false): Uint8Array {
  return BSON.serialize(document, { ignoreUndefined });
}

/** A stored document with its number types (`Int32`, `Double`, `Long`) kept apart, as matcher and updates need it. */
export function decode(bytes: Uint8Array): Document {
  return BSON.deserialize(bytes, typed);
}

/** A stored document as the caller gets it. */
export function promote(bytes: Uint8Array, promotion: Promotion): Document {
  return BSON.deserialize(bytes, promotion);
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
