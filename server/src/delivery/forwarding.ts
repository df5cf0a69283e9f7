import type { Sent } from '../domain/message.ts';
import { messageBody } from '../domain/message.ts';
import { forwardersOf, oldForwardersOf, type Hook } from '../domain/hooks.ts';
import type { DeviceDocument } from '../store/collections.ts';
import type { Kind, Route } from './routes.ts';
import type { Webhooks } from './webhooks.ts';

/** Makes the requests that devices have asked for, on the node where something happened (Meshblu reference, sections 6.3 and 6.5). */
export interface Forwarding {
  /** A device has emitted something. */
  sent(kind: Kind, emitter: DeviceDocument, raw: unknown, forwardedRoutes: readonly Route[]): void;
  /** Something has reached a device that listens to what it receives. */
  received(kind: Kind, device: DeviceDocument, raw: unknown, route: Route, forwardedRoutes: readonly Route[]): void;
  /** A message, for the old settings of its sender and of those that got it. */
  old(sent: Sent, sender: DeviceDocument, addressees: readonly DeviceDocument[]): void;
  /** A change of a device, for its old settings. */
  oldConfig(document: DeviceDocument, body: unknown): void;
}

/** `pass`: sends a message on from a device to others. */
export const openForwarding = (
  webhooks: Pick<Webhooks, 'add'>,
  pass: (from: string, to: readonly string[], body: Readonly<Record<string, unknown>>) => void,
): Forwarding => {
  const request = (
    hooks: readonly Hook[],
    { uuid }: DeviceDocument,
    type: string,
    raw: unknown,
    route: Route,
    forwardedRoutes: readonly Route[],
  ): void => {
    for (const hook of hooks) {
      webhooks.add({
        uuid,
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

  return {
    sent(kind, emitter, raw, forwardedRoutes) {
      request(forwardersOf(emitter, kind, 'sent').hooks, emitter, `${kind}.sent`, raw, [], forwardedRoutes);
    },
    received(kind, device, raw, route, forwardedRoutes) {
      request(forwardersOf(device, kind, 'received').hooks, device, `${kind}.received`, raw, route, forwardedRoutes);
    },
    old(sent, sender, addressees) {
      const body = messageBody(sent);
      const passed = Array.isArray(body['forwardedFor']) ? (body['forwardedFor'] as readonly unknown[]) : [];
      const forward = (device: DeviceDocument, type: 'sent' | 'broadcast' | 'received'): void => {
        const { hooks, to } = oldForwardersOf(device, type);
        request(hooks, device, type, body, [], []);
        // A device that the message has passed already ends it.
        if (to.length === 0 || passed.includes(device.uuid)) return;
        pass(device.uuid, to, { ...sent.raw, forwardedFor: [...passed, device.uuid] });
      };
      request(oldForwardersOf(sender, 'sent').hooks, sender, 'sent', body, [], []);
      if (sent.broadcast) forward(sender, 'broadcast');
      for (const addressee of addressees) forward(addressee, 'received');
    },
    oldConfig(document, body) {
      request(oldForwardersOf(document, 'config').hooks, document, 'config', body, [], []);
    },
  };
};
