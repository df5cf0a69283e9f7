import type { Change, Feed } from '../delivery/feed.ts';
import { sentOf } from '../delivery/placed.ts';
import { mayMessage } from '../domain/access.ts';
import { messageBody, type Sent } from '../domain/message.ts';
import type { Documents } from '../door.ts';
import type { DeviceDocument } from '../store/collections.ts';
import type { MqttQueue } from './queue.ts';
import type { MqttSessions } from './sessions.ts';
import type { Publication } from './stored-publish.ts';

/**
 * Keeps messages of the registry for the kept sessions of their addressees that are away and subscribe to their own uuid with QoS 1 or 2. Whoever
 * is there gets them at once (see `delivery/messages.ts`); a message is kept once, whichever node is faster.
 *
 * The function returned ends it.
 */
export const openMailbox = (options: {
  readonly feed: Pick<Feed, 'subscribe'>;
  readonly devices: Documents<DeviceDocument>;
  readonly sessions: Pick<MqttSessions, 'match' | 'isConnected'>;
  /** Sends it to the client of a session that is here and has not had it. */
  readonly offer: (clientId: string, id: string, publication: Publication) => void;
  readonly queue: Pick<MqttQueue, 'add'>;
  /** The payload that says it. */
  readonly wording: (event: string, data: unknown) => string;
  readonly report: (error: unknown) => void;
}): (() => void) => {
  const { feed, devices, sessions, queue, offer, wording, report } = options;

  const keep = async (sent: Sent, uuid: string): Promise<void> => {
    const wanting = sessions.match(uuid);
    if (wanting.size === 0) return;
    const [sender, addressee] = await Promise.all([devices.find(sent.from), devices.find(uuid)]);
    if (sender === null || addressee === null || !mayMessage(sender, addressee)) return;
    const payload = Buffer.from(wording(sent.event, messageBody(sent)));
    const publication = { topic: uuid, payload, qos: 1, retain: false } as const;
    const away = new Map([...wanting].filter(([clientId]) => !sessions.isConnected(clientId)));
    if (away.size > 0) await queue.add(sent.id, publication, away);
    for (const clientId of wanting.keys()) offer(clientId, sent.id, publication);
  };

  return feed.subscribe(({ collection, type, document }: Change) => {
    if (collection !== 'messages' || type !== 'insert' || document === null) return;
    const sent = sentOf(document);
    for (const uuid of sent.to) void keep(sent, uuid).catch(report);
  });
};
