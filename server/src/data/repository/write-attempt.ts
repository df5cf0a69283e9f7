import type { ChangeFeed } from '../feed/change-feed.ts';
import { inputHash, lookUp, record, windowKey, type IdempotencyResult } from './idempotency-window.ts';
import type { RequestId, Revision } from '../../domain/revision.ts';
import type { Guarded, Metadata } from '../../domain/documents/metadata.ts';

/** One attempt to write a document: checks its idempotency window and builds the next version of the document. */
export interface WriteAttempt<D> {
  /** Looks the request up in the window. `lost`: an answer of the store was lost, so the attempt counts as a retry. */
  lookUp(document: D, lost: boolean): IdempotencyResult;
  /** The document after the write, with its revision raised by one and this request in its window. `before` is null for an insert. */
  next(before: D | null, revision: Revision<D>): D;
  /** The unchanged document with a higher revision, so that no write sent on the present revision can take effect. */
  supersede(document: D): D;
}

const hiddenOf = (document: Guarded | null): Metadata => document?._rollcall ?? { rev: 0, shown: 0 };

/** `secret` keys the names in the window. */
export const createWriteAttempt = <D extends Guarded>(
  secret: Buffer,
  feed: Pick<ChangeFeed, 'time'>,
  request: RequestId,
): WriteAttempt<D> => {
  const { actor, instance, counter, fingerprint, isKeyed = false } = request;
  const key = windowKey(secret, actor, instance);
  const input = fingerprint === undefined ? undefined : inputHash(secret, fingerprint);
  const again = isKeyed ? 0 : request.again;
  return {
    lookUp: (document, lost) => lookUp(hiddenOf(document), key, counter, lost ? Math.max(1, again) : again, feed.time(), input),
    next(before, { next, visible }) {
      const hidden = hiddenOf(before);
      const rev = hidden.rev + 1;
      const { lost: _, ...kept } = next._rollcall ?? hidden;
      const memory = record(hidden, key, counter, feed.time(), input);
      const _rollcall = { ...kept, rev, shown: visible ? rev : hidden.shown, ...memory };
      return { ...next, ...(before !== null && { _id: before._id }), _rollcall };
    },
    supersede(document) {
      const hidden = hiddenOf(document);
      return { ...document, _rollcall: { ...hidden, rev: hidden.rev + 1 } };
    },
  };
};
