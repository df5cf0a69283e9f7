import { RegistryError } from '@rollcall/client/contract';
import { LRUCache } from 'lru-cache';
import type { Connection } from './connections.ts';
import type { Channel, Who } from '../domain/access.ts';
import { topicFilter, type TopicFilter } from '../domain/mqtt-topics.ts';

/** What a connection listens to; `firehose` only of its own device. */
export type SubscriptionType = Channel | 'firehose';

/** One connection that listens to one device: as whom, and with which topics. */
export interface EventSubscriber {
  readonly connection: Connection;
  /** Whose permission counts: the connection's device, or the one whose token the subscription showed. */
  readonly subject: Who;
  readonly passes: TopicFilter;
}

/** Which connections of this node listen to which devices (MS-2.17). */
export interface Subscriptions {
  /** Starts listening to these types; for messages the last call's topics count. Fails with `busy` if the connection has too many. */
  add(
    connection: Connection,
    uuid: string,
    types: readonly SubscriptionType[],
    subject: Who,
    topics?: string | readonly string[],
  ): void;
  remove(connection: Connection, uuid: string, types: readonly SubscriptionType[]): void;
  to(type: SubscriptionType, uuid: string): Iterable<EventSubscriber>;
  /** The devices that a connection listens to. */
  of(connection: Connection): Iterable<string>;
  /** Does anybody listen to this device, or did so not longer ago than clients may be away? */
  heardLately(uuid: string): boolean;
  /** Does anybody here listen to a firehose? */
  hasFirehose(): boolean;
}

/** How many devices one connection may listen to. */
const maxDevices = 1_000;

type Heard = Map<SubscriptionType, Map<Connection, EventSubscriber>>;

/** How many devices are kept in mind that somebody has listened to. */
const maxLately = 200_000;

/** An empty table. `windowMs`: how long clients may be away. */
export const createSubscriptions = (windowMs: number): Subscriptions => {
  /** Made at first need: it takes its whole room at once. */
  let lately: LRUCache<string, true> | undefined;
  let evicted = false;
  const byDevice = new Map<string, Heard>();
  let firehoses = 0;
  const byConnection = new Map<Connection, Set<string>>();

  const drop = (connection: Connection, uuid: string, types: Iterable<SubscriptionType>): void => {
    const heard = byDevice.get(uuid);
    if (heard === undefined) return;
    for (const type of types) {
      const listeners = heard.get(type);
      if (listeners?.delete(connection) === true && type === 'firehose') firehoses -= 1;
      if (listeners?.size === 0) heard.delete(type);
    }
    if (heard.size === 0) {
      byDevice.delete(uuid);
      lately ??= new LRUCache({ max: maxLately, ttl: windowMs });
      evicted ||= lately.size >= maxLately;
      lately.set(uuid, true);
    }
    if ([...heard.values()].every((listeners) => !listeners.has(connection))) byConnection.get(connection)?.delete(uuid);
  };

  return {
    add(connection, uuid, types, subject, topics) {
      let devices = byConnection.get(connection);
      if (devices === undefined) {
        byConnection.set(connection, (devices = new Set()));
        connection.onLeave(() => {
          const all: readonly SubscriptionType[] = ['broadcast', 'sent', 'received', 'config', 'data', 'firehose'];
          for (const device of [...(byConnection.get(connection) ?? [])]) drop(connection, device, all);
          byConnection.delete(connection);
        });
      }
      if (!devices.has(uuid) && devices.size >= maxDevices) {
        throw new RegistryError('busy', `A connection may listen to ${maxDevices} devices`);
      }
      devices.add(uuid);
      const heard: Heard = byDevice.get(uuid) ?? new Map();
      byDevice.set(uuid, heard);
      const listener: EventSubscriber = { connection, subject, passes: topicFilter(topics) };
      for (const type of types) {
        const listeners = heard.get(type) ?? new Map<Connection, EventSubscriber>();
        if (type === 'firehose' && !listeners.has(connection)) firehoses += 1;
        heard.set(type, listeners.set(connection, listener));
      }
    },
    remove: drop,
    to: (type, uuid) => byDevice.get(uuid)?.get(type)?.values() ?? [],
    of: (connection) => byConnection.get(connection) ?? [],
    heardLately: (uuid) => evicted || byDevice.has(uuid) || lately?.has(uuid) === true,
    hasFirehose: () => firehoses > 0,
  };
};
