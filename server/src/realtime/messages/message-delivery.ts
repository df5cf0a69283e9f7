import type { Connection, Connections, EventMetadata } from '../connections.ts';
import { hears, mayMessage, whoIs, type Channel } from '../../domain/access.ts';
import { messageBody, type Sent } from '../../domain/message.ts';
import type { StoredSubscriptions } from '../stored-subscriptions.ts';
import type { LaggingConnections } from '../resume/lagging-connections.ts';
import type { Subscriptions } from '../subscriptions.ts';
import type { Forwarding } from './forwarding.ts';
import { routeFrom, type Kind, type Route } from '../subscription-routes.ts';
import { forwardersOf } from '../../domain/webhook-rules.ts';
import { maxHops, type Spread, type Spreads } from './delivery-budget.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';

/** Who may get a delivery, by whose documents that is decided, and what becomes of it. */
export interface DeliveryContext {
  /** A device's document; null if there is none. */
  find(uuid: string): Promise<DeviceDocument | null>;
  admits(connection: Connection): boolean;
  send(to: readonly Connection[], event: string, body: unknown, extras: EventMetadata): void;
}

/** What goes to the listeners of this node. */
export interface MessageDelivery {
  /**
   * A delivery of this device is about to queue: what it will need is asked for now, together with that of others. Its turn comes
   * one at a time, and to wait for the store there would hold back everything behind it.
   */
  expect(uuid: string): void;
  /**
   * A message: to its addressees, to whoever listens, along stored subscriptions. Resolves when it has been handed to the connections.
   *
   * `origin`: it came in on this node, which makes the requests that devices have asked for. `view`: what is not as for a new delivery.
   */
  message(sent: Sent, extras: EventMetadata, origin: boolean, view?: Partial<DeliveryContext>): Promise<void>;
  /** A device's document has changed, or the device was removed: to whoever listens to it, along stored subscriptions. */
  changed(
    document: DeviceDocument,
    kind: 'configure' | 'unregister',
    body: unknown,
    extras: EventMetadata,
    origin: boolean,
    view?: Partial<DeliveryContext>,
  ): Promise<void>;
}

