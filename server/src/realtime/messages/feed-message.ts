import type { Document } from 'mongodb';
import type { Sent } from '../../domain/message.ts';

const read = new WeakMap<Document, Sent>();

/** The message as a document of the collection `messages` that is not stored: it only takes a place in the feed. */
export const ephemeralMessage = (sent: Sent): Document => {
  const document = { _id: sent.id, sent: '' };
  read.set(document, sent);
  return document;
};

/** The message that a document of the collection `messages` carries; read once. */
export const sentOf = (document: Document): Sent => {
  const known = read.get(document);
  if (known !== undefined) return known;
  const sent = JSON.parse((document as { readonly sent: string }).sent) as Sent;
  read.set(document, sent);
  return sent;
};
