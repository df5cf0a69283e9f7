import { mayMessage } from '../../domain/access.ts';
import type { Sent } from '../../domain/message.ts';
import { messageBody } from '../../domain/message.ts';
import { forwardersOf, oldForwardersOf, type WebhookRule } from '../../domain/webhook-rules.ts';
import type { Kind, Route } from '../subscription-routes.ts';
import { maxHops, type Spread } from './delivery-budget.ts';
import type { Webhooks } from './webhooks.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';

/** Makes the requests that devices have asked for, on the node where something happened (MS-6.3, MS-6.5). */
export interface Forwarding {
  /** A device has emitted something. */
  sent(kind: Kind, emitter: DeviceDocument, raw: unknown, spread: Spread, forwardedRoutes: readonly Route[]): void;
  /** Something has reached a device that listens to what it receives. */
  received(
    kind: Kind,
    device: DeviceDocument,
    raw: unknown,
    route: Route,
    spread: Spread,
    forwardedRoutes: readonly Route[],
  ): void;
  /** A message, for the old settings of its sender and of those that got it. `find` gives the documents of those that it goes on to. */
  old(
    sent: Sent,
    sender: DeviceDocument,
    addressees: readonly DeviceDocument[],
    spread: Spread,
    find: (uuid: string) => Promise<DeviceDocument | null>,
  ): Promise<void>;
  /** A change of a device, for its old settings. */
  oldConfig(document: DeviceDocument, body: unknown, spread: Spread): void;
}

/** One message that a device sends on. */
interface Onward {
  readonly from: DeviceDocument;
  readonly to: readonly string[];
}

/** `pass`: sends a message on from a device to others; `chain` says which message it comes from, and what is left of its webhook requests. */
export const createForwarding = (
  webhooks: Pick<Webhooks, 'add'>,
  pass: (
    from: string,
    to: readonly string[],
    body: Readonly<Record<string, unknown>>,
    chain: Required<Pick<Sent, 'origin' | 'requestsLeft'>>,
  ) => void,
): Forwarding => {
  const request = (
    hooks: readonly WebhookRule[],
    { uuid }: DeviceDocument,
    type: string,
    raw: unknown,
    spread: Spread,
    route: Route,
    forwardedRoutes: readonly Route[],
  ): void => {
    for (const hook of hooks) {
      const requestsLeft = spread.spend() ? spread.takeRequest() : undefined;
      if (requestsLeft === undefined) return;
      webhooks.add({
        uuid,
        requestsLeft,
        hook,
        body: JSON.stringify(raw),
        headers: {
          'x-meshblu-message-type': type,
          ...(route.length > 0 && { 'x-meshblu-route': JSON.stringify(route) }),
          ...(forwardedRoutes.length > 0 && { 'x-meshblu-forwarded-routes': JSON.stringify(forwardedRoutes) }),
        },
      });
    }
  };

  /** Those who may have the message from this device, and have had no forwarded copy of it: each gets one, from the first that sends it on. */
  const permitted = async (
    { from, to }: Onward,
    spread: Spread,
    find: (uuid: string) => Promise<DeviceDocument | null>,
  ): Promise<readonly string[]> => {
    const fresh = to.filter((uuid) => !spread.hasOrigin('forwarded', uuid) && spread.spend());
    const found = await Promise.all(fresh.map((uuid) => find(uuid)));
    return found.flatMap((device) =>
      device !== null && mayMessage(from, device) && spread.enterOrigin('forwarded', device.uuid) ? [device.uuid] : [],
    );
  };

  return {
    sent(kind, emitter, raw, spread, forwardedRoutes) {
      request(forwardersOf(emitter, kind, 'sent').hooks, emitter, `${kind}.sent`, raw, spread, [], forwardedRoutes);
    },
    received(kind, device, raw, route, spread, forwardedRoutes) {
      request(forwardersOf(device, kind, 'received').hooks, device, `${kind}.received`, raw, spread, route, forwardedRoutes);
    },
    async old(sent, sender, addressees, spread, find) {
      const body = messageBody(sent);
      const passed = Array.isArray(body['forwardedFor']) ? (body['forwardedFor'] as readonly unknown[]) : [];
      const onward: Onward[] = [];
      const forward = (device: DeviceDocument, type: 'broadcast' | 'received'): void => {
        const { hooks, to } = oldForwardersOf(device, type);
        request(hooks, device, type, body, spread, [], []);
        // A device that the message has passed already ends it.
        if (to.length === 0 || passed.length >= maxHops || passed.includes(device.uuid)) return;
        if (spread.enterOrigin(type, device.uuid)) onward.push({ from: device, to });
      };
      request(oldForwardersOf(sender, 'sent').hooks, sender, 'sent', body, spread, [], []);
      if (sent.broadcast) forward(sender, 'broadcast');
      for (const addressee of addressees) forward(addressee, 'received');
      const ready: Onward[] = [];
      for (const one of onward) {
        await spread.rest();
        ready.push({ from: one.from, to: await permitted(one, spread, find) });
      }
      for (const { from, to } of ready) {
        if (to.length > 0)
          pass(
            from.uuid,
            to,
            { ...sent.raw, forwardedFor: [...passed, from.uuid] },
            { origin: spread.pass(), requestsLeft: spread.requestsLeft },
          );
      }
    },
    oldConfig(document, body, spread) {
      request(oldForwardersOf(document, 'config').hooks, document, 'config', body, spread, [], []);
    },
  };
};
