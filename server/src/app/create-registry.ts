import { randomBytes } from 'node:crypto';
import type { CertificateReference } from '@rollcall/client/contract';
import { pino } from 'pino';
import { openData } from './open-data.ts';
import { createIdentity } from '../identity/open-identity.ts';
import { openAudit } from '../operations/audit/audit-log.ts';
import { auditedLogins, createAuditing, createLoginNotes } from '../operations/audit/audited-calls.ts';
import { createAuthenticator } from '../identity/authenticate.ts';
import { systemClock, type Clock } from '../common/clock.ts';
import { completeConfig, type Config } from './config.ts';
import { createConnections, type Connection } from '../realtime/connections.ts';
import { lowerUuid } from '../identity/canonical-uuid.ts';
import { failuresTo } from './to-registry-error.ts';
import { revokeEverywhere } from '../data/cluster/revocation-barrier.ts';
import type { FirstPassword } from '../identity/accounts/bootstrap.ts';
import type { Result, Services } from '../operations/handler.ts';
import { closeAll, closeOnce, openRestartable, type Closers } from './restartable.ts';
import { createRateLimit } from '../common/rate-limit.ts';
import { openMaintenance, type Maintenance } from '../backup/jobs.ts';
import { createMetrics, createProcessFigures } from './metrics.ts';
import { openMqtt } from '../mqtt/open-mqtt.ts';
import { describeHttp, pagesOf } from './pages.ts';
import { createPipeline } from '../operations/pipeline.ts';
import { openRealtime } from '../realtime/open-realtime.ts';
import { operations } from '../operations/operation-table.ts';
import { compileRouteTable } from '../operations/route-table.ts';
import { createSecrets, type Secrets } from '../identity/keys/secret-files.ts';
import { createBcryptPool } from '../identity/passwords/bcrypt-pool.ts';
import { openSweeper } from './sweeper.ts';
import { probeWrite } from '../backup/state.ts';
import type { Collections } from '../domain/documents/index.ts';
import { openStore, type OpenStore } from '../store/open.ts';
import { webhookKey } from '../identity/keys/webhook-key.ts';
import type { TokenList } from '../identity/tokens/token-list.ts';
import { openUserLists } from '../identity/tokens/token-list-cache.ts';
import { createDeviceTokens } from '../identity/tokens/device-tokens.ts';
import { readJson } from '../common/json/read.ts';
import { createClientAddress } from '../common/client-address.ts';
import { openHttp } from '../transports/http/http.ts';
import { unavailableAnswers } from '../transports/unavailable.ts';
import { openListener, type HttpListener } from '../transports/listener.ts';
import { createLoginQueue } from '../transports/socketio/login-queue.ts';
import { backpressureLimits } from '../transports/socketio/backpressure.ts';
import { drop, openEngines } from '../transports/socketio/engines.ts';
import { firehoseCredentials } from '../transports/socketio/firehose.ts';
import { createFanOuts } from '../transports/socketio/fan-out.ts';
import { serveSockets } from '../transports/socketio/socket.ts';
import type { TokenDocument } from '../domain/documents/token.ts';
import { createTokenLoader } from '../identity/tokens/token-loader.ts';

/** A registry that runs in this process. */
export interface Registry {
  /** `http://HOST:PORT`, where HTTP and Socket.IO are served. */
  readonly url: string;
  /** Where MQTT is served over TCP and TLS: `mqtt://HOST:PORT`, `mqtts://HOST:PORT`. Over websocket it is at `/mqtt` of `url`. */
  readonly mqtt: readonly string[];
  /** The password of user `admin`, if it was made here and has not been changed yet. */
  readonly firstPassword: FirstPassword | null;
  /** Tells clients, writes what is left, and closes everything, within 10 s. */
  close(): Promise<void>;
}

/** Names the fields of a log line whose values are never written. */
const redacted = ['token', 'secret', 'authorization', 'cookie', 'password', 'pepper', 'otp', 'backupCode', 'backupCodes', 'seed'];

