import { grants, whoIs } from '../domain/access.ts';
import type { Subscription } from './stored-subscriptions.ts';
import { maxHops, type Spread } from './messages/delivery-budget.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';

/** One step of a message from device to device (MS-6.4). */
export interface Hop {
  readonly from: string;
  readonly to: string;
  readonly type: string;
}

/** The steps so far. */
export type Route = readonly Hop[];

/** What is routed: messages, broadcasts, changes of documents, and unregistrations. */
export type Kind = 'message' | 'broadcast' | 'configure' | 'unregister';

/** What routing asks of the registry. */
export interface RoutingSources {
  find(uuid: string): Promise<DeviceDocument | null>;
  subscriptionsOf(emitterUuid: string): Promise<readonly Subscription[]>;
  /** A device gets something: the last hop is from itself to itself. */
  publish(device: DeviceDocument, route: Route): void;
}

const listOf = (kind: Kind, side: 'sent' | 'received') =>
  kind === 'unregister' ? (`configure.${side}` as const) : (`${kind}.${side}` as const);

/** A device that something reaches, and the way that it came. */
interface Arrival {
  readonly from: string;
  readonly device: DeviceDocument;
  readonly route: Route;
  /** By which kind of first step it came: a device gets one copy for each. */
  readonly role: string;
}

/**
 * Carries something from a device along the stored version 2 subscriptions, the shortest routes first.
 *
 * `emitter` is the document of the device as it is at this moment (the removed one for `unregister`); `to` are the addressees that a message
 * goes to beside the subscribers of what the sender sends. Each device is reached once by what the sender sent, and once as one that an
 * addressee hands on to. `emission` tells apart what is emitted again.
 */
export const routeFrom = async (
  sources: RoutingSources,
  kind: Kind,
  emitter: DeviceDocument,
  spread: Spread,
  to: readonly DeviceDocument[] = [],
  emission = '',
): Promise<void> => {
  const type = `${kind}.received`;
  const arrivals: Arrival[] = [];

  const reach = (from: string, device: DeviceDocument, route: Route, role: string): void => {
    if (route.length < maxHops && spread.enter(role, device.uuid)) arrivals.push({ from, device, route, role });
  };

  /** The subscriber, if it may have what comes from this device and has not had it. */
  const permitted = async (uuid: string, list: ReturnType<typeof listOf>, of: DeviceDocument): Promise<DeviceDocument | null> => {
    const subscriber = uuid === of.uuid ? of : await sources.find(uuid);
    return subscriber === null || subscriber === of || grants(of, list, whoIs(subscriber)) ? subscriber : null;
  };

  const sentRole = `${emission}${kind}.sent`;
  for (const { subscriberUuid, type: subscribed } of await sources.subscriptionsOf(emitter.uuid)) {
    await spread.rest();
    if (subscribed !== `${kind}.sent` || spread.has(sentRole, subscriberUuid)) continue;
    if (!spread.spend()) break;
    const subscriber = await permitted(subscriberUuid, listOf(kind, 'sent'), emitter);
    const hop = { from: emitter.uuid, to: subscriberUuid, type: `${kind}.sent` };
    if (subscriber !== null) reach(emitter.uuid, subscriber, [hop], sentRole);
  }
  for (const addressee of to) reach(emitter.uuid, addressee, [], `${emission}${type}`);

  // The list grows while it is gone through.
  for (const { from, device, route, role } of arrivals) {
    const self = from === device.uuid;
    const here = [...route, { from, to: device.uuid, type }];
    for (const { subscriberUuid, type: subscribed } of await sources.subscriptionsOf(device.uuid)) {
      await spread.rest();
      if (subscribed !== type) continue;
      if (subscriberUuid === device.uuid) {
        if (!spread.spend()) return;
        sources.publish(device, self ? here : [...here, { from: device.uuid, to: device.uuid, type }]);
        continue;
      }
      // A route that would enter a device twice ends.
      const isOnRoute = here.some((hop) => hop.from === subscriberUuid || hop.to === subscriberUuid);
      if (self || isOnRoute || spread.has(role, subscriberUuid)) continue;
      if (!spread.spend()) return;
      const subscriber = await permitted(subscriberUuid, listOf(kind, 'received'), device);
      if (subscriber !== null) reach(device.uuid, subscriber, here, role);
    }
  }
};
