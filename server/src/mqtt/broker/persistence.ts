import type { Client } from 'aedes';
import { Readable } from 'node:stream';
import type { OfflineQueue, QueuedPublish } from '../offline-queue.ts';
import type { Retained } from '../retained.ts';
import type { MqttSessions } from '../sessions.ts';
import type { QoS } from '../subscription-index.ts';
import { isOpen } from './aedes-internals.ts';
import type { ClientSession } from './client-session.ts';

/** Queued messages that get their packet identifiers in one write. */
const maxPart = 200;

/** Topic of a placeholder subscription. It shows aedes that there is a session. */
export const sessionMark = '$rollcall/session';

interface Outbound {
  readonly cmd: 'publish' | 'pubrel';
  readonly brokerId: string;
  readonly messageId: number;
  readonly qos: QoS;
}

interface Identified {
  readonly messageId: number;
}

/**
 * aedes' persistence on the registry's store.
 * A connected client's session is in memory. The store is written before anything is acknowledged.
 *
 * Messages are queued for sessions, and retained, before aedes gets them (see `publications.ts`):
 * aedes acknowledges a QoS 1 message before it calls its persistence.
 */
export const persistenceOf = (kit: {
  readonly sessions: MqttSessions;
  readonly queue: OfflineQueue;
  readonly retained: Retained;
  readonly linkOf: (client: Pick<Client, 'id'>) => ClientSession | undefined;
  /**
   * The client whose subscription aedes has just reported. aedes asks for its retained messages in
   * one step with that.
   */
  readonly subscriber: () => ClientSession | undefined;
  readonly report: (error: unknown) => void;
}) => {
  const { sessions, queue, retained } = kit;
  const nothing = async (): Promise<void> => undefined;
  const linkOf = (client: Pick<Client, 'id'>): ClientSession => {
    const link = kit.linkOf(client);
    if (link === undefined) throw new Error('a client that has left');
    return link;
  };

  /** Prepares a batch of queued messages: each gets its packet identifier, and all are stored. */
  const identified = async (link: ClientSession, part: readonly QueuedPublish[]) => {
    const { outgoing } = link;
    const packets = [];
    const writes: Promise<void>[] = [];
    for (const { id, messageId, received, ...publication } of part) {
      if (outgoing.taken.has(id)) continue;
      outgoing.taken.add(id);
      outgoing.byPacket.set(id, { row: id, waited: true });
      // An earlier connection that ended late may have assigned an identifier that another message
      // has.
      const isOwn = messageId !== undefined && outgoing.byMessageId.get(messageId) === id;
      const given = isOwn ? messageId : outgoing.nextMessageId();
      outgoing.byMessageId.set(given, id);
      if (!isOwn && publication.qos > 0) writes.push(queue.sent(id, given));
      const cmd = received ? 'pubrel' : 'publish';
      // [MQTT-3.6.1-1] PUBREL has no DUP flag.
      const dup = !received && messageId !== undefined;
      packets.push({ cmd, ...publication, brokerId: id, brokerCounter: 1, messageId: given, dup });
    }
    await link.track(Promise.all(writes));
    return packets;
  };

  /**
   * The queued messages of a session, in order. Those already passed to the connection are skipped.
   */
  async function* waiting(link: ClientSession) {
    const { outgoing, client } = link;
    let part: QueuedPublish[] = [];
    try {
      for await (const row of queue.of(client.id)) {
        part.push(row);
        if (part.length < maxPart) continue;
        yield* await identified(link, part);
        part = [];
      }
      yield* await identified(link, part);
    } finally {
      outgoing.drain();
    }
  }

  /** Sessions that retained messages are being sent to, and their next filters. */
  const asked = new WeakMap<ClientSession, Set<string>>();
  /**
   * Retained messages, at the rate of the client's acknowledgements. aedes ignores a failure of
   * this stream.
   */
  async function* retainedPackets(link: ClientSession, next: Set<string>) {
    try {
      while (next.size > 0) {
        const filters = [...next];
        next.clear();
        for await (const publication of retained.matching(filters)) {
          await link.outgoing.room();
          if (!isOpen(link.client)) return;
          link.retained.add();
          yield { cmd: 'publish', ...publication };
        }
      }
    } catch (error) {
      kit.report(error);
      link.client.close();
    } finally {
      asked.delete(link);
      link.retained.end();
    }
  }

  /** Notes the packet identifier of a sent message. One with QoS 0 leaves the queue. */
  const sent = async (link: ClientSession, row: string, { brokerId, messageId, qos }: Outbound): Promise<void> => {
    const { client, outgoing } = link;
    outgoing.byPacket.delete(brokerId);
    if (link.isSuperseded) return;
    if (qos === 0) return link.track(queue.remove(client.id, row));
    outgoing.byMessageId.set(messageId, row);
    await link.track(queue.sent(row, messageId));
  };

  /** Writes of subscriptions in progress: aedes asks once for each filter of a packet. */
  const writing = new WeakMap<ClientSession, Promise<void>>();
  const keepFilters = (link: ClientSession): Promise<void> | undefined => {
    if (!link.keeps) return undefined;
    const written =
      writing.get(link) ??
      link.line(() => {
        writing.delete(link);
        return sessions.subscribe(link.client.id, link.id, link.filters.all());
      });
    writing.set(link, written);
    return written;
  };

  return {
    setup: nothing,
    storeRetained: nothing,
    createRetainedStreamCombi(filters: readonly string[]): Readable {
      const link = kit.subscriber();
      if (link === undefined) return Readable.from([]);
      const next = asked.get(link);
      if (next !== undefined) {
        // One stream at a time, however often a client subscribes.
        for (const filter of filters) next.add(filter);
        return Readable.from([]);
      }
      const first = new Set(filters);
      asked.set(link, first);
      link.retained.begin();
      return Readable.from(retainedPackets(link, first));
    },

    addSubscriptions: async (client: Client): Promise<void> => keepFilters(linkOf(client)),
    async removeSubscriptions(client: Client, filters: readonly string[]): Promise<void> {
      const link = linkOf(client);
      link.filters.remove(filters);
      await keepFilters(link);
    },
    async subscriptionsByClient(client: Client): Promise<readonly { topic: string; qos: QoS }[]> {
      const link = linkOf(client);
      return link.restored === null ? [] : [{ topic: sessionMark, qos: 0 }, ...link.restored];
    },
    subscriptionsByTopic: async () => [],
    cleanSubscriptions: nothing,

    outgoingEnqueue: nothing,
    outgoingEnqueueCombi: nothing,
    async outgoingUpdate(client: Client, packet: Outbound): Promise<void> {
      const link = linkOf(client);
      const { outgoing } = link;
      if (packet.cmd === 'pubrel') {
        const row = outgoing.byMessageId.get(packet.messageId);
        const turn = link.pubrels();
        if (row !== undefined && row !== '' && !link.isSuperseded) await link.track(queue.received(row));
        return turn();
      }
      const message = outgoing.byPacket.get(packet.brokerId);
      // It was stored together with the other queued messages.
      if (message?.waited === true && packet.qos > 0) return void outgoing.byPacket.delete(packet.brokerId);
      if (message?.waited === true) return sent(link, message.row, packet);
      const turn = link.publishes();
      await outgoing.drained;
      // Without a row the subscription is newer than the message, which is not queued for this
      // client.
      if (message !== undefined) await sent(link, message.row, packet);
      return turn();
    },
    async outgoingClearMessageId(client: Client, packet: Identified): Promise<Identified> {
      const link = linkOf(client);
      const { outgoing, keeps, ended } = link;
      if (ended) return packet;
      const row = outgoing.byMessageId.get(packet.messageId);
      outgoing.acknowledged(packet.messageId);
      if (keeps && row !== undefined && row !== '' && !link.isSuperseded) {
        await link.track(queue.remove(client.id, row));
      }
      return packet;
    },
    outgoingStream(client: Client): Readable {
      const link = kit.linkOf(client);
      if (link?.keeps === true) return Readable.from(waiting(link));
      link?.outgoing.drain();
      return Readable.from([]);
    },

    async incomingGetPacket(client: Client, packet: Identified): Promise<Identified> {
      if (!linkOf(client).incoming.isKnown(packet.messageId)) throw new Error('no such packet');
      return packet;
    },
    incomingStorePacket: nothing,
    async incomingDelPacket(client: Client, { messageId }: Identified): Promise<void> {
      const link = linkOf(client);
      if (!link.incoming.release(messageId)) throw new Error('no such packet');
      if (link.keeps) await link.track(queue.removeIncoming(client.id, messageId));
    },
    cleanIncoming: nothing,

    putWill: nothing,
    delWill: nothing,
    streamWill: () => Readable.from([]),
  };
};
