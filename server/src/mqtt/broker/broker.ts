import { Aedes, type Client, type ConnectPacket, type PublishPacket, type Subscription } from 'aedes';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { RegistryError } from '@rollcall/client/contract';
import { nanoid } from 'nanoid';
import type { Actor } from '../../domain/actor.ts';
import type { Connection, Connections } from '../../realtime/connections.ts';
import type { RegistryBridge } from '../registry-bridge.ts';
import { openLevelBudget, type LevelBounds } from '../level-budget.ts';
import { LoginRefused, type Certified, type MqttIdentity, type MqttLogin } from '../login.ts';
import type { TopicAnswer, TopicCalls } from '../topic-calls.ts';
import type { TopicPermission } from '../topic-authorization.ts';
import type { Publications } from '../publications.ts';
import type { OfflineQueue } from '../offline-queue.ts';
import type { Retained } from '../retained.ts';
import { isDeviceTopic, isJobTopic, isTopic, publishedTopic, type JobTopic } from '../../domain/topic-rights.ts';
import type { MqttSessions } from '../sessions.ts';
import { publicationOf, stored, type Publication } from '../stored-message.ts';
import { levelsOf, type QoS } from '../subscription-index.ts';
import { settle, chain, type MaybePromise } from '../../common/maybe-promise.ts';
import { clientOf, isLetIn, isOpen, letIn, pause, waitAtMost } from './aedes-internals.ts';
import { createCertificateLooks } from './certificate-looks.ts';
import { coalesceWrites, flushWrites } from './write-coalescing.ts';
import { createClientSession, type ClientSession } from './client-session.ts';
import { peerCertificateOf } from './peer-certificate.ts';
import { bytesOf, createOutbound, stampOf } from './outbound.ts';
import { persistenceOf, sessionMark } from './persistence.ts';
import { createConnectionTable } from './connection-table.ts';
import { addProtocolChecks } from './protocol-checks.ts';
import { answerEachFilter } from './suback.ts';
import type { Change } from '../../data/feed/change.ts';

/** What the broker needs from the rest of the server. */
export interface BrokerKit {
  readonly login: MqttLogin;
  /** Creates a check of identities' certificates against the current trust store. */
  readonly certifier: () => Certified;
  /**
   * Calls `look` when one of these certificates has expired. The function returned cancels that.
   */
  readonly onExpired: (chain: readonly Uint8Array[], look: () => void) => () => void;
  /** The identity of a session's client by its principal. Null if the principal has lost access. */
  readonly identify: (uuid: string) => Promise<MqttIdentity | null>;
  readonly permission: TopicPermission;
  /** Limits on the filter levels of connected clients. */
  readonly bounds: LevelBounds;
  /** Largest packet, in bytes (MQTT 3.1.1 allows 256 MiB). */
  readonly maxPacketBytes: number;
  readonly connections: Connections;
  /** The actors among these that still have access. */
  readonly live: (actors: readonly Actor[]) => Promise<ReadonlySet<Actor>>;
  readonly sessions: MqttSessions;
  readonly queue: OfflineQueue;
  readonly retained: Retained;
  readonly publications: Publications;
  readonly ingest: RegistryBridge;
  readonly jobs: TopicCalls;
  /** Shows a device as online until the function returned is called. */
  readonly hold: (uuid: string, provenAt: () => number) => () => void;
  /** Subscribes a connection to another device's broadcasts. */
  readonly listen: (connection: Connection, uuid: string) => void;
  readonly unlisten: (connection: Connection, uuid: string) => void;
  /** Are there other nodes, which need to know of clean sessions? */
  readonly others: boolean;
  /** Is that node alive? */
  readonly lives: (node: string) => boolean;
  /** Fails while this node may not answer. */
  readonly available: () => void;
  /**
   * Treatment of a message on a topic that its publisher may not publish to.
   * MQTT 3.1.1 has no negative acknowledgement.
   */
  readonly deniedPublish: 'ignore' | 'close';
  /** Counts such a message. */
  readonly denied: (clientId: string, topic: string) => void;
  readonly report: (error: unknown) => void;
  readonly now: () => number;
}

