import type { RegistryError } from '@rollcall/client/contract';
import type { Actor } from '../domain/actor.ts';
import type { NoteLogin } from '../operations/audit/audited-calls.ts';
import type { Authenticate } from '../identity/authenticate.ts';
import type { EffectivePermissions } from '../identity/effective-permissions.ts';
import type { CertificateBindings } from '../identity/certificates/bindings.ts';
import type { Trust } from '../identity/certificates/trust-store.ts';
import type { ClientRegistry } from '../identity/enrollment/requests.ts';
import { every, type Clock } from '../common/clock.ts';
import type { Connection, Connections } from '../realtime/connections.ts';
import type { Audience } from '../realtime/audience.ts';
import type { MessageRelay } from '../realtime/messages/message-relay.ts';
import type { ChangeFeed } from '../data/feed/change-feed.ts';
import type { Subscriptions } from '../realtime/subscriptions.ts';
import type { IdempotentIds } from '../data/repository/idempotent-ids.ts';
import type { Result } from '../operations/handler.ts';
import { createCertificateExpiry } from './certificate-expiry.ts';
import { createDeniedPublishes } from './denied-publishes.ts';
import { createRegistryBridge } from './registry-bridge.ts';
import { createTopicCalls } from './topic-calls.ts';
import { createLogin } from './login.ts';
import { createExternalBrokers, type ExternalBrokers } from './external-brokers.ts';
import { createTopicPermission } from './topic-authorization.ts';
import { openOfflineMessages } from './offline-messages.ts';
import { createPublications } from './publications.ts';
import { createOfflineQueue } from './offline-queue.ts';
import { createRetained } from './retained.ts';
import { openRetainedUsage, type RetainedFigures } from './retained-usage.ts';
import { serverCertificate } from './server-certificate.ts';
import { openMqttSessions } from './sessions.ts';
import type { MqttPrincipals } from '../identity/accounts/mqtt-logins.ts';
import type { Log } from '../common/log.ts';
import type { Node } from '../data/cluster/node.ts';
import type { Call } from '../operations/pipeline.ts';
import type { Presence } from '../realtime/presence/presence.ts';
import type { TableOperation } from '../operations/operation-table.ts';
import type { Store } from '../data/store.ts';
import { readJson } from '../common/json/read.ts';
import { maxFrameBytesOf } from '../common/frame-limits.ts';
import { openBroker, type Broker } from './broker/broker.ts';
import { encodeMeshbluEvent } from './broker/event-encoding.ts';
import type { ClientAddress } from '../common/client-address.ts';
import { listenTcp, listenTls, openUpgrades, type MqttUpgrades } from './broker/listeners.ts';
import { isAllowedOrigin } from '../common/allowed-origin.ts';
import type { Repository } from '../data/repository/types.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';

/** The settings that the broker reads. Each is described in `app/config.ts`. */
export interface MqttSettings {
  readonly host: string;
  readonly origins: readonly string[];
  readonly messageBytes: number;
  readonly mqttPort: number | undefined;
  readonly mqttsPort: number | undefined;
  readonly mqttsCertFile: string | undefined;
  readonly mqttsKeyFile: string | undefined;
  readonly mqttDeniedPublish: 'close' | 'ignore';
  readonly mqttFilterLevels: number;
  readonly mqttFilterLevelsPerOwner: number;
  readonly mqttRetained: number;
  readonly mqttRetainedBytes: number;
  readonly mqttRetainedPerOwner: number;
  readonly mqttRetainedBytesPerOwner: number;
}

