import type { Connection, Connections, EventMetadata } from '../connections.ts';
import { outgoing } from '../../domain/device-view.ts';
import type { History } from './history.ts';
import type { MessageDelivery, DeliveryContext } from '../messages/message-delivery.ts';
import type { Pushes } from '../pushes/pushes.ts';
import { sentOf } from '../messages/feed-message.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { Change } from '../../data/feed/change.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';

/** It is no longer known by which document one would have to decide whether an event was permitted at its time. */
export class Undecided extends Error {}

/** Sends a connection again what a change meant for it; answers how many events that were. Fails with `Undecided`. */
export type Replay = (connection: Connection, change: Change) => Promise<number>;

interface Event {
  readonly name: string;
  readonly body: unknown;
  readonly extras: EventMetadata;
}

/** A message that is the same but for the way on which it was handed on is the same event. */
const nameOf = ({ name, body }: Event): string => (name === 'firehose' ? JSON.stringify(body) : name);

/**
 * What is replayed has to be permitted by the documents of its own time and by the present ones (ME-4): the delivery is
 * looked at through both, with the same rules as a new one.
 */
export const createReplay = (options: {
  readonly deliveries: MessageDelivery;
  readonly pushes: Pick<Pushes, 'matching' | 'replay'>;
  readonly history: History;
  readonly devices: Repository<DeviceDocument>;
  readonly connections: Pick<Connections, 'send'>;
}): Replay => {
  const { deliveries, pushes, history, devices, connections } = options;

  /** The events that a delivery would be for this connection alone. */
  const seen = async (
    connection: Connection,
    find: DeliveryContext['find'],
    deliver: (view: Partial<DeliveryContext>) => Promise<void>,
  ): Promise<readonly Event[]> => {
    const events: Event[] = [];
    await deliver({
      find,
      admits: (other) => other === connection,
      send: (_to, name, body, extras) => void events.push({ name, body, extras }),
    });
    return events;
  };

  /** How a change is delivered through a view; null if it is not. */
  const deliveryOf = (change: Change): ((view: Partial<DeliveryContext>, isPast: boolean) => Promise<void>) | null => {
    const { collection, type, document, cursor } = change;
    if (document === null) return null;
    if (collection === 'messages') {
      const sent = sentOf(document);
      return (view) => deliveries.message(sent, { id: sent.id, cursor }, false, view);
    }
    const device = document as DeviceDocument;
    const { uuid, _rollcall: hidden } = device;
    if (type === 'insert' || hidden === undefined || (hidden.gone === undefined && hidden.shown !== hidden.rev)) return null;
    const extras = { id: `${uuid}:${hidden.rev}`, cursor };
    const body = outgoing(device);
    return async (view, isPast) => {
      if (hidden.gone !== undefined) return deliveries.changed(device, 'unregister', body, extras, false, view);
      const decides = isPast ? device : await devices.get(uuid);
      if (decides !== null) await deliveries.changed(decides, 'configure', body, extras, false, view);
    };
  };

  return async (connection, change) => {
    const due = pushes.matching(change);
    if (due.length > 0) return pushes.replay(connection, due);
    const deliver = deliveryOf(change);
    if (deliver === null) return 0;
    let unknown = false;
    const findThen: DeliveryContext['find'] = async (uuid) => {
      const earlier = history.documentAt(uuid, change.position, change.collection === 'messages' ? String(change.id) : undefined);
      if (earlier === 'unknown') unknown = true;
      return earlier === 'same' ? devices.get(uuid) : earlier === 'unknown' ? null : earlier;
    };
    const then = await seen(connection, findThen, (view) => deliver(view, true));
    if (then.length === 0 && !unknown) return 0;
    const now = await seen(
      connection,
      (uuid) => devices.get(uuid),
      (view) => deliver(view, false),
    );
    const permitted = new Set(then.map(nameOf));
    const both = now.filter((event) => permitted.has(nameOf(event)));
    if (unknown && both.length < now.length) throw new Undecided();
    for (const { name, body, extras } of both) connections.send([connection], name, body, extras);
    return both.length;
  };
};
