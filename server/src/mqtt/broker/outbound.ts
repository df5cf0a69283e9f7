import type { AedesPublishPacket } from 'aedes';
import type { TopicPermission } from '../topic-authorization.ts';
import type { Publications } from '../publications.ts';
import type { OfflineQueue } from '../offline-queue.ts';
import type { Publication } from '../stored-message.ts';
import type { QoS } from '../subscription-index.ts';
import { backlogOf, forgetPacket, isLetIn, offerAgain, unreadBy } from './aedes-internals.ts';
import { coalesceWrites, flushWrites } from './write-coalescing.ts';
import type { ClientSession } from './client-session.ts';
import type { EncodedEvent } from './event-encoding.ts';

/** Sends messages to clients, after a check that they may still have them. */
export interface Outbound {
  /**
   * Announces a message that is about to be emitted, with the persistent sessions that have a row
   * for it.
   */
  expect(id: string, topic: string, kept: ReadonlyMap<string, QoS>): void;
  /**
   * Sends a message to the client of a persistent session that connected while it was stored,
   * unless it has had it.
   */
  offer(clientId: string, id: string, publication: Publication): void;
  /** Checks a message on its way to a client. Returns the packet to send, or null. */
  forward(link: ClientSession | undefined, packet: AedesPublishPacket): AedesPublishPacket | null;
  /**
   * Sends a client a message on its own topic, if it subscribes to that. Without a message's id it
   * is not repeated.
   */
  tell(link: ClientSession, told: EncodedEvent, message: string | undefined): void;
}

/**
 * Bytes that may wait for one connection. Beyond them QoS 0 is dropped, and any other message ends
 * the connection.
 */
const maxBacklogBytes = 1_048_576;
/** Packets that may wait for one connection. */
const maxBacklog = 10_000;

/**
 * A unique stamp for each message. aedes would take overtaken messages of one broker for repeats.
 */
export const stampOf = (id: string): { readonly brokerId: string; readonly brokerCounter: number } => ({
  brokerId: id,
  brokerCounter: 1,
});

/** A payload as bytes. Those of a packet are not copied. */
export const bytesOf = (payload: string | Buffer): Buffer => (typeof payload === 'string' ? Buffer.from(payload) : payload);