/** What the MQTT side needs. */
export interface MqttOptions {
  readonly clientAddress: ClientAddress;
  readonly store: Store;
  readonly feed: ChangeFeed;
  readonly node: Node;
  readonly devices: Repository<DeviceDocument>;
  readonly ids: IdempotentIds;
  readonly connections: Connections;
  readonly listening: Subscriptions;
  readonly presence: Presence;
  readonly audience: Audience;
  readonly carriage: MessageRelay;
  readonly authorities: EffectivePermissions;
  readonly authenticate: Authenticate;
  readonly mqttPrincipals: MqttPrincipals;
  readonly noteLogin: NoteLogin;
  readonly trust: Trust;
  readonly pins: CertificateBindings;
  readonly clientRegistry: ClientRegistry;
  readonly live: (actors: readonly Actor[]) => Promise<ReadonlySet<Actor>>;
  readonly operations: ReadonlyMap<string, TableOperation>;
  readonly dispatch: (operation: TableOperation, call: Call) => Promise<Result<unknown>>;
  readonly applyRevocations: (handled: Result<unknown>, asking?: Connection) => Promise<boolean>;
  readonly toRegistryError: (error: unknown) => RegistryError;
  readonly report: (error: unknown) => void;
  /** Counts a refusal of this kind. */
  readonly refused: (kind: string) => void;
  readonly alone: boolean;
  readonly config: MqttSettings;
  readonly clock: Clock;
  readonly log: Log;
}

