import type { Connection } from '../connections.ts';
import type { Sent } from '../domain/message.ts';
import { isDuplicateKey } from '../store/duplicate-key.ts';
import type { Store } from '../store/port.ts';
import type { Behind } from './behind.ts';
import type { Change, Feed } from './feed.ts';
import type { Line } from './line.ts';
import type { Deliveries } from './messages.ts';
import { placedMessage, sentOf } from './placed.ts';

/** Carries messages to the listeners of every node, each at most once (decisions, section 8). */
export interface Carriage {
  /**
   * Delivers here at once and hands it to the other nodes; with only one node it takes its place in the feed. A repeat is delivered only if its
   * first sending never came so far.
   */
  send(sent: Sent, repeated: boolean): Promise<void>;
  /** Delivers what came by the feed; if it was delivered here before, only to those that were not up to date then. */
  arrived(change: Change): Promise<void> | undefined;
}

/** How long a message may be repeated or fetched by other nodes, in milliseconds. */
const keptMs = 600_000;
const maxKnown = 100_000;

/** The ids of the messages that were delivered here lately, each with the moment. */
const openKnown = (now: () => number, behind: Behind) => {
  const known = new Map<string, { readonly at: number; readonly moment: number }>();
  return {
    /** The moment at which it was delivered; undefined the first time. */
    momentOf: (id: string): number | undefined => known.get(id)?.moment,
    /** True the first time. */
    add(id: string): boolean {
      if (known.has(id)) return false;
      known.set(id, { at: now(), moment: behind.moment() });
      for (const [oldest, { at }] of known) {
        if (known.size <= maxKnown && now() - at < keptMs) break;
        known.delete(oldest);
      }
      return true;
    },
  };
};

/** Opens the carriage. `alone`: there is no other node, and nothing is written. */
export const openCarriage = (options: {
  readonly store: Store;
  readonly feed: Pick<Feed, 'place'>;
  readonly line: Pick<Line, 'cursor' | 'settled'>;
  readonly behind: Behind;
  readonly deliveries: Deliveries;
  readonly alone: boolean;
  readonly now: () => number;
}): Carriage => {
  const { store, feed, line, behind, deliveries, alone, now } = options;
  const known = openKnown(now, behind);
  const rows = store.collection('messages');

  const handOver = async (sent: Sent): Promise<boolean> => {
    try {
      await rows.insertOne({ _id: sent.id, sent: JSON.stringify(sent), purgeAt: new Date(now() + keptMs) });
      return true;
    } catch (error) {
      if (isDuplicateKey(error)) return false;
      throw error;
    }
  };

  return {
    async send(sent, repeated) {
      if (alone) {
        if (!known.add(sent.id)) return;
        feed.place('messages', placedMessage(sent));
        return line.settled();
      }
      if (repeated && !(await handOver(sent))) return;
      if (!known.add(sent.id)) return;
      // Its own place is not known yet: whoever resumes from this one gets it once more, and knows it by its id.
      const extras = { id: sent.id, cursor: line.cursor };
      await Promise.all([deliveries.message(sent, extras, true), repeated ? undefined : handOver(sent)]);
    },
    arrived(change) {
      if (change.collection !== 'messages' || change.document === null) return undefined;
      const sent = sentOf(change.document);
      const extras = { id: sent.id, cursor: change.cursor };
      if (alone || known.add(sent.id)) return deliveries.message(sent, extras, alone);
      const moment = known.momentOf(sent.id) ?? 0;
      if (!behind.anySince(moment)) return undefined;
      const admits = (connection: Connection): boolean => !behind.has(connection) && behind.since(connection, moment);
      return deliveries.message(sent, extras, false, { admits });
    },
  };
};