/** The MQTT broker of this node. */
export interface Broker {
  /** Serves one connection that speaks MQTT 3.1.1. */
  handle(stream: Duplex, address: string, request?: IncomingMessage): void;
  /** Takes messages of other nodes from the feed. */
  change(change: Change): Promise<unknown> | undefined;
  /** Ends the connection of a client id that another node has taken over, unless it is this one. */
  taken(clientId: string, link: string | undefined): void;
  /**
   * Sends a message to the client of a persistent session, if it is connected here and has not had
   * the message.
   */
  offer(clientId: string, id: string, publication: Publication): void;
  /**
   * Ends the connections of this user, or of all users, whose certificate no longer permits a
   * login.
   */
  endUncertified(uuid?: string): Promise<void>;
  /**
   * Publishes the wills of clients whose node has died: one of these nodes, or by default any that
   * is not alive.
   */
  makeUp(nodes?: readonly string[]): Promise<void>;
  /** Live connections. */
  readonly size: number;
  close(): Promise<void>;
}

/** Longest topic and filter, in bytes. */
const maxTopicBytes = 4_096;
/** Longest client id, in bytes. */
const maxClientIdBytes = 1_024;
/** Longest wait of a publisher for subscribers that read nothing, in milliseconds. */
const patienceMs = 20;
/** Time after which a connection that reads nothing is closed, in milliseconds. */
const drainMs = 10_000;
/** Time in which a connection has to send CONNECT, in milliseconds. */
const connectMs = 10_000;
/** Time for the clients to disconnect when the broker closes, in milliseconds. */
const closeMs = 3_000;
/** QoS 2 messages that a client may have sent without PUBREL. One more ends the connection. */
const maxUnreleased = 1_000;
/** Topic for the calls that clients make by publishing. It has no subscribers. */
const nowhere = '$rollcall/call';

const refused = (returnCode: 2 | 3 | 4 | 5): Error & { returnCode: 2 | 3 | 4 | 5 } =>
  Object.assign(new Error('the connection is refused'), { returnCode });