/** Opens the deliveries of a node. Permission is asked for each listener, by the documents of the moment. */
export const createMessageDelivery = (options: {
  readonly connections: Connections;
  readonly listening: Subscriptions;
  readonly devices: Repository<DeviceDocument>;
  readonly subscriptions: StoredSubscriptions;
  readonly forwarding: Forwarding;
  readonly spreads: Pick<Spreads, 'begin'>;
  /** Connections that new deliveries pass by. */
  readonly behind: Pick<LaggingConnections, 'has'>;
  /** Keeps by which documents it was decided who gets a message. */
  readonly note: (message: string, documents: ReadonlyMap<string, DeviceDocument | null>) => void;
  /** Fails while this node may not deliver. */
  readonly available: () => void;
}): MessageDelivery => {
  const { connections, listening, devices, subscriptions, forwarding, spreads, behind, note, available } = options;
  const present: DeliveryContext = {
    find: (uuid) => devices.get(uuid),
    admits: (connection) => !behind.has(connection),
    send: (to, event, body, extras) => connections.send(to, event, body, extras),
  };

  const listeners = (channel: Channel, emitter: DeviceDocument, topic: string | undefined): Connection[] => {
    const hearing: Connection[] = [];
    for (const { connection, subject, passes } of listening.to(channel, emitter.uuid)) {
      if (passes(topic) && hears(subject, channel, emitter)) hearing.push(connection);
    }
    return hearing;
  };

  /** Sends to connections that have not had it yet: one copy per connection, whatever the reasons. */
  const once = (event: string, body: unknown, extras: EventMetadata, { admits, send }: DeliveryContext) => {
    const told = new Set<Connection>();
    return (to: Iterable<Connection>, changed: unknown = body): void => {
      const fresh = [...to].filter((connection) => !told.has(connection) && admits(connection));
      for (const connection of fresh) told.add(connection);
      if (fresh.length > 0) send(fresh, event, changed, extras);
    };
  };

  /**
   * Old stored subscriptions: the same goes to whoever listens to the subscriber (MS-6.2). Each subscriber has it
   * once, by the shortest way.
   */
  const forward = async (
    type: 'broadcast' | 'sent' | 'received' | 'config',
    emitter: DeviceDocument,
    topic: string | undefined,
    tell: (to: Iterable<Connection>, forwardedFor: readonly string[]) => void,
    view: DeliveryContext,
    spread: Spread,
  ): Promise<void> => {
    spread.enter(type, emitter.uuid);
    const emitters = [{ device: emitter, passed: [emitter.uuid] }];
    // The list grows while it is gone through.
    for (const { device, passed } of emitters) {
      for (const { subscriberUuid, type: subscribed } of await subscriptions.of(device.uuid)) {
        await spread.rest();
        if (subscribed !== type || spread.has(type, subscriberUuid)) continue;
        if (!spread.spend()) return;
        const subscriber = await view.find(subscriberUuid);
        if (subscriber === null || !hears(whoIs(subscriber), type, device)) continue;
        spread.enter(type, subscriberUuid);
        tell(listeners(type, subscriber, topic), passed);
        if (passed.length < maxHops) emitters.push({ device: subscriber, passed: [...passed, subscriberUuid] });
      }
    }
  };

  /** Carries something along the version 2 subscriptions; whoever asked for it emits it again as his own (MS-6.5). */
  const route = async (
    kind: Kind,
    emitter: DeviceDocument,
    raw: unknown,
    extras: EventMetadata,
    origin: boolean,
    view: DeliveryContext,
    spread: Spread,
    to: readonly DeviceDocument[] = [],
    forwardedRoutes: readonly Route[] = [],
  ): Promise<void> => {
    if (origin) forwarding.sent(kind, emitter, raw, spread, forwardedRoutes);
    if (!origin && !listening.hasFirehose()) return;
    const rawData = JSON.stringify(raw);
    const again: { readonly device: DeviceDocument; readonly hops: Route }[] = [];
    await routeFrom(
      {
        find: (uuid) => view.find(uuid),
        subscriptionsOf: (uuid) => subscriptions.of(uuid),
        publish(device, hops) {
          const hearing = [...listening.to('firehose', device.uuid)]
            .map(({ connection }) => connection)
            .filter((connection) => view.admits(connection));
          const metadata = { route: hops, ...(forwardedRoutes.length > 0 && { forwardedRoutes }) };
          if (hearing.length > 0) view.send(hearing, 'firehose', { metadata, rawData }, extras);
          if (origin) forwarding.received(kind, device, raw, hops, spread, forwardedRoutes);
          if (kind !== 'message' && forwardersOf(device, kind, 'received').again) again.push({ device, hops });
        },
      },
      kind,
      emitter,
      spread,
      to,
      forwardedRoutes.length > 0 ? 'again ' : '',
    );
    for (const { device, hops } of again) {
      if (forwardedRoutes.length < maxHops && spread.enter(`again ${kind}`, device.uuid))
        await route(kind, device, raw, extras, origin, view, spread, [], [...forwardedRoutes, hops]);
    }
  };

  const deliver = async (
    sent: Sent,
    extras: EventMetadata,
    origin: boolean,
    given: Partial<DeliveryContext>,
    spread: Spread,
  ): Promise<void> => {
    const { from, to, topic, broadcast } = sent;
    const view = { ...present, ...given };
    // The deliveries of a forwarded message were taken when it was made.
    const isForwarded = origin && sent.origin !== undefined;
    if (isForwarded) await spread.rest();
    const sender = await view.find(from);
    if (sender === null) return;
    const addressees: DeviceDocument[] = [];
    const decidedBy = new Map<string, DeviceDocument | null>([[from, sender]]);
    for (const uuid of to) {
      const addressee = uuid === from ? sender : await view.find(uuid);
      decidedBy.set(uuid, addressee);
      if (addressee !== null && mayMessage(sender, addressee) && (isForwarded || spread.spend())) addressees.push(addressee);
    }
    available();
    if (given.find === undefined) note(sent.id, decidedBy);
    const body = messageBody(sent);
    const tell = once(sent.event, body, extras, view);
    const tellForwarded = (hearing: Iterable<Connection>, forwardedFor: readonly string[]): void =>
      tell(hearing, { ...body, forwardedFor });
    for (const addressee of addressees) tell(connections.of(addressee.uuid));
    if (sent.event === 'messageAck') return;
    for (const addressee of addressees) tell(listeners('received', addressee, topic));
    tell(listeners('sent', sender, topic));
    if (broadcast) tell(listeners('broadcast', sender, topic));
    await forward('sent', sender, topic, tellForwarded, view, spread);
    if (broadcast) {
      await forward('broadcast', sender, topic, tellForwarded, view, spread);
      await route('broadcast', sender, sent.raw, extras, origin, view, spread);
    }
    if (to.length > 0) await route('message', sender, sent.raw, extras, origin, view, spread, addressees);
    if (origin) await forwarding.old(sent, sender, addressees, spread, view.find);
  };

  return {
    async message(sent, extras, origin, given = {}) {
      const spread = spreads.begin(sent.id, origin ? sent.origin : undefined, sent.requestsLeft);
      try {
        await deliver(sent, extras, origin, given, spread);
      } finally {
        spread.done();
      }
    },

    expect(uuid) {
      subscriptions.of(uuid).catch(() => undefined);
    },

    async changed(document, kind, body, extras, origin, given = {}) {
      available();
      const view = { ...present, ...given };
      const spread = spreads.begin(document.uuid, undefined, document._rollcall?.requestsLeft);
      if (kind === 'configure') {
        const tell = once('config', body, extras, view);
        tell(connections.of(document.uuid));
        tell(listeners('config', document, undefined));
        await forward('config', document, undefined, (hearing) => tell(hearing), view, spread);
      }
      await route(kind, document, body, extras, origin, view, spread);
      if (origin && kind === 'configure') forwarding.oldConfig(document, body, spread);
    },
  };
};