/** The MQTT side of a registry. */
export interface Mqtt {
  readonly broker: Broker;
  /** MQTT over websocket, for the HTTP server. */
  readonly upgrades: MqttUpgrades;
  /** Answers the questions of external brokers. */
  readonly outside: ExternalBrokers;
  readonly retained: RetainedFigures;
  /** Opens the ports in the settings. Answers their URLs. */
  listen(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** How long a session is kept without its client, in milliseconds: seven days. */
const sessionMs = 7 * 86_400_000;
/** Interval of the search for sessions of dead nodes, in milliseconds. */
const sweepMs = 5_000;
/** Interval of the search for expired sessions, in milliseconds. */
const clearMs = 600_000;
/** Interval of the check of the TLS listener's certificate, in milliseconds. */
const renewMs = 86_400_000;

/**
 * Assembles the broker: sessions on the store, logins, the bridge to the registry and the
 * registry's messages to its clients.
 */
export const openMqtt = async (foundation: MqttOptions): Promise<Mqtt> => {
  const { store, feed, node, devices, connections, listening, presence, carriage } = foundation;
  const { alone, config, clock, report, trust } = foundation;
  const { now } = clock;
  const others = !alone;

  const exists = async (uuid: string): Promise<boolean> => (await devices.getFresh(uuid)) !== null;
  const levelBounds = { levels: config.mqttFilterLevels, levelsPerOwner: config.mqttFilterLevelsPerOwner };
  const sessions = await openMqttSessions({
    store,
    feed,
    node: node.id,
    others,
    bounds: levelBounds,
    now,
    exists,
    taken: (clientId, link) => broker.taken(clientId, link),
    report,
  });
  const queue = createOfflineQueue({ store, node: node.id, now });
  const usage = await openRetainedUsage({
    store,
    feed,
    bounds: {
      messages: config.mqttRetained,
      bytes: config.mqttRetainedBytes,
      messagesPerOwner: config.mqttRetainedPerOwner,
      bytesPerOwner: config.mqttRetainedBytesPerOwner,
    },
    now,
    log: foundation.log,
    report,
  });
  const retained = createRetained(store, usage);
  const publications = createPublications({ store, sessions, queue, retained, node: node.id, others: () => !node.isOnly(), now });
  const { login, identify, recognise, certifier } = createLogin(foundation);
  const permission = createTopicPermission(foundation);

  const broker: Broker = await openBroker({
    login,
    certifier,
    onExpired: createCertificateExpiry(clock),
    identify,
    permission,
    bounds: levelBounds,
    maxPacketBytes: maxFrameBytesOf(config.messageBytes),
    connections,
    live: foundation.live,
    sessions,
    queue,
    retained,
    publications,
    ingest: createRegistryBridge({
      ...foundation,
      send: (sent) => carriage.publish(sent, false),
      readJson,
      messageBytes: config.messageBytes,
      now,
    }),
    jobs: createTopicCalls({ ...foundation, readJson }),
    hold: (uuid, provenAt) => presence.track(uuid, provenAt),
    listen: (connection, uuid) => listening.add(connection, uuid, ['broadcast'], connection.actor),
    unlisten: (connection, uuid) => listening.remove(connection, uuid, ['broadcast']),
    others,
    lives: (id) => node.lives(id),
    available: () => node.check(),
    deniedPublish: config.mqttDeniedPublish,
    denied: createDeniedPublishes({ count: foundation.refused, log: foundation.log, clock }),
    report,
    now,
  });
  const upgrades = openUpgrades(
    broker,
    maxFrameBytesOf(config.messageBytes),
    (request) => isAllowedOrigin(request, new Set(config.origins)),
    foundation.clientAddress,
  );
  const closers: (() => Promise<void>)[] = [];

  /** Removes sessions whose clients have stayed away or have lost access. */
  const clear = async (): Promise<void> => {
    const owners = new Map<string, boolean>();
    for await (const session of sessions.away()) {
      const { uuid, since } = session;
      const isOwned = owners.get(uuid) ?? (await exists(uuid));
      owners.set(uuid, isOwned);
      if (!isOwned || since.getTime() < now() - sessionMs) await sessions.remove(session);
    }
  };
  let sweeping = broker.makeUp().catch(report);
  let clearing = clear().catch(report);
  const stopSweeping = every(clock, sweepMs, () => {
    const gone = node.gone();
    if (gone.length > 0) sweeping = broker.makeUp(gone).catch(report);
    return sweeping;
  });
  const stopClearing = every(clock, clearMs, () => (clearing = clear().catch(report)));
  const mailbox = openOfflineMessages({
    feed,
    devices,
    sessions,
    queue,
    offer: (clientId, id, publication) => broker.offer(clientId, id, publication),
    wording: (event, data) => encodeMeshbluEvent(event, data, '').payload,
    report,
  });
  const stopKeeping = carriage.keepBy((sent) => mailbox.keep(sent));
  const stopCarrying = node.addConsumer({
    change(change) {
      const { collection, document } = change;
      if (collection === 'certificates') return broker.endUncertified();
      if (collection !== 'credentials' || document === null || document['kind'] !== 'certificate') return broker.change(change);
      return broker.endUncertified(String(document['uuid']));
    },
    resync: () => broker.endUncertified(),
  });

  return {
    broker,
    upgrades,
    outside: createExternalBrokers({ ...foundation, login, recognise, permission }),
    get retained() {
      return usage.figures;
    },
    async listen() {
      const urls: string[] = [];
      if (config.mqttPort !== undefined) {
        const listener = await listenTcp(broker, config.host, config.mqttPort);
        closers.push(() => listener.close());
        urls.push(`mqtt://${listener.address}`);
      }
      if (config.mqttsPort !== undefined) {
        const shown = await serverCertificate(config, trust, now);
        const identity = async () => ({ ...(await shown()), ca: await trust.authorities() });
        const listener = await listenTls(broker, config.host, config.mqttsPort, await identity());
        const renew = async (): Promise<void> => listener.renew(await identity());
        const stop = trust.onChanged(() => void renew().catch(report));
        const stopDaily = every(clock, renewMs, () => renew().catch(report));
        closers.push(async () => {
          stop();
          stopDaily();
          await listener.close();
        });
        urls.push(`mqtts://${listener.address}`);
      }
      return urls;
    },
    async close() {
      stopSweeping();
      stopClearing();
      await Promise.all([sweeping, clearing]);
      stopKeeping();
      mailbox.close();
      stopCarrying();
      upgrades.close();
      await broker.close();
      for (const close of closers) await close();
      sessions.close();
      usage.close();
    },
  };
};
