import type { ChangeFeed } from '../data/feed/change-feed.ts';
import { sentOf } from '../realtime/messages/feed-message.ts';
import { mayMessage } from '../domain/access.ts';
import { messageBody, type Sent } from '../domain/message.ts';
import type { OfflineQueue } from './offline-queue.ts';
import type { MqttSessions } from './sessions.ts';
import type { Publication } from './stored-message.ts';
import type { QoS } from './subscription-index.ts';
import type { Repository } from '../data/repository/types.ts';
import type { Change } from '../data/feed/change.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';

/** Stores messages of the registry for the kept MQTT sessions of their addressees. */
export interface Mailbox {
  /**
   * Stores a message for each kept session of an addressee that subscribes to the addressee's uuid with QoS 1 or 2, whether its client is
   * connected or not, and then sends it to clients that are connected here and have not had it. Settles when it is stored. Undefined if no session
   * wants it.
   */
  keep(sent: Sent): Promise<void> | undefined;
  close(): void;
}

/** Opens it. Messages that other nodes took in come by the feed: a session may have moved here, or its subscription may not be known there. */
export const openOfflineMessages = (options: {
  readonly feed: Pick<ChangeFeed, 'subscribe'>;
  readonly devices: Repository<DeviceDocument>;
  readonly sessions: Pick<MqttSessions, 'match'>;
  /** Sends it to the client of a session that is connected here and has not had it. */
  readonly offer: (clientId: string, id: string, publication: Publication) => void;
  readonly queue: Pick<OfflineQueue, 'add'>;
  /** The payload that says it. */
  readonly wording: (event: string, data: unknown) => string;
  readonly report: (error: unknown) => void;
}): Mailbox => {
  const { feed, devices, sessions, queue, offer, wording, report } = options;
  /** By the id of the message. */
  const underWay = new Map<string, Promise<void>>();

  const keepFor = async (sent: Sent, uuid: string, wanting: ReadonlyMap<string, QoS>): Promise<void> => {
    const [sender, addressee] = await Promise.all([devices.get(sent.from), devices.get(uuid)]);
    if (sender === null || addressee === null || !mayMessage(sender, addressee)) return;
    const payload = Buffer.from(wording(sent.event, messageBody(sent)));
    const publication = { topic: uuid, payload, qos: 1, retain: false } as const;
    await queue.add(sent.id, publication, wanting);
    for (const clientId of wanting.keys()) offer(clientId, sent.id, publication);
  };

  const keep = (sent: Sent): Promise<void> | undefined => {
    const known = underWay.get(sent.id);
    if (known !== undefined) return known;
    const work: Promise<void>[] = [];
    for (const uuid of sent.to) {
      const wanting = sessions.match(uuid, uuid);
      if (wanting.size > 0) work.push(keepFor(sent, uuid, wanting));
    }
    if (work.length === 0) return undefined;
    const kept = Promise.all(work)
      .then(() => undefined)
      .finally(() => underWay.delete(sent.id));
    underWay.set(sent.id, kept);
    return kept;
  };

  const close = feed.subscribe(({ collection, type, document }: Change) => {
    if (collection !== 'messages' || type !== 'insert' || document === null) return;
    keep(sentOf(document))?.catch(report);
  });

  return { keep, close };
};
