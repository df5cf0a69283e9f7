import type { ChangeFeed } from '../../data/feed/change-feed.ts';
import type { Position } from '../../data/feed/position.ts';

/** Deliveries of this node, one after the other in the order of the feed. */
export interface DeliveryQueue {
  /** Queues the delivery of the change at this place. Settles, never with a failure, when it has gone out. */
  deliver(position: Position, work: () => Promise<void> | undefined): Promise<void>;
  /** Does something between two deliveries. Fails as the work does. */
  runExclusive<T>(work: () => Promise<T> | T): Promise<T>;
  /** Settles when everything queued so far has gone out. */
  drained(): Promise<void>;
  /** Everything up to here has been handed to the connections that were there. */
  readonly delivered: Position;
  /** The same as a cursor for clients: whoever has it has missed nothing before it. */
  readonly cursor: string;
}

/** Opens the line where the feed is now. `failed` is told of each delivery that did not go out, before `delivered` passes it. */
export const createDeliveryQueue = (
  feed: Pick<ChangeFeed, 'id' | 'position'>,
  failed: (error: unknown, before: Position) => void,
): DeliveryQueue => {
  let tail: Promise<void> = Promise.resolve();
  let delivered = feed.position;
  return {
    deliver(position, work) {
      tail = tail
        .then(work)
        .catch((error: unknown) => failed(error, delivered))
        .then(() => {
          if (position > delivered) delivered = position;
        });
      return tail;
    },
    runExclusive(work) {
      const done = tail.then(work);
      tail = done.then(
        () => undefined,
        () => undefined,
      );
      return done;
    },
    drained: () => tail,
    get delivered() {
      return delivered;
    },
    get cursor() {
      return `${feed.id}.${delivered.padEnd(20, '0')}`;
    },
  };
};
