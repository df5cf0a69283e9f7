import type { ChangeFeed } from '../feed/change-feed.ts';
import type { Position } from '../feed/position.ts';
import type { Log } from '../../common/log.ts';
import type { Change } from '../feed/change.ts';

/**
 * Carries out on this node what a change means, above all the end of a credential: a returned promise holds the node's `at`
 * back until it settles. A carrier that fails is logged and counts as done.
 */
export interface ChangeConsumer {
  change?(change: Change): void | Promise<unknown>;
  /** Changes may have been missed, endings among them: everything that hangs on a document is to be looked at again. */
  resync?(): void | Promise<unknown>;
}

/** How far this node has carried out the feed. */
export interface ChangeConsumers {
  /** Everything up to here is carried out. */
  readonly position: Position;
  carry(carrier: ChangeConsumer): () => void;
  close(): void;
}

/** Follows the feed. `advanced` is called after each change, with it, and with null when `position` has moved later. */
export const createChangeConsumers = (feed: ChangeFeed, log: Log, advanced: (change: Change | null) => void): ChangeConsumers => {
  const carriers = new Set<ChangeConsumer>();
  /** What was taken from the feed and is not carried out, or stands behind such a change. */
  const queue: { readonly position: Position; waitsFor: number }[] = [];
  let position: Position = feed.position;

  const settle = (): void => {
    while (queue[0]?.waitsFor === 0) ({ position } = queue.shift()!);
  };

  const take = (at: Position, work: (carrier: ChangeConsumer) => void | Promise<unknown>): void => {
    // Until all carriers were asked, the change itself counts as unfinished.
    const entry = { position: at, waitsFor: 1 };
    queue.push(entry);
    for (const carrier of carriers) {
      try {
        const pending = work(carrier);
        if (!pending) continue;
        entry.waitsFor += 1;
        pending
          .catch((error: unknown) => log.error({ err: error }, 'a change was not carried out'))
          .finally(() => {
            entry.waitsFor -= 1;
            settle();
            advanced(null);
          });
      } catch (error) {
        log.error({ err: error }, 'a change was not carried out');
      }
    }
    entry.waitsFor -= 1;
    settle();
  };

  const unsubscribe = feed.subscribe((change) => {
    take(change.position, (carrier) => carrier.change?.(change));
    advanced(change);
  });
  const stopResync = feed.onResync(() => {
    take(feed.position, (carrier) => carrier.resync?.());
    advanced(null);
  });

  return {
    get position() {
      // With nothing left to do it is the feed's: that moves over events that are no changes, and at its start, without a word.
      return queue.length === 0 ? feed.position : position;
    },
    carry(carrier) {
      carriers.add(carrier);
      return () => carriers.delete(carrier);
    },
    close() {
      unsubscribe();
      stopResync();
    },
  };
};