/**
 * Starts a registry. Any number of them may run in one process, each with its own data folder (`:memory:` keeps nothing).
 *
 * Options are the settings of `config.ts` under their own names; what is missing has its default.
 */
export const createRegistry = async (options: Partial<Config> = {}): Promise<Registry> => {
  const config = completeConfig(options);
  const paths = redacted.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);
  const log = pino({ level: config.logLevel, redact: { paths, censor: '[redacted]' } }, pino.destination({ fd: 2, sync: true }));
  const closers: Closers = [];
  const close = (): Promise<void> => closeAll(closers, log);
  try {
    return { ...(await openListenerAndInstance(config, log, closers)), close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** What outlives a restore. An instance of the registry is closed for a restore, and another one is opened with these resources. */
interface ProcessResources {
  readonly config: Config;
  readonly log: pino.Logger;
  readonly clock: Clock;
  readonly secrets: Secrets;
  readonly opened: OpenStore<Collections>;
  readonly maintenance: Maintenance;
  readonly listener: HttpListener;
  readonly processFigures: ReturnType<typeof createProcessFigures>;
}

/** The ports that MQTT was given: whatever is opened later on listens there too. */
const portsOf = (urls: readonly string[]): Partial<Config> =>
  Object.fromEntries(
    urls.map((url) => {
      const { protocol, port } = new URL(url);
      return [protocol === 'mqtts:' ? 'mqttsPort' : 'mqttPort', Number(port)];
    }),
  );

const openListenerAndInstance = async (config: Config, log: pino.Logger, closers: Closers): Promise<Omit<Registry, 'close'>> => {
  const clock = systemClock;
  const secrets = await createSecrets(config);
  const opened = await openStore<Collections>(config);
  closers.push(opened.close);
  const { store, alone } = opened;
  const { dataDir, archiveBytes: maxBytes } = config;
  const maintenance = await openMaintenance({ store, alone, dataDir, maxBytes, secrets, clock, log });
  closers.push(maintenance.close);
  const listener = openListener(unavailableAnswers(maintenance), config.keepAliveMs);
  closers.push(listener.close);
  const resources = { config, log, clock, secrets, opened, maintenance, listener, processFigures: createProcessFigures() };
  let taken: Partial<Config> = {};
  const restartable = await openRestartable({
    open: (own, leave) => openInstance({ ...resources, config: { ...config, ...taken } }, own, leave),
    clock,
    log,
  });
  taken = portsOf(restartable.instance.mqtt);
  closers.push(restartable.close, maintenance.stop);
  const url = await listener.listen(config.host, config.port);
  return { url, ...restartable.instance };
};

/** Opens everything in the order in which it depends on each other; what it opens it leaves to be closed in the opposite order. */
const openInstance = async (
  { config, log, clock, secrets, opened, maintenance, listener, processFigures }: ProcessResources,
  closers: Closers,
  leave: () => Promise<void>,
): Promise<Pick<Registry, 'mqtt' | 'firstPassword'>> => {
  const { now } = clock;
  const { alone } = opened;
  const data = await openData({ config, clock, log, secrets, opened, maintenance, leave }, closers);
  const { store, feed, due, history, cache, node, gate, keys, windowSecret, repositories, devices, rootRows, ids } = data;
  const hashing = createBcryptPool();
  const listing = { feed, trusts: () => node.trusts(), clock };
  const lists = {
    tokens: openUserLists<TokenList>(listing),
    certificates: openUserLists<readonly CertificateReference[]>(listing),
  };
  closers.push(
    () => lists.tokens.close(),
    () => lists.certificates.close(),
  );
  const tokens = createDeviceTokens({
    lists: lists.tokens,
    store,
    devices,
    rootRows,
    findToken: createTokenLoader(store),
    newestToken: (id) => (feed.newest('tokens', id)?.document ?? undefined) as TokenDocument | undefined,
    slowHash: hashing,
    ids,
    pepper: secrets.pepper,
    key: windowSecret,
    now,
  });
  const access = await createIdentity({
    lists,
    store,
    doors: repositories,
    devices,
    tokens,
    ids,
    keys,
    feed,
    slowHash: hashing,
    pepper: secrets.pepper,
    config,
    log,
    now,
  });
  const { sessions, effectivePermissions, logins, users } = access.services;
  let writesFail = false;
  const toRegistryError = failuresTo(log, () => (writesFail = true));
  const report = (error: unknown): void => void toRegistryError(error);
  const available = (): void => {
    gate.check();
    node.check();
  };
  const { byLoginName } = users;
  const audit = openAudit({
    store,
    chain: randomBytes(12).toString('base64url'),
    key: await keys.key('audit'),
    clock,
    available,
    report,
  });
  closers.push(() => audit.close());
  const auditing = createAuditing({ audit, authorities: effectivePermissions, byLoginName, report });
  const noteLogin = createLoginNotes(auditing);
  const authenticate = gate.answers(
    auditedLogins(
      createAuthenticator({ devices, tokens, sessions, authorities: effectivePermissions, logins, byLoginName }),
      noteLogin,
      byLoginName,
    ),
  );
  const connections = createConnections();

  const signing = webhookKey(keys);
  const realtime = openRealtime(
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
      ownedBy: async (uuid) => (await users.ownedBy(uuid)).map(({ _id }) => _id),
      privateKey: signing.privateKey,
      alone,
      config,
      clock,
      log,
      report,
    },
    closers,
  );
  const {
    audience,
    listening: connectionSubscriptions,
    spreads,
    subscriptions: storedSubscriptions,
    live,
    resume,
    carriage,
    presence,
    line,
    waiting: pendingCallers,
  } = realtime;
  // What is opened from here on is closed even if a later part fails to open; what is served ends in the order below.
  const closePresence = closeOnce(closers, () => presence.close());
  const services: Services = {
    store,
    devices,
    tokens,
    ids,
    ...access.services,
    revoke: async (revokes) => void (await applyRevocations({ output: {}, revokes })),
    storedSubscriptions,
    connectionSubscriptions,
    pendingCallers,
    connections,
    audit,
    routeOf: compileRouteTable(operations),
    node: node.id,
    live,
    resume,
    authenticate,
    lastSeenAt: (document) => presence.lastSeenAt(document),
    backupJobs: maintenance.jobs({ feed, keys, leave }),
    now,
    readJson,
    config,
  };
  const sweeper = openSweeper({
    store,
    connections,
    tokens,
    live: access.live,
    finishGroup: (uuid, by) => access.services.groups.remove(uuid, by, () => Promise.resolve()),
    finish: [users.finish, access.services.clientRegistry.sweep],
    clock,
    report,
  });
  closers.push(() => sweeper.close());
  realtime.follow(() => sweeper.checkConnections());
  await presence.sweep();

  const metrics = createMetrics({
    process: processFigures,
    connections,
    cache,
    transport: () => engines.stats(),
    retained: () => mqtt.retained,
    spreads: () => spreads,
  });
  const dispatch = metrics.measured(
    gate.answers(
      createPipeline({
        services,
        authenticate,
        limits: createRateLimit(config.callsPerMinute, now),
        auditing,
        send: (sent, repeated) => carriage.publish(sent, repeated),
        available,
      }),
    ),
  );
  const applyRevocations = async ({ revokes, recheck }: Result<unknown>, asking?: Connection): Promise<boolean> => {
    if (revokes === undefined) return false;
    const ended = revokes.map((revocation) => connections.revokeOthers(revocation, asking));
    let asked = false;
    await revokeEverywhere(node, async () => {
      if (asked) return (await recheck?.()) ?? true;
      asked = true;
      return recheck === undefined;
    });
    // The feed finds the connections that were ended here no more: what they have under way is waited for here.
    await Promise.all(ended.map(({ settled }) => settled));
    return ended.some(({ isLastAmong }) => isLastAmong);
  };

  const clientAddress = createClientAddress(config.trustedProxies);
  const engines = openEngines({
    clientAddress,
    origins: config.origins,
    legacy: config.legacy,
    heartbeat: { pingInterval: config.pingIntervalMs, pingTimeout: config.pingTimeoutMs },
    legacyHeartbeat: { pingInterval: config.legacyPingIntervalMs, pingTimeout: config.legacyPingTimeoutMs },
    messageBytes: config.messageBytes,
    eventBytes: Math.max(backpressureLimits.eventBytes, 8 * config.messageBytes),
    async admitFirehose(request, uuid) {
      const actor = await authenticate({ ...firehoseCredentials(request), address: clientAddress(request) });
      return actor !== null && (actor.uuid === uuid || actor.uuid === lowerUuid(uuid));
    },
  });
  const closeEngines = closeOnce(closers, () => engines.close());
  const register = operations.get('register');
  const servers = engines.legacy === null ? [engines.io] : [engines.io, engines.legacy];
  const stopSockets = serveSockets(servers, {
    clientAddress,
    subscriptions: connectionSubscriptions,
    fanOut: createFanOuts(servers),
    operations,
    connections,
    authenticate,
    presence,
    dispatch,
    loginQueue: createLoginQueue(() => engines.stats().connections - connections.size),
    reconnectQueue: createLoginQueue(() => Infinity),
    resume,
    cursor: () => line.cursor,
    pending: engines.pending,
    applyRevocations,
    async autoRegister(
      {
        uuid: _uuid,
        token: _token,
        auto_set_online: _online,
        sdk: _sdk,
        cursor: _cursor,
        resume: _resume,
        protocol: _protocol,
        ...properties
      },
      from,
    ) {
      if (!config.openRegistration || register === undefined) return undefined;
      const { output } = await dispatch(register, { actor: null, from, input: properties });
      return output as { uuid: string; token: string };
    },
    available,
    toRegistryError,
    report,
    refused: metrics.refused,
    drop,
    now,
  });
  const endSockets = closeOnce(closers, stopSockets);
  const document = describeHttp(operations);
  const mqtt = await openMqtt({
    clientAddress,
    store,
    feed,
    node,
    devices,
    ids,
    connections,
    listening: connectionSubscriptions,
    presence,
    audience,
    carriage,
    authorities: effectivePermissions,
    authenticate,
    mqttPrincipals: access.services.mqttPrincipals,
    noteLogin,
    trust: access.services.trust,
    pins: access.services.certificateBindings,
    clientRegistry: access.services.clientRegistry,
    live: access.live,
    operations,
    dispatch,
    applyRevocations,
    toRegistryError,
    report,
    refused: metrics.refused,
    alone,
    config,
    clock,
    log,
  });
  const closeMqtt = closeOnce(closers, () => mqtt.close());
  const hookLimits = createRateLimit(config.brokerHooksPerMinute, now);
  const http = await openHttp({
    clientAddress,
    operations,
    engines,
    mqtt: mqtt.upgrades,
    authenticate,
    connections,
    origins: config.origins,
    messageBytes: config.messageBytes,
    redirectsClients: config.mqttClientsUnauthorized === 'redirect',
    brokerHooks: {
      clientAddress,
      questions: mqtt.outside,
      secret: config.brokerHookSecret,
      addresses: config.brokerHookAddresses,
      spend: (address) => hookLimits.consume(address),
      toRegistryError,
    },
    dispatch,
    applyRevocations: (handled) => applyRevocations(handled),
    toRegistryError,
    document,
    archives: { offer: maintenance.offer, newest: services.backupJobs.newest },
    pages: pagesOf({
      publicKey: signing.publicKey,
      operations,
      document,
      metrics,
      async ping() {
        await opened.store.collection('maintenance').findOne({ _id: 'state' });
        // Once a write has failed for want of room, only a write tells that there is room again.
        if (writesFail) await probeWrite(store);
        writesFail = false;
      },
      isServing: () => node.state === 'serving' && feed.open,
    }),
  });
  const unserve = listener.serve(http.front);
  closers.push(async () => {
    unserve();
    await endSockets();
    await closeMqtt();
    await closeEngines();
    await http.close();
    await closePresence();
  });
  const mqttUrls = await mqtt.listen();
  return { mqtt: mqttUrls, firstPassword: access.firstPassword };
};
