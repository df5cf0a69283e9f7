import { randomBytes } from 'node:crypto';
import { RegistryError } from '@rollcall/client/contract';
import type { EffectivePermissions } from '../identity/effective-permissions.ts';
import type { Clock } from '../common/clock.ts';
import type { Connections } from './connections.ts';
import { createAudience } from './audience.ts';
import { createLaggingConnections } from './resume/lagging-connections.ts';
import { createMessageRelay } from './messages/message-relay.ts';
import type { ChangeFeed } from '../data/feed/change-feed.ts';
import { createForwarding } from './messages/forwarding.ts';
import type { History } from './resume/history.ts';
import { createInFlightMessages } from './messages/in-flight.ts';
import { createDeliveryQueue } from './messages/delivery-queue.ts';
import { createSubscriptions } from './subscriptions.ts';
import { openLive } from './live/live.ts';
import { createMessageDelivery } from './messages/message-delivery.ts';
import { createChangeDispatcher } from './messages/change-dispatcher.ts';
import { createPushes, type Pushes } from './pushes/pushes.ts';
import { createReplay } from './resume/replay.ts';
import { openResume } from './resume/resume.ts';
import { createSpreads } from './messages/delivery-budget.ts';
import { createPendingCallers } from './pushes/pending-callers.ts';
import { openWebhooks } from './messages/webhooks.ts';
import type { IdempotentIds } from '../data/repository/idempotent-ids.ts';
import { readMessage } from '../domain/message.ts';
import type { Log } from '../common/log.ts';
import type { Node } from '../data/cluster/node.ts';
import { mayForwardCredential } from '../identity/credential-grants.ts';
import { openPresence } from './presence/presence.ts';
import type { Store } from '../data/store.ts';
import { createStoredSubscriptions } from './stored-subscriptions.ts';
import type { DeviceTokens } from '../identity/tokens/device-tokens.ts';
import { webhookFailures } from './messages/webhook-failures.ts';
import type { Repository } from '../data/repository/types.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';

/** The settings that this room reads. Each is described in `app/config.ts`. */
export interface RealtimeSettings {
  readonly privateWebhooks: boolean;
  readonly resumeWindowMs: number;
  readonly messageDeliveries: number;
  readonly mfa: boolean;
}

/** What the realtime side is built on. */
export interface RealtimeOptions {
  readonly store: Store;
  readonly feed: ChangeFeed;
  readonly history: History;
  /** What changes have to be told of beside devices and messages. */
  readonly due: Pushes['matching'];
  readonly node: Node;
  readonly devices: Repository<DeviceDocument>;
  readonly tokens: Pick<DeviceTokens, 'issue' | 'revoke'>;
  readonly authorities: EffectivePermissions;
  readonly ids: Pick<IdempotentIds, 'uuid'>;
  readonly connections: Connections;
  /** The uuids of those who are worth as much as this user. */
  readonly ownedBy: (uuid: string) => Promise<readonly string[]>;
  /** The key that signs webhooks, PEM. */
  readonly privateKey: () => Promise<string>;
  readonly alone: boolean;
  readonly config: RealtimeSettings;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  readonly report: (error: unknown) => void;
}

export type Realtime = ReturnType<typeof openRealtime>;

/**
 * Puts together what tells connections of changes and messages: deliveries and their order, what is missed and replayed, live queries, webhooks
 * and presence. What has to be closed is pushed to `closers`.
 */