/** Creates the outbound side. `here`: the session of a client that is connected here. */
export const createOutbound = (kit: {
  readonly here: (clientId: string) => ClientSession | undefined;
  readonly queue: OfflineQueue;
  readonly publications: Pick<Publications, 'keep'>;
  readonly permission: TopicPermission;
  readonly nextMessage: () => string;
  readonly report: (error: unknown) => void;
}): Outbound => {
  const { here, queue, publications, permission, nextMessage } = kit;

  const expect = (id: string, topic: string, kept: ReadonlyMap<string, QoS>): void => {
    for (const clientId of kept.keys()) {
      const link = here(clientId);
      if (link?.keeps === true && link.filters.wanted(topic) !== undefined) expectRow(link, id);
    }
  };

  const expectRow = ({ client, outgoing }: ClientSession, id: string): void => {
    const row = queue.idOf(id, client.id);
    outgoing.taken.add(row);
    outgoing.byPacket.set(id, { row, waited: false });
  };

  const offer = (clientId: string, id: string, publication: Publication): void => {
    const link = here(clientId);
    if (link?.keeps !== true || link.outgoing.taken.has(queue.idOf(id, clientId))) return;
    const offered = link.tellLater(async () => {
      await link.outgoing.drained;
      const wanted = link.filters.wanted(publication.topic) ?? 0;
      if (link.ended || wanted === 0 || link.outgoing.taken.has(queue.idOf(id, clientId))) return;
      expectRow(link, id);
      const qos = Math.min(wanted, publication.qos) as QoS;
      await publications.keep(id, publication, new Map([[clientId, qos]]));
      send(link, { ...publication, qos, retain: false }, id);
    });
    link.track(offered).catch(kit.report);
  };

  const forward = (link: ClientSession | undefined, packet: AedesPublishPacket): AedesPublishPacket | null => {
    if (link === undefined || (link.ended && !isOurs(link, packet))) return null;
    const { client } = link;
    const { topic, brokerId } = packet;
    // [MQTT-3.2.0-1] Stored messages wait for CONNACK.
    if (!isLetIn(client) && !link.outgoing.byPacket.has(brokerId)) return null;
    if (isRetained(packet)) link.retained.sent();
    else if (isNew(link, packet) && link.retained.hold(packet.payload.length, () => void later(link, packet).catch(kit.report)))
      return null;
    forgetPacket(client, link.passed, brokerId);
    // Data that is only being coalesced does not count as unread.
    if (backlogOf(client) > maxBacklogBytes) flushWrites(client);
    // A queued message has its QoS and its identifier already.
    if (packet.qos > 0 && packet.messageId === undefined)
      packet.qos = Math.min(packet.qos, link.filters.wanted(topic) ?? packet.qos) as QoS;
    const isFull = backlogOf(client) > maxBacklogBytes || unreadBy(client) > maxBacklog;
    if (isFull || (packet.qos > 0 && link.outgoing.isFull)) {
      // A stored message is sent again when the client returns.
      if (packet.qos > 0) setImmediate(() => client.close());
      return putBack(link, packet);
    }
    const allowed = isOurs(link, packet) || permission.receive(link.identity, topic, link.own);
    if (allowed === undefined) {
      putBack(link, packet);
      void later(link, packet).catch(kit.report);
      return null;
    }
    if (!allowed) return withhold(link, brokerId);
    if (packet.qos > 0 && packet.messageId === undefined) packet.messageId = link.outgoing.nextMessageId();
    coalesceWrites(client);
    return packet;
  };

  /**
   * Keeps the row of a queued message that is not sent now. aedes clears its identifier, which must
   * not remove the row.
   */
  const putBack = ({ outgoing }: ClientSession, { brokerId, messageId }: AedesPublishPacket): null => {
    const row = messageId === undefined ? undefined : outgoing.byMessageId.get(messageId);
    if (messageId !== undefined && row !== undefined && row !== '') {
      outgoing.byMessageId.set(messageId, '');
      outgoing.byPacket.set(brokerId, { row, waited: false });
    }
    return null;
  };

  /** aedes marks retained messages, so that they are not taken for repeats. */
  const isRetained = ({ brokerId }: AedesPublishPacket): boolean => (brokerId as string | null) === null;

  /** Was it published just now, without waiting in the queue? */
  const isNew = (link: ClientSession, packet: AedesPublishPacket): boolean =>
    packet.messageId === undefined && !isOurs(link, packet);

  /** Did the registry itself send it to this client alone? */
  const isOurs = (link: ClientSession, packet: AedesPublishPacket): boolean =>
    (packet as { readonly clientId?: string }).clientId === link.id;

  const later = async (link: ClientSession, packet: AedesPublishPacket): Promise<void> => {
    const { topic, payload, qos, retain, brokerId } = packet;
    if (!(await permission.subscribe(link.identity, topic, link.own))) return void withhold(link, brokerId);
    offerAgain(link.client, brokerId);
    send(link, { topic, payload: bytesOf(payload), qos: qos as QoS, retain }, brokerId);
  };

  /** Drops a message that the client may not have any more, and its row. */
  const withhold = (link: ClientSession, id: string): null => {
    const { client, outgoing } = link;
    const message = outgoing.byPacket.get(id);
    if (message !== undefined) {
      outgoing.byPacket.delete(id);
      link.track(queue.remove(client.id, message.row)).catch(kit.report);
    }
    return null;
  };

  /** Sends a message to one client, independently of the other subscribers. */
  const send = (link: ClientSession, { topic, payload, qos, retain }: Publication, id: string): void => {
    const packet = { cmd: 'publish' as const, topic, payload, qos, retain, dup: false, clientId: link.id, ...stampOf(id) };
    link.client.publish(packet, () => undefined);
  };

  const tell = (link: ClientSession, { topic, payload }: EncodedEvent, message: string | undefined): void => {
    const wanted = link.filters.wanted(topic);
    if (wanted === undefined) return;
    const publication: Publication = { topic, payload: Buffer.from(payload), qos: wanted > 0 ? 1 : 0, retain: false };
    const id = message ?? nextMessage();
    if (!link.keeps || link.ended || publication.qos === 0) return send(link, publication, id);
    const clientId = link.client.id;
    // It may have been stored and offered before its delivery came here.
    if (link.outgoing.taken.has(queue.idOf(id, clientId))) return;
    expectRow(link, id);
    const told = link.tellLater(async () => {
      await publications.keep(id, publication, new Map([[clientId, publication.qos]]));
      send(link, publication, id);
      // Another connection may have taken the session over, and may have read its queue before this
      // write.
      if (here(clientId) !== link) offer(clientId, id, publication);
    });
    link.track(told).catch(kit.report);
  };

  return { expect, offer, forward, tell };
};
