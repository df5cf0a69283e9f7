import type { ChangeFeed } from '../feed/change-feed.ts';
import { inputHash, lookUp, record, windowKey, type IdempotencyResult } from './idempotency-window.ts';
import type { RequestId, Revision } from '../../domain/revision.ts';
import type { Guarded, Metadata } from '../../domain/documents/metadata.ts';

/** One request on its way through the door: what a document remembers of it, and what the document becomes by it. */
export interface WriteAttempt<D> {
  /** `lost`: an answer to this attempt was lost, so that it is no first sending any more. */
  lookUp(document: D, lost: boolean): IdempotencyResult;
  /** The whole document after the revision: raised by one, with this request in its window. Null: there was none before. */
  next(before: D | null, revision: Revision<D>): D;
  /** The same document under a higher revision: nothing that was sent on the present one can take effect any more. */
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