export const openRealtime = (
  {
    store,
    feed,
    history,
    due,
    node,
    devices,
    tokens,
    authorities: effectivePermissions,
    ids,
    connections,
    ownedBy,
    privateKey,
    alone,
    config,
    clock,
    log,
    report,
  }: RealtimeOptions,
  closers: (() => unknown)[],
) => {
  const available = (): void => node.check();
  const listening = createSubscriptions(config.resumeWindowMs);
  const subscriptions = createStoredSubscriptions(store, clock);
  const live = openLive({
    store,
    feed,
    connections,
    clock,
    isServing: () => node.state === 'serving',
    id: () => randomBytes(9).toString('base64url'),
    report,
  });
  closers.push(() => live.stop());

  const webhooks = openWebhooks({
    clock,
    allowPrivate: config.privateWebhooks,
    privateKey,
    async issue({ uuid, hook, requestsLeft }) {
      const device = await devices.getFresh(uuid);
      if (device === null || !(await mayForwardCredential(device, hook, { effectivePermissions, canEnrol: config.mfa })))
        return null;
      const { token } = await tokens.issue(uuid, { tag: 'webhook', requestsLeft }, null);
      return { token, revoke: () => tokens.revoke(uuid, token) };
    },
    record: webhookFailures(store),
    report,
  });
  closers.push(() => webhooks.close());
  /** Sends a message that no call asked for. */
  const say = (from: string, purpose: string, input: Parameters<typeof readMessage>[0]): void => {
    void carriage.publish(readMessage(input, from, ids.uuid(purpose, null)), false).catch(report);
  };
  const spreads = createSpreads({ maxDeliveries: config.messageDeliveries, log, now: clock.monotonic });
  const forwarding = createForwarding(webhooks, (from, to, body, { origin, requestsLeft }) => {
    const sent = { ...readMessage({ ...body, devices: to }, from, ids.uuid('forward', null)), origin, requestsLeft };
    carriage.publish(sent, false).catch((error: unknown) => {
      spreads.failed(origin);
      report(error);
    });
  });
  const inFlight = createInFlightMessages(clock.monotonic);
  const behind = createLaggingConnections(inFlight);
  const line = createDeliveryQueue(feed, (error, before) => {
    const isPaused = error instanceof RegistryError && error.code === 'unavailable';
    if (isPaused) resume.refused(before);
    else report(error);
  });
  const { note } = history;
  const deliveries = createMessageDelivery({
    connections,
    listening,
    devices,
    subscriptions,
    forwarding,
    spreads,
    behind,
    note,
    available,
  });
  const carriage = createMessageRelay({ store, feed, line, behind, inFlight, deliveries, connections, alone, clock });
  const waiting = createPendingCallers();
  const pushes = createPushes({ due, connections, devices, authorities: effectivePermissions, waiting, behind, available });
  const replay = createReplay({ deliveries, pushes, history, devices, connections });
  const resume = openResume({
    feed,
    line,
    history,
    behind,
    inFlight,
    replay,
    connections,
    listening,
    subscriptions,
    devices,
    clock,
    isServing: () => node.state === 'serving',
    report,
  });
  closers.push(() => resume.close());
  const presence = openPresence({
    store,
    devices,
    node,
    clock,
    report,
    announce: (uuid, online) => say(uuid, 'device-status', { devices: '*', topic: 'device-status', payload: { online } }),
  });
  const publish = createChangeDispatcher({ connections, presence, deliveries, carriage, pushes, node: node.id, line, ownedBy });

  /** Follows the feed and the node from now on. `checkConnections`: looks at every credential again after a hole. */
  const follow = (checkConnections: () => Promise<void>): void => {
    closers.push(feed.subscribe((change) => subscriptions.change(change)));
    closers.push(feed.onResync(() => subscriptions.resync()));
    closers.push(node.addConsumer({ change: publish, resync: checkConnections }));
    closers.push(node.addConsumer({ resync: () => resume.hole() }));
    closers.push(node.addConsumer({ change: live.change, resync: live.resync }));
    closers.push(node.addConsumer({ resync: () => presence.recheck() }));
    closers.push(
      node.onState((state) => {
        if (state === 'lost') connections.endAll();
        if (state !== 'serving') return;
        resume.serving();
        live.resume();
        presence.recheck();
      }),
    );
  };

  const audience = createAudience({ listening, subscriptions, devices, node });
  return { audience, listening, spreads, subscriptions, live, resume, carriage, presence, line, waiting, follow };
};
