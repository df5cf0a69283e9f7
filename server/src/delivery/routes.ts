import { grants, whoIs } from '../domain/access.ts';
import type { DeviceDocument } from '../store/collections.ts';
import type { Subscription } from '../stored-subscriptions.ts';

/** One step of a message from device to device (Meshblu reference, section 6.4). */
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

/** How many steps one message may take in all; circles end by themselves, but many devices that all listen to each other do not soon. */
const maxSteps = 2_000;

const listOf = (kind: Kind, side: 'sent' | 'received') =>
  kind === 'unregister' ? (`configure.${side}` as const) : (`${kind}.${side}` as const);

/**
 * Carries something from a device along the stored version 2 subscriptions.
 *
 * `emitter` is the document of the device as it is at this moment (the removed one for `unregister`); `to` are the addressees that a message
 * goes to beside the subscribers of what the sender sends.
 */
export const routeFrom = async (
  sources: RoutingSources,
  kind: Kind,
  emitter: DeviceDocument,
  to: readonly DeviceDocument[] = [],
): Promise<void> => {
  let steps = 0;

  /** Somebody may get what reached `to`: whoever subscribed to what it receives, itself among them. */
  const received = async (from: string, reached: DeviceDocument, route: Route): Promise<void> => {
    const type = `${kind}.received`;
    const self = from === reached.uuid;
    if (route.some((hop) => hop.from === from && hop.to === reached.uuid && hop.type === type)) return;
    for (const { subscriberUuid, type: subscribed } of await sources.subscriptionsOf(reached.uuid)) {
      if (subscribed !== type || (self && subscriberUuid !== reached.uuid)) continue;
      if ((steps += 1) > maxSteps) return;
      // A route that would enter a device twice ends.
      if (subscriberUuid !== reached.uuid && route.some((hop) => hop.from === subscriberUuid || hop.to === subscriberUuid))
        continue;
      const subscriber = subscriberUuid === reached.uuid ? reached : await sources.find(subscriberUuid);
      if (subscriber === null) continue;
      if (subscriber !== reached && !grants(reached, listOf(kind, 'received'), whoIs(subscriber))) continue;
      const next = [...route, { from, to: reached.uuid, type }];
      if (self) sources.publish(reached, next);
      await received(reached.uuid, subscriber, next);
    }
  };

  const type = `${kind}.sent`;
  for (const { subscriberUuid, type: subscribed } of await sources.subscriptionsOf(emitter.uuid)) {
    if (subscribed !== type) continue;
    const subscriber = subscriberUuid === emitter.uuid ? emitter : await sources.find(subscriberUuid);
    if (subscriber === null) continue;
    if (subscriber !== emitter && !grants(emitter, listOf(kind, 'sent'), whoIs(subscriber))) continue;
    await received(emitter.uuid, subscriber, [{ from: emitter.uuid, to: subscriberUuid, type }]);
  }
  for (const addressee of to) await received(emitter.uuid, addressee, []);
};
