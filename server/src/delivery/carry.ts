import type { Sent } from '../domain/message.ts';
import { isDuplicateKey } from '../store/duplicate-key.ts';
import type { Store } from '../store/port.ts';
import type { Change, Feed } from './feed.ts';
import type { Deliveries } from './messages.ts';

/** Carries messages to the listeners of every node, each at most once (decisions, section 8). */
export interface Carriage {
  /** Delivers here at once and hands it to the other nodes. A repeat is delivered only if its first sending never came so far. */
  send(sent: Sent, repeated: boolean): Promise<void>;
  /** Delivers what another node handed over; nothing if it is no message or was delivered here. */
  arrived(change: Change): Promise<void> | undefined;
}

/** How long a message may be repeated or fetched by other nodes, in milliseconds. */
const keptMs = 600_000;
const maxKnown = 100_000;

/** The ids of the messages that were delivered here lately. */
const openKnown = (now: () => number) => {
  const known = new Map<string, number>();
  return {
    /** True the first time. */
    add(id: string): boolean {
      if (known.has(id)) return false;
      known.set(id, now());
      for (const [oldest, at] of known) {
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
  readonly feed: Pick<Feed, 'cursor'>;
  readonly deliveries: Deliveries;
  readonly alone: boolean;
  readonly now: () => number;
}): Carriage => {
  const { store, feed, deliveries, alone, now } = options;
  const known = openKnown(now);
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
      const extras = { id: sent.id, cursor: feed.cursor };
      if (alone) {
        if (known.add(sent.id)) await deliveries.message(sent, extras, true);
        return;
      }
      if (repeated && !(await handOver(sent))) return;
      if (!known.add(sent.id)) return;
      await Promise.all([deliveries.message(sent, extras, true), repeated ? undefined : handOver(sent)]);
    },
    arrived(change) {
      if (change.collection !== 'messages' || change.document === null) return undefined;
      const sent = JSON.parse((change.document as { sent: string }).sent) as Sent;
      return known.add(sent.id) ? deliveries.message(sent, { id: sent.id, cursor: change.cursor }, false) : undefined;
    },
  };
};
