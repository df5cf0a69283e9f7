import { randomBytes } from 'node:crypto';
import { RegistryError } from '@rollcall/client/contract';
import type { Authorities } from '../identity/effective-permissions.ts';
import type { Clock } from '../common/clock.ts';
import type { Connections } from './connections.ts';
import { openAudience } from './audience.ts';
import { openBehind } from './resume/lagging-connections.ts';
import { openCarriage } from './messages/message-relay.ts';
import type { Feed } from '../data/feed/change-feed.ts';
import { openForwarding } from './messages/forwarding.ts';
import type { History } from './resume/history.ts';
import { openInFlight } from './messages/in-flight.ts';
import { openLine } from './messages/delivery-queue.ts';
import { openListening } from './subscriptions.ts';
import { openLive } from './live/live.ts';
import { openDeliveries } from './messages/message-delivery.ts';
import { openPublisher } from './messages/change-dispatcher.ts';
import { openPushes, type Pushes } from './pushes/pushes.ts';
import { openReplay } from './resume/replay.ts';
import { openResume } from './resume/resume.ts';
import { createSpreads } from './messages/delivery-budget.ts';
import { openWaiting } from './pushes/pending-callers.ts';
import { openWebhooks } from './messages/webhooks.ts';
import type { DerivedIds } from '../data/repository/idempotent-ids.ts';
import { readMessage } from '../domain/message.ts';
import type { Log } from '../common/log.ts';
import type { Node } from '../data/cluster/node.ts';
import { mayForwardCredential } from '../identity/credential-grants.ts';
import { openPresence } from './presence/presence.ts';
import type { Store } from '../data/store.ts';
import { openStoredSubscriptions } from './stored-subscriptions.ts';
import type { Tokens } from '../identity/tokens/device-tokens.ts';
import { webhookFailures } from './messages/webhook-failures.ts';
import type { Documents } from '../data/repository/types.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';

/** The settings that this room reads. Each is described in `app/config.ts`. */
export interface RealtimeSettings {
  readonly privateWebhooks: boolean;
  readonly resumeWindowMs: number;
  readonly messageDeliveries: number;
  readonly mfa: boolean;
}

/** What the realtime side is built on. */
export interface Foundation {
  readonly store: Store;
  readonly feed: Feed;
  readonly history: History;
  /** What changes have to be told of beside devices and messages. */
  readonly due: Pushes['due'];
  readonly node: Node;
  readonly devices: Documents<DeviceDocument>;
  readonly tokens: Pick<Tokens, 'issue' | 'revoke'>;
  readonly authorities: Authorities;
  readonly ids: Pick<DerivedIds, 'uuid'>;
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
    authorities,
    ids,
    connections,
    ownedBy,
    privateKey,
    alone,
    config,
    clock,
    log,
    report,
  }: Foundation,
  closers: (() => unknown)[],
) => {
  const available = (): void => node.check();
  const listening = openListening(config.resumeWindowMs);
  const subscriptions = openStoredSubscriptions(store, clock);
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
      const device = await devices.fresh(uuid);
      if (device === null || !(await mayForwardCredential(device, hook, { authorities, canEnrol: config.mfa }))) return null;
      const { token } = await tokens.issue(uuid, { tag: 'webhook', requestsLeft }, null);
      return { token, revoke: () => tokens.revoke(uuid, token) };
    },
    record: webhookFailures(store),
    report,
  });
  closers.push(() => webhooks.close());
  /** Sends a message that no call asked for. */
  const say = (from: string, purpose: string, input: Parameters<typeof readMessage>[0]): void => {
    void carriage.send(readMessage(input, from, ids.uuid(purpose, null)), false).catch(report);
  };
  const spreads = createSpreads({ maxDeliveries: config.messageDeliveries, log, now: clock.monotonic });
  const forwarding = openForwarding(webhooks, (from, to, body, { origin, requestsLeft }) => {
    const sent = { ...readMessage({ ...body, devices: to }, from, ids.uuid('forward', null)), origin, requestsLeft };
    carriage.send(sent, false).catch((error: unknown) => {
      spreads.failed(origin);
      report(error);
    });
  });
  const inFlight = openInFlight(clock.monotonic);
  const behind = openBehind(inFlight);
  const line = openLine(feed, (error, before) => {
    const isPaused = error instanceof RegistryError && error.code === 'unavailable';
    if (isPaused) resume.refused(before);
    else report(error);
  });
  const { note } = history;
  const deliveries = openDeliveries({
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
  const carriage = openCarriage({ store, feed, line, behind, inFlight, deliveries, connections, alone, clock });
  const waiting = openWaiting();
  const pushes = openPushes({ due, connections, devices, authorities, waiting, behind, available });
  const replay = openReplay({ deliveries, pushes, history, devices, connections });
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
  const publish = openPublisher({ connections, presence, deliveries, carriage, pushes, node: node.id, line, ownedBy });

  /** Follows the feed and the node from now on. `checkConnections`: looks at every credential again after a hole. */
  const follow = (checkConnections: () => Promise<void>): void => {
    closers.push(feed.subscribe((change) => subscriptions.change(change)));
    closers.push(feed.onResync(() => subscriptions.resync()));
    closers.push(node.carry({ change: publish, resync: checkConnections }));
    closers.push(node.carry({ resync: () => resume.hole() }));
    closers.push(node.carry({ change: live.change, resync: live.resync }));
    closers.push(node.carry({ resync: () => presence.recheck() }));
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

  const audience = openAudience({ listening, subscriptions, devices, node });
  return { audience, listening, spreads, subscriptions, live, resume, carriage, presence, line, waiting, follow };
};
