import type { Feed } from '../feed/change-feed.ts';
import { inputHash, judge, remember, windowKey, type Verdict } from './idempotency-window.ts';
import type { RequestId, Revision } from '../../domain/revision.ts';
import type { Guarded, Hidden } from '../../domain/documents/metadata.ts';

/** One request on its way through the door: what a document remembers of it, and what the document becomes by it. */
export interface Attempt<D> {
  /** `lost`: an answer to this attempt was lost, so that it is no first sending any more. */
  judge(document: D, lost: boolean): Verdict;
  /** The whole document after the revision: raised by one, with this request in its window. Null: there was none before. */
  next(before: D | null, revision: Revision<D>): D;
  /** The same document under a higher revision: nothing that was sent on the present one can take effect any more. */
  fenced(document: D): D;
}

const hiddenOf = (document: Guarded | null): Hidden => document?._rollcall ?? { rev: 0, shown: 0 };

/** `secret` keys the names in the window. */
export const openAttempt = <D extends Guarded>(secret: Buffer, feed: Pick<Feed, 'time'>, request: RequestId): Attempt<D> => {
  const { actor, instance, counter, fingerprint, isKeyed = false } = request;
  const key = windowKey(secret, actor, instance);
  const input = fingerprint === undefined ? undefined : inputHash(secret, fingerprint);
  const again = isKeyed ? 0 : request.again;
  return {
    judge: (document, lost) => judge(hiddenOf(document), key, counter, lost ? Math.max(1, again) : again, feed.time(), input),
    next(before, { next, shown }) {
      const hidden = hiddenOf(before);
      const rev = hidden.rev + 1;
      const { lost: _, ...kept } = next._rollcall ?? hidden;
      const memory = remember(hidden, key, counter, feed.time(), input);
      const _rollcall = { ...kept, rev, shown: shown ? rev : hidden.shown, ...memory };
      return { ...next, ...(before !== null && { _id: before._id }), _rollcall };
    },
    fenced(document) {
      const hidden = hiddenOf(document);
      return { ...document, _rollcall: { ...hidden, rev: hidden.rev + 1 } };
    },
  };
};
