import type { Clock } from '../../common/clock.ts';
import type { Connection, Connections, EventMetadata } from '../connections.ts';
import type { Sent } from '../../domain/message.ts';
import { isDuplicateKey } from '../../store/duplicate-key.ts';
import type { Store } from '../../data/store.ts';
import { withDeadline } from '../../data/with-deadline.ts';
import type { LaggingConnections } from '../resume/lagging-connections.ts';
import type { ChangeFeed } from '../../data/feed/change-feed.ts';
import type { InFlightMessage, InFlightMessages } from './in-flight.ts';
import type { DeliveryQueue } from './delivery-queue.ts';
import type { MessageDelivery } from './message-delivery.ts';
import { ephemeralMessage, sentOf } from './feed-message.ts';
import type { Change } from '../../data/feed/change.ts';

/** Stores a message for addressees that get it later. */
export type KeepMessage = (sent: Sent) => Promise<void> | undefined;

/** Carries messages to the listeners of every node, each at most once (ME-8). */
export interface MessageRelay {
  /**
   * Delivers here at once and hands it to the other nodes; with only one node it takes its place in the feed. A repeat is delivered only if its
   * first sending never came so far. What could overtake an earlier message of its sender is delivered when the feed brings it.
   */
  publish(sent: Sent, repeated: boolean): Promise<void>;
  /**
   * Has `keep` store each message that is sent here; `send` resolves only when it has. `keep` answers undefined if there is nothing to store. The
   * function returned ends it.
   */
  keepBy(keep: KeepMessage): () => void;
  /** Delivers what came by the feed; if it was delivered here before, only to those that it passed by then. */
  receive(change: Change): Promise<void> | undefined;
}

/** How long a message may be repeated or fetched by other nodes, in milliseconds. */
const keptMs = 600_000;
const maxKnown = 100_000;

/** The ids of the messages that were delivered here lately. */
const openKnown = (now: () => number) => {
  const known = new Map<string, number>();
  return {
    has: (id: string): boolean => known.has(id),
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

/** Waits for all, also when one has failed: what the caller does next must not overtake the others. */
const all = async (...work: readonly (Promise<unknown> | undefined)[]): Promise<void> => {
  await Promise.allSettled(work);
  await Promise.all(work);
};

const nobody: ReadonlySet<Connection> = new Set();

/** Opens the carriage. `alone`: there is no other node, and nothing is written. */
export const createMessageRelay = (options: {
  readonly store: Store;
  readonly feed: Pick<ChangeFeed, 'publishEphemeral'>;
  readonly line: Pick<DeliveryQueue, 'cursor' | 'drained'>;
  readonly behind: Pick<LaggingConnections, 'has'>;
  readonly inFlight: InFlightMessages;
  readonly deliveries: MessageDelivery;
  readonly connections: Pick<Connections, 'send'>;
  readonly alone: boolean;
  readonly clock: Clock;
}): MessageRelay => {
  const { store, feed, line, behind, inFlight, deliveries, connections, alone, clock } = options;
  const known = openKnown(clock.now);
  const rows = store.collection('messages');
  const keepers = new Set<KeepMessage>();
  const keep = (sent: Sent): Promise<unknown> => Promise.all([...keepers].map((keeper) => keeper(sent)));

  /** Writes the row; false if it is there already. */
  const write = async (sent: Sent): Promise<boolean> => {
    try {
      const row = { _id: sent.id, sent: JSON.stringify(sent), purgeAt: new Date(clock.now() + keptMs) };
      await withDeadline(clock, rows.insertOne(row));
      return true;
    } catch (error) {
      if (isDuplicateKey(error)) return false;
      throw error;
    }
  };

  const handOver = async (flight: InFlightMessage, sent: Sent): Promise<boolean> => {
    try {
      const isFirst = await write(sent);
      if (!isFirst) flight.isNew = false;
      inFlight.becomes(flight, 'written');
      return isFirst;
    } catch (error) {
      // A later sending may have written it meanwhile.
      if (flight.state !== 'written') inFlight.becomes(flight, 'doubtful');
      throw error;
    }
  };

  const deliver = async (flight: InFlightMessage, sent: Sent): Promise<void> => {
    const told: (readonly Connection[])[] = [];
    try {
      // Its own place is not known yet: whoever resumes from this one gets it once more, and knows it by its id.
      await deliveries.message(sent, { id: sent.id, cursor: line.cursor }, true, {
        admits: (connection) => !behind.has(connection) && inFlight.admits(flight, connection),
        send(to, event, body, extras) {
          told.push(to);
          connections.send(to, event, body, extras);
        },
      });
    } catch (error) {
      inFlight.failed(flight, new Set(told.flat()));
      throw error;
    }
  };

  /** The feed has brought it: whoever was passed by gets it now. */
  const land = async (flight: InFlightMessage, sent: Sent, extras: EventMetadata): Promise<void> => {
    await flight.delivered;
    try {
      const { byFeed } = flight;
      if (byFeed === null && !inFlight.owesAny(flight)) return;
      const gets = (connection: Connection): boolean =>
        byFeed === null ? inFlight.owes(flight, connection) : !byFeed.but.has(connection);
      const admits = (connection: Connection): boolean => !behind.has(connection) && gets(connection);
      await deliveries.message(sent, extras, flight.origin && byFeed?.but.size === 0, { admits });
    } finally {
      inFlight.land(flight);
    }
  };

  /** The first sending may have come through, here or by another node: what is not known here yet is left to the feed. */
  const sendAgain = async (sent: Sent): Promise<void> => {
    const first = inFlight.of(sent.id);
    if (first !== undefined) return all(handOver(first, sent), first.delivered, keep(sent));
    if (known.has(sent.id)) return all(write(sent), keep(sent));
    const flight = inFlight.take(sent, { isNew: false, byFeed: { but: nobody }, origin: false });
    flight.origin = await handOver(flight, sent);
    // What another node took in first is kept by each node that the feed brings it to.
    if (flight.origin) await keep(sent);
  };

  return {
    async publish(sent, repeated) {
      if (alone) {
        // The first sending of a repeat may have failed before it was kept.
        if (!known.add(sent.id)) return void (await keep(sent));
        feed.publishEphemeral('messages', ephemeralMessage(sent));
        return all(line.drained(), keep(sent));
      }
      if (repeated) return sendAgain(sent);
      if (known.has(sent.id) || inFlight.of(sent.id) !== undefined) return;
      const waits = inFlight.awaits(sent.from);
      if (!waits) known.add(sent.id);
      const flight = inFlight.take(sent, { isNew: true, byFeed: waits ? { but: nobody } : null, origin: true });
      const delivered = waits ? undefined : deliver(flight, sent);
      flight.delivered = delivered?.catch(() => undefined);
      await all(handOver(flight, sent), delivered, keep(sent));
    },

    keepBy(keeper) {
      keepers.add(keeper);
      return () => keepers.delete(keeper);
    },

    receive(change) {
      if (change.collection !== 'messages' || change.document === null) return undefined;
      const sent = sentOf(change.document);
      const extras = { id: sent.id, cursor: change.cursor };
      if (alone) return deliveries.message(sent, extras, true);
      const flight = inFlight.of(sent.id);
      const isNew = known.add(sent.id);
      if (flight !== undefined) return land(flight, sent, extras);
      return isNew ? deliveries.message(sent, extras, false) : undefined;
    },
  };
};
