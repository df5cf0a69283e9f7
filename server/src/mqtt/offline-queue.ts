import { LRUCache } from 'lru-cache';
import { createRecentSet } from '../common/recent-set.ts';
import type { Store } from '../data/store.ts';
import { createGroupedWrites } from './grouped-writes.ts';
import { publicationOf, stored, type Publication } from './stored-message.ts';
import type { QoS } from './subscription-index.ts';
import type { MqttQueueDocument } from '../domain/documents/mqtt.ts';

/** A message that waits for a session. */
export interface QueuedPublish extends Publication {
  /** Names the row. */
  readonly id: string;
  readonly messageId?: number | undefined;
  readonly received: boolean;
}

/** What waits for sessions that outlive their connections, in the order in which it came. */
export interface OfflineQueue {
  /**
   * Keeps a message for these sessions, each with its QoS. Settles when it is stored. A message that was stored already stays as it is, and is not
   * stored again after it was removed.
   *
   * A session that has `most` messages waiting gets no more: what it has stays.
   */
  add(message: string, publication: Publication, sessions: ReadonlyMap<string, QoS>): Promise<void>;
  /** The id of the row that keeps this message for this session. */
  idOf(message: string, clientId: string): string;
  /** Everything that waits, oldest first. */
  of(clientId: string): AsyncIterable<QueuedPublish>;
  /** Packet identifiers under which something was sent and not acknowledged, and the rows. */
  inFlight(clientId: string): Promise<ReadonlyMap<number, string>>;
  /** Writes down under which packet identifier it was sent. */
  sent(id: string, messageId: number): Promise<void>;
  /** Only PUBREL is left to be sent. */
  received(id: string): Promise<void>;
  remove(clientId: string, id: string): Promise<void>;
  /** Packet identifiers of QoS 2 messages that the client has sent and not released. */
  incoming(clientId: string): Promise<readonly number[]>;
  addIncoming(clientId: string, messageId: number): Promise<void>;
  removeIncoming(clientId: string, messageId: number): Promise<void>;
}

/** How many messages may wait for one session. */
const most = 1_000;
/** How often it is counted anew whether a full session has room again, in milliseconds. */
const recountMs = 1_000;

/** Of how many sessions it is known how much waits. */
const maxCounted = 20_000;
/** Of how many rows it is known that they were stored. */
const maxAdded = 20_000;

/** Opens the queues. `node` distinguishes messages of several nodes in one millisecond. */
export const createOfflineQueue = (options: {
  readonly store: Store;
  readonly node: string;
  readonly now: () => number;
}): OfflineQueue => {
  const { store, node, now } = options;
  const rows = store.collection('mqtt-queue');
  const incoming = store.collection('mqtt-incoming');
  const write = createGroupedWrites(rows);
  const writeIncoming = createGroupedWrites(incoming);
  const lengths = new LRUCache<string, Promise<number>>({ max: maxCounted });
  let last = 0;
  let counter = 0;

  const nextOrder = (): string => {
    const at = Math.max(last, now());
    counter = at === last ? counter + 1 : 0;
    last = at;
    return `${String(at).padStart(15, '0')}-${String(counter).padStart(6, '0')}-${node}`;
  };

  /** About how many wait: what other nodes add or take is not counted until this one counts anew. */
  const lengthOf = (client: string): Promise<number> => {
    const known = lengths.get(client);
    return known ?? remember(client, rows.countDocuments({ client }, { limit: most }));
  };
  /** What cannot be counted is counted anew the next time. */
  const remember = (client: string, length: Promise<number>): Promise<number> => {
    lengths.set(client, length);
    length.catch(() => lengths.get(client) === length && lengths.delete(client));
    return length;
  };
  const count = (client: string, by: number): void => {
    const known = lengths.get(client);
    if (known === undefined) return;
    void remember(
      client,
      known.then((length) => Math.max(0, length + by)),
    );
  };

  /** When it was last counted how much waits for a session that has as much as it may. */
  const counted = new LRUCache<string, number>({ max: maxCounted });
  /** Other nodes may have taken something. */
  const hasRoomNow = async (client: string): Promise<boolean> => {
    if (now() - (counted.get(client) ?? 0) < recountMs) return false;
    counted.set(client, now());
    lengths.delete(client);
    if ((await lengthOf(client)) >= most) return false;
    counted.delete(client);
    return true;
  };

  const idOf = (message: string, clientId: string): string => `${message}/${clientId}`;

  /** Rows that are being stored, and those that were stored lately. */
  const adding = new Map<string, Promise<void>>();
  const added = createRecentSet(maxAdded);

  const insert = async (row: MqttQueueDocument): Promise<void> => {
    const { _id, client, ...rest } = row;
    if ((await lengthOf(client)) >= most && !(await hasRoomNow(client))) return;
    count(client, 1);
    try {
      await write(_id, { updateOne: { filter: { _id }, update: { $setOnInsert: { client, ...rest } }, upsert: true } });
      added.add(_id);
    } catch (error) {
      count(client, -1);
      throw error;
    }
  };

  const insertOnce = (row: MqttQueueDocument): Promise<void> | undefined => {
    const { _id } = row;
    if (added.has(_id)) return undefined;
    const underWay = adding.get(_id) ?? insert(row).finally(() => adding.delete(_id));
    adding.set(_id, underWay);
    return underWay;
  };

  return {
    async add(message, publication, sessions) {
      const order = nextOrder();
      const added = [...sessions].map(([client, qos]) =>
        insertOnce({
          ...stored(publication),
          _id: idOf(message, client),
          client,
          order,
          qos: Math.min(qos, publication.qos) as QoS,
          retain: false,
        }),
      );
      await Promise.all(added);
    },
    idOf,
    async *of(clientId) {
      for await (const row of rows.find({ client: clientId }).sort({ order: 1 })) yield waiting(row);
    },
    async inFlight(clientId) {
      const filter = { client: clientId, messageId: { $exists: true } };
      const found = await rows.find(filter, { projection: { messageId: 1 } }).toArray();
      return new Map(found.map(({ _id, messageId = 0 }) => [messageId, _id]));
    },
    sent: (id, messageId) => write(id, { updateOne: { filter: { _id: id }, update: { $set: { messageId } } } }),
    received: (id) => write(id, { updateOne: { filter: { _id: id }, update: { $set: { received: true } } } }),
    remove(clientId, id) {
      count(clientId, -1);
      return write(id, { deleteOne: { filter: { _id: id } } });
    },
    incoming: async (clientId) => (await incoming.find({ client: clientId }).toArray()).map(({ messageId }) => messageId),
    addIncoming(clientId, messageId) {
      const id = `${messageId}/${clientId}`;
      return writeIncoming(id, {
        replaceOne: { filter: { _id: id }, replacement: { client: clientId, messageId }, upsert: true },
      });
    },
    removeIncoming(clientId, messageId) {
      const id = `${messageId}/${clientId}`;
      return writeIncoming(id, { deleteOne: { filter: { _id: id } } });
    },
  };
};

const waiting = (row: MqttQueueDocument): QueuedPublish => ({
  ...publicationOf(row),
  id: row._id,
  messageId: row.messageId,
  received: row.received === true,
});
