import { forwardersOf, oldForwardersOf } from '../domain/webhook-rules.ts';
import type { Node } from '../data/cluster/node.ts';
import type { StoredSubscriptions } from './stored-subscriptions.ts';
import type { Subscriptions } from './subscriptions.ts';
import type { Repository } from '../data/repository/types.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';

/**
 * May anybody hear a broadcast of this device, or have heard it: listen to it now, be away and come back to it, have subscribed for good, or have
 * asked for requests? False only if that is certain, at once and without a load; never while there are other nodes.
 */
export type Audience = (uuid: string) => boolean;

const asks = new WeakMap<DeviceDocument, boolean>();

/** Has the device asked that its broadcasts be sent on? */
const sendsOn = (document: DeviceDocument): boolean => {
  const known = asks.get(document);
  if (known !== undefined) return known;
  const old = (['sent', 'broadcast'] as const).map((type) => oldForwardersOf(document, type));
  const answer = [forwardersOf(document, 'broadcast', 'sent'), ...old].some(
    ({ hooks, again, to }) => hooks.length > 0 || again || to.length > 0,
  );
  asks.set(document, answer);
  return answer;
};

/** Opens it. */
export const createAudience =
  (options: {
    readonly listening: Pick<Subscriptions, 'heardLately' | 'hasFirehose'>;
    readonly subscriptions: Pick<StoredSubscriptions, 'known'>;
    readonly devices: Pick<Repository<DeviceDocument>, 'peek'>;
    readonly node: Pick<Node, 'isOnly'>;
  }): Audience =>
  (uuid) => {
    const { listening, subscriptions, devices, node } = options;
    if (!node.isOnly() || listening.hasFirehose() || listening.heardLately(uuid)) return true;
    if (subscriptions.known(uuid)?.length !== 0) return true;
    const document = devices.peek(uuid);
    return document === undefined || document === null || sendsOn(document);
  };
