import { ObjectId, type Document } from 'mongodb';
import { decode, encode, maxDocumentBytes } from './bson.ts';
import { serverError } from './errors.ts';

/** A document to be stored: its bytes and its decoded values. `_id` comes first, as the server stores it. */
export interface IncomingDocument {
  bytes: Uint8Array;
  document: Document;
}

/** A document to insert. One without `_id` gets it, and the caller's object too, as the driver does. */
export function incomingDocument(document: Document): IncomingDocument {
  if (document['_id'] === undefined || document['_id'] === null) document['_id'] = new ObjectId();
  return storable(decode(encode(document)));
}

/** Puts `_id` first and refuses what the server would not store. */
export function storable(document: Document): IncomingDocument {
  const [first] = Object.keys(document);
  const ordered = first === '_id' ? document : { _id: document['_id'] as unknown, ...document };
  checkId(ordered['_id']);
  const bytes = encode(ordered);
  if (bytes.length > maxDocumentBytes) throw serverError(10334, `object to insert too large: ${bytes.length} bytes`);
  return { bytes, document: ordered };
}

function checkId(id: unknown): void {
  if (Array.isArray(id)) throw serverError(53, "The '_id' value cannot be of type array");
  if (id instanceof RegExp) throw serverError(53, "The '_id' value cannot be of type regex");
  if (typeof id === 'object' && id !== null && Object.keys(id).some((key) => key.startsWith('$'))) {
    throw serverError(52, "_id fields may not contain '$'-prefixed fields");
  }
}
