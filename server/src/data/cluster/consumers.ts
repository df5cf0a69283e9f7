import type { ChangeFeed } from '../feed/change-feed.ts';
import type { Position } from '../feed/position.ts';
import type { Log } from '../../common/log.ts';
import type { Change } from '../feed/change.ts';

/**
 * A change consumer: applies changes on this node, above all revocations.
 * The node's `at` does not pass a change until the returned promise settles. A failure is logged and counts as done.
 */
export interface ChangeConsumer {
  change?(change: Change): void | Promise<unknown>;
  /** Changes may have been missed, revocations among them: everything that depends on a document must be checked again. */
  resync?(): void | Promise<unknown>;
}

/** The change consumers of a node, and how far they have processed the feed. */
export interface ChangeConsumers {
  /** The position up to which all changes are processed. */
  readonly position: Position;
  carry(carrier: ChangeConsumer): () => void;
  close(): void;
}

/** Follows the feed. `advanced` is called after each change, with it, and with null when `position` has moved later. */
export const createChangeConsumers = (feed: ChangeFeed, log: Log, advanced: (change: Change | null) => void): ChangeConsumers => {
  const carriers = new Set<ChangeConsumer>();
  /** Changes that are not processed yet, or that follow such a change. */
  const queue: { readonly position: Position; waitsFor: number }[] = [];
  let position: Position = feed.position;

  const settle = (): void => {
    while (queue[0]?.waitsFor === 0) ({ position } = queue.shift()!);
  };

  const take = (at: Position, work: (carrier: ChangeConsumer) => void | Promise<unknown>): void => {
    // Until all consumers were called, the change itself counts as unfinished.
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
      // With an empty queue it is the feed's position, which also moves at its start and over events that are no changes.
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