/** Opens the broker. */
export const openBroker = async (kit: BrokerKit): Promise<Broker> => {
  const { connections, sessions, queue, permission, publications, available, now } = kit;
  const links = new Map<Client, ClientSession>();
  /** Levels of the filters of connected clients. */
  const budget = openLevelBudget(kit.bounds);
  const byConnection = new WeakMap<Connection, ClientSession>();
  /** The newest session of each client id. Its client may still be connecting. */
  const byClientId = new Map<string, ClientSession>();
  const asking = new WeakMap<Client, ConnectPacket>();
  const addresses = new WeakMap<Client, string>();
  const provenAt = new WeakMap<Client, number>();
  /** Resumes reading what a client sent after CONNECT. */
  const goOn = new WeakMap<Client, () => void>();
  /** [MQTT-4.6.0-3] PUBREC goes out in the order in which the messages came. */
  const turns = new WeakMap<object, () => Promise<void>>();
  let messages = 0;
  const prefix = nanoid(12);
  const nextMessage = (): string => `${prefix}.${(messages += 1).toString(36)}`;

  let subscriber: ClientSession | undefined;
  /**
   * The session of a client. aedes asks by the client, or by its id alone while one connects.
   * A client that has left never gets the session of a later connection, whose packet identifiers
   * name other messages.
   */
  const linkOf = (client: Pick<Client, 'id'>): ClientSession | undefined =>
    links.get(client as Client) ?? (asking.has(client as Client) ? undefined : byClientId.get(client.id));

  const broker = new Aedes({
    persistence: persistenceOf({
      sessions,
      queue,
      retained: kit.retained,
      linkOf,
      subscriber: () => subscriber,
      report: kit.report,
    }),
    concurrency: 0,
    connectTimeout: connectMs,
    drainTimeout: drainMs,
    maxClientsIdLength: maxClientIdBytes,
    preConnect(client, packet, callback) {
      asking.set(client, packet);
      pause(client);
      callback(null, true);
    },
    authenticate(client, username, password, done) {
      enter(client, username, password).then(
        () => done(null, true),
        (error: unknown) => done(refusalOf(error), false),
      );
    },
    authorizePublish(client, packet, callback) {
      const link = client === null ? undefined : links.get(client);
      if (link === undefined) return callback(new Error('not connected'));
      const { topic } = packet;
      settle(
        () =>
          chain(
            link.steps(() => accept(link, packet)),
            (follow) => follow && (link.following = follow()),
          ),
        () => {
          // The acknowledgement follows immediately.
          if (packet.qos > 0) coalesceWrites(link.client);
          callback(null);
        },
        (error) => {
          flushWrites(link.client);
          callback(new Error(`a message on ${topic} was refused`, { cause: error }));
        },
      );
    },
    authorizeSubscribe(client, subscription, callback) {
      const link = links.get(client);
      if (link === undefined) return callback(new Error('not connected'));
      grant(link, subscription).then(
        // aedes would apply the QoS of one matching subscription to all. The QoS of a message is
        // decided when it is sent.
        (granted) => callback(null, granted ? { ...subscription, qos: 2 } : null),
        (error: unknown) => callback(error as Error),
      );
    },
    authorizeForward: (client, packet) => outbound.forward(links.get(client), packet),
    published(packet, _client, callback) {
      const turn = turns.get(packet);
      if (turn === undefined) return callback(null);
      turn().then(() => callback(null), callback);
    },
  });
  await broker.listen();
  waitAtMost(broker, patienceMs);
  const watchFilters = answerEachFilter(broker);

  const refusalOf = (error: unknown): ReturnType<typeof refused> => {
    if (error instanceof LoginRefused) return refused(error.returnCode);
    if (!(error instanceof RegistryError)) kit.report(error);
    const isDenied = error instanceof RegistryError && (error.code === 'banned' || error.code === 'unauthenticated');
    return refused(isDenied ? 5 : 3);
  };

  /** Admits a client: it is identified first, and takes over a session only then. */
  const enter = async (client: Client, username: string | undefined, password: Buffer | undefined): Promise<void> => {
    available();
    const packet = asking.get(client);
    if (packet === undefined) throw new LoginRefused(3);
    const { clientId, clean = true, will } = packet;
    if ((clientId === '' && !clean) || Buffer.byteLength(clientId) > maxClientIdBytes) throw new LoginRefused(2);
    if (will !== undefined && (!isTopic(will.topic, maxTopicBytes) || /[+#]/.test(will.topic))) throw new LoginRefused(5);
    const attempt = {
      clientId,
      username,
      password: password?.toString(),
      address: addresses.get(client) ?? '',
      certificate: peerCertificateOf(client.conn),
    };
    let identity: MqttIdentity;
    let before: number;
    let looksBefore: number;
    do {
      before = connections.revocations;
      looksBefore = certificates.looks;
      identity = await kit.login(attempt);
    } while (connections.revocations !== before);
    const { uuid } = identity.actor;
    const holder = byClientId.get(client.id);
    if (holder !== undefined && !holder.ended && holder.identity.actor.uuid !== uuid) throw new LoginRefused(2);
    const id = nanoid(16);
    const lastWill =
      will && stored({ topic: will.topic, payload: bytesOf(will.payload), qos: will.qos as QoS, retain: will.retain === true });
    const found = await sessions.claim({ clientId: client.id, uuid, clean, link: id, will: lastWill });
    if (found === null) throw new LoginRefused(2);
    if (client.closed) {
      await sessions.leave(client.id, id);
      throw new LoginRefused(3);
    }
    const keeps = !clean;
    if (keeps && holder?.keeps === true) await holder.supersede();
    const link = createClientSession({
      id,
      client,
      identity,
      connection: standing.connectionOf(() => link, identity.actor, id),
      keeps,
      hasWill: will !== undefined,
      budget,
      restored: found.present ? found.subscriptions : null,
      unreleased: keeps && found.present ? await queue.incoming(client.id) : [],
      unacknowledged: keeps && found.present ? await queue.inFlight(client.id) : new Map(),
    });
    links.set(client, link);
    byConnection.set(link.connection, link);
    byClientId.set(client.id, link);
    standing.join(link);
    if (identity.certificate !== undefined) {
      const { chain } = identity.certificate;
      link.connection.onLeave(kit.onExpired(chain, () => void certificates.look([link]).catch(kit.report)));
      if (certificates.looks !== looksBefore) await certificates.look([link]);
    }
    if (connections.revocations !== before && !(await kit.live([identity.actor])).has(identity.actor)) {
      await link.connection.end();
      throw new LoginRefused(4);
    }
  };

  const outbound = createOutbound({
    here: (clientId) => linkHere(clientId),
    queue,
    publications,
    permission,
    nextMessage,
    report: kit.report,
  });
  const standing = createConnectionTable({
    connections,
    hold: kit.hold,
    provenAt: ({ client }) => provenAt.get(client) ?? 0,
    ingest: kit.ingest,
    tell: outbound.tell,
    left(link) {
      if (byClientId.get(link.client.id) === link) byClientId.delete(link.client.id);
    },
  });
  const certificates = createCertificateLooks(kit.certifier);
  const leaving = new Set<Promise<unknown>>();

  broker.on('clientDisconnect', (client: Client) => {
    const link = links.get(client);
    if (link === undefined) return;
    standing.leave(link);
    const gone = link
      .settled()
      .then(() => {
        link.ended = true;
        links.delete(client);
        link.filters.leave();
        return link.keeps || kit.others || link.hasWill ? sessions.leave(client.id, link.id) : undefined;
      })
      .catch(kit.report)
      .finally(() => leaving.delete(gone));
    leaving.add(gone);
  });
  broker.on('unsubscribe', (filters, client) => {
    const link = links.get(client);
    for (const filter of filters) if (link?.ended === false) kit.unlisten(link.connection, filter);
    link?.filters.remove(filters);
    goOn.get(client)?.();
  });
  broker.on('subscribe', (_subscriptions, client) => {
    subscriber = links.get(client);
    subscriber?.filters.refresh();
    goOn.get(client)?.();
  });
  broker.on('connackSent', ({ returnCode }, client) => {
    if (returnCode !== 0) return;
    letIn(client);
    links.get(client)?.filters.refresh();
    goOn.get(client)?.();
  });
  broker.on('ping', (_packet, client) => provenAt.set(client, now()));
  // A client's fault ends its own connection and nothing else.
  for (const event of ['clientError', 'connectionError'] as const) broker.on(event, () => undefined);
  broker.on('error' as never, (error: unknown) => kit.report(error));

  /**
   * Decides on a client's message and stores it, then passes it to the registry.
   * A call in it runs at once. Its follow-up work runs later.
   */
  const accept = (
    link: ClientSession,
    packet: PublishPacket,
  ): MaybePromise<() => MaybePromise<(() => Promise<void>) | undefined>> => {
    available();
    provenAt.set(link.client, now());
    if (link.ended) throw new RegistryError('unauthenticated');
    const { identity, own } = link;
    const topic = publishedTopic(identity.prefix, packet.topic);
    if (!isTopic(topic, maxTopicBytes)) throw new RegistryError('invalid-input');
    const job = isJobTopic(topic) && own.write(topic) ? topic : undefined;
    // Bridges publish their state to `$SYS`. Topics that begin with `$` are the broker's own [MQTT-4.7.2-1].
    if (topic.startsWith('$')) return takeIn(link, packet, topic, 'dropped');
    return chain(job !== undefined || permission.publish(identity, topic, own), (allowed) => {
      if (allowed) return takeIn(link, packet, topic, job);
      kit.denied(link.client.id, topic);
      if (kit.deniedPublish === 'close') throw new RegistryError('forbidden');
      return takeIn(link, packet, topic, 'dropped');
    });
  };

  const takeIn = (
    link: ClientSession,
    packet: PublishPacket,
    topic: string,
    job: JobTopic | 'dropped' | undefined,
  ): MaybePromise<() => MaybePromise<(() => Promise<void>) | undefined>> => {
    const { identity } = link;
    const payload = bytesOf(packet.payload);
    const qos = packet.qos as QoS;
    const { messageId } = packet;
    // [MQTT-3.3.1-3] The flag of an incoming message does not apply to outgoing ones.
    packet.dup = false;
    let remembered: Promise<void> | undefined;
    if (qos === 2 && messageId !== undefined) {
      if (!link.incoming.accept(messageId)) return () => undefined;
      if (link.incoming.size > maxUnreleased) throw new RegistryError('busy');
      if (link.keeps) remembered = queue.addIncoming(link.client.id, messageId);
      turns.set(packet, link.pubrecs());
    }
    if (job !== undefined) {
      Object.assign(packet, { topic: nowhere, payload: Buffer.alloc(0), retain: false });
      if (job === 'dropped') return chain(remembered, () => () => undefined);
      return chain(remembered, async () => {
        const finish = await kit.jobs(identity.actor, link.connection, job, payload);
        return () => async () => answer(link, await finish());
      });
    }
    packet.topic = topic;
    const publication = { topic, payload, qos, retain: packet.retain };
    const id = nextMessage();
    Object.assign(packet, stampOf(id));
    let keeping: ReadonlyMap<string, QoS> = new Map();
    const taken = publications.take(id, publication, identity.owner, (kept) => {
      keeping = kept;
      outbound.expect(id, topic, kept);
    });
    const stores = remembered === undefined ? taken : Promise.all([taken, remembered]);
    if (stores instanceof Promise) stores.catch(() => undefined);
    const handOn = (): MaybePromise<undefined> => {
      for (const clientId of keeping.keys()) outbound.offer(clientId, id, publication);
      return chain(kit.ingest.take(identity, publication, id), (device) => {
        if (device !== undefined) standing.representDevice(link, device.uuid, device.serial);
        // aedes forwards what it can acknowledge, and nothing else.
        return messageId === undefined || isOpen(link.client) ? undefined : emit(id, publication);
      });
    };
    return () => chain(stores, handOn);
  };

  /**
   * Publishes an answer to all connections of its device. The caller gets it even if the call has
   * ended its connection.
   */
  const answer = (link: ClientSession, told: TopicAnswer | undefined): void => {
    if (told === undefined) return;
    const { uuid } = link.identity.actor;
    outbound.tell(link, { topic: uuid, ...told }, undefined);
    for (const connection of connections.of(uuid)) {
      const other = byConnection.get(connection);
      if (other !== undefined && other !== link && !other.ended) outbound.tell(other, { topic: uuid, ...told }, undefined);
    }
  };

  const linkHere = (clientId: string): ClientSession | undefined => {
    const client = clientOf(broker, clientId);
    const link = client && links.get(client);
    return link?.ended === false ? link : undefined;
  };

  const grant = async (link: ClientSession, { topic, qos }: Subscription): Promise<boolean> => {
    available();
    if (link.ended) throw new RegistryError('unauthenticated');
    if (topic === sessionMark || !isTopic(topic, maxTopicBytes) || topic.startsWith('$share/')) return false;
    const { identity, own, connection } = link;
    const isStored = link.keeps && isLetIn(link.client) && !link.filters.has(topic);
    if (isStored && !sessions.admits(identity.actor.uuid, levelsOf(topic))) return false;
    if (!link.filters.reserve(topic)) return false;
    // [MQTT-3.1.2-4] The session's subscriptions were granted earlier. Each delivery checks the
    // right again, which may return.
    let granted = !isLetIn(link.client);
    try {
      const isCovered = await permission.subscribe(identity, topic, own);
      // A client that has left meanwhile no longer receives anything.
      const mayHear = !isCovered && (granted ? isDeviceTopic(topic) : await permission.hear(identity, topic));
      const hears = mayHear && !link.client.closed;
      if (hears) kit.listen(connection, topic);
      granted ||= isCovered || hears;
    } finally {
      link.filters.settle(topic, granted ? (qos as QoS) : undefined);
    }
    if (granted) await standing.subscribeToCommands(link, topic);
    return granted;
  };

  const emit = (id: string, { topic, payload, qos, retain }: Publication): Promise<undefined> =>
    new Promise((resolve, reject) => {
      broker.publish({ cmd: 'publish', topic, payload, qos, retain, dup: false, ...stampOf(id) } as PublishPacket, (error) =>
        error === undefined || error === null ? resolve(undefined) : reject(error),
      );
    });

  /** Messages of other nodes, in order. */
  let arrivals: Promise<unknown> = Promise.resolve();
  const arrive = async (id: string, publication: Publication): Promise<void> => {
    if (publication.qos > 0) {
      const here = new Map([...sessions.match(publication.topic)].filter(([clientId]) => linkHere(clientId) !== undefined));
      if (here.size > 0) {
        outbound.expect(id, publication.topic, here);
        await publications.keep(id, publication, here);
      }
    }
    await emit(id, publication);
  };

  /**
   * Publishes the will of a client that is connected to no node any more, if it still has the right
   * to.
   */
  const makeUp = async (nodes?: readonly string[]): Promise<void> => {
    for await (const session of sessions.elsewhere(nodes)) {
      if (session.node !== undefined && kit.lives(session.node)) continue;
      if (!(await sessions.release(session)) || session.will === undefined) continue;
      const identity = await kit.identify(session.uuid);
      if (identity === null) continue;
      const will = publicationOf(session.will);
      const topic = publishedTopic(identity.prefix, will.topic);
      if (!(await permission.publish(identity, topic))) continue;
      const id = nextMessage();
      const publication = { ...will, topic };
      await publications.take(id, publication, identity.owner, (kept) => outbound.expect(id, topic, kept));
      await emit(id, publication);
      await kit.ingest.take(identity, publication, id);
    }
  };

  return {
    handle(stream, address, request) {
      const client = broker.handle(stream, request);
      addresses.set(client, address);
      watchFilters(client);
      goOn.set(client, addProtocolChecks(client, kit.maxPacketBytes));
    },
    change(change) {
      const arrived = publications.arrived(change);
      if (arrived === undefined) return undefined;
      arrivals = arrivals.then(() => arrive(arrived.id, arrived.publication)).catch(kit.report);
      return arrivals;
    },
    offer: (clientId, id, publication) => outbound.offer(clientId, id, publication),
    taken(clientId, link) {
      const here = byClientId.get(clientId);
      if (here !== undefined && link !== undefined && here.id !== link) here.client.close();
    },
    endUncertified: (uuid) =>
      certificates.look([...links.values()].filter(({ identity }) => uuid === undefined || identity.actor.uuid === uuid)),
    makeUp,
    get size() {
      return links.size;
    },
    async close() {
      // aedes alone is not enough: it may not know the newest client of a client id that was taken
      // over.
      for (const { client } of links.values()) client.close();
      await new Promise<void>((resolve) => broker.close(resolve));
      for (let waited = 0; waited < closeMs && links.size + leaving.size > 0; waited += 10) {
        await Promise.all([...leaving]);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
  };
};
