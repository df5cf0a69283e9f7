import { inspect } from 'node:util';
import { RegistryError } from '@rollcall/client/contract';
import { revokeEverywhere } from '@rollcall/server/internal/data/cluster/revocation-barrier';
import { openChangeFeed, type ChangeFeed } from '@rollcall/server/internal/data/feed/change-feed';
import { failuresTo } from '@rollcall/server/internal/app/to-registry-error';
import { openCache, revOf, type DocumentsCache } from '@rollcall/server/internal/data/repository/cache';
import { createRepository } from '@rollcall/server/internal/data/repository/repository';
import { openNode, type Node } from '@rollcall/server/internal/data/cluster/node';
import type { Call, History } from './history.ts';
import { openConnection, type Connection, type StoreBreaks } from './network.ts';
import { openMessaging, type Messaging, type RealtimeBreaks } from './realtime.ts';
import type { ReplicaSet } from './replica-set.ts';
import { openHost, type Host, type World } from './world.ts';
import type { RequestId, Mutation } from '@rollcall/server/internal/domain/revision';
import type { Repository } from '@rollcall/server/internal/data/repository/types';
import type { Change } from '@rollcall/server/internal/data/feed/change';
import type { Guarded } from '@rollcall/server/internal/domain/documents/metadata';
import type { DeviceDocument } from '@rollcall/server/internal/domain/documents/device';
import type { TokenDocument } from '@rollcall/server/internal/domain/documents/token';

/** A document that remembers which requests have changed it, so that a checker can see each effect. */
export interface Counted extends DeviceDocument {
  readonly effects: readonly string[];
  readonly open: boolean;
  /** The effect of the newest revision, and its number: `<effect>@<rev>`. */
  readonly by: string;
}

/** Rules that a test breaks on purpose. */
export interface Breaks extends StoreBreaks, RealtimeBreaks {
  /** Nobody waits for the other nodes when a credential ends. */
  readonly noBarrier?: boolean;
  /** A node goes on although nobody knows that it lives. */
  readonly noFence?: boolean;
  /** The cache does not hear of changes and is always trusted. */
  readonly deafCache?: boolean;
}

/** One node of the registry with a small application on it: sessions that end, writes, reads, deliveries. */
export interface Process {
  readonly name: string;
  readonly host: Host;
  readonly connection: Connection;
  readonly feed: ChangeFeed;
  readonly node: Node;
  readonly cache: DocumentsCache;
  readonly devices: Repository<DeviceDocument>;
  readonly messaging: Messaging;
  login(session: string): Promise<void>;
  update(call: Call, request: RequestId | null): Promise<number>;
  create(session: string, uuid: string, request: RequestId, effect: string): Promise<number>;
  read(session: string, uuid: string): Promise<number>;
  /** By nobody in particular: opens or closes a document for updates. */
  admit(uuid: string, open: boolean): Promise<void>;
  remove(session: string, uuid: string, request: RequestId, effect: string): Promise<number>;
  revoke(session: string, request: RequestId): Promise<void>;
}

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

export const startProcess = (world: World, set: ReplicaSet, name: string, history: History, breaks: Breaks): Process => {
  const { random } = world;
  const host = openHost(world, random.between(0.98, 1.02), 1_700_000_000_000 + random.between(-60_000, 60_000));
  const { clock } = host;
  const connection = openConnection({
    world,
    host,
    set,
    breaks,
    sent: (collection, document) => {
      if (collection !== 'devices') return;
      const [effect, rev] = (document as Counted).by.split('@');
      if (rev === String(revOf(document as Counted))) history.sent.push({ time: world.time, node: name, effect: effect! });
    },
  });
  const log = {
    ...quiet,
    error: (fields: object, message: string) =>
      void history.alarms.push(`${name}: ${message} ${inspect((fields as { err?: unknown }).err)}`),
  };
  const feed = openChangeFeed({
    store: connection.store,
    id: 'feed',
    clock,
    log,
    heartbeats: true,
    window: { ms: 40_000, changes: random.pick([60, 1_000]) },
  });
  const deaf = {
    ...feed,
    subscribe: () => () => undefined,
    onResync: () => () => undefined,
    newest: () => undefined,
    position: '',
    start: '',
  };
  const cache = openCache({
    feed: breaks.deafCache ? deaf : feed,
    collections: { devices: 'uuid', tokens: '_id' },
    log,
    clock,
    maxDocuments: random.pick([6, 100]),
  });
  const real = openNode({ store: connection.store, feed, clock, log, id: name });
  const node: Node = Object.create(real, {
    ...(breaks.noFence && { check: { value: () => undefined } }),
    ...(breaks.deafCache && { trusts: { value: () => true } }),
  }) as Node;
  const shared = { store: connection.store, feed, node, cache, clock, windowSecret: Buffer.alloc(32, 1) };
  const devices = createRepository({ ...shared, collection: 'devices', key: 'uuid' });
  const tokens = createRepository({ ...shared, collection: 'tokens', key: '_id' });
  const toRegistryError = failuresTo(log);
  const report = (error: unknown): void => void toRegistryError(error);
  const messaging = openMessaging({ name, store: connection.store, feed, node, devices, host, report, breaks });

  /** Sessions of this node, and how much of theirs is under way. */
  const sessions = new Map<string, { alive: boolean; underWay: Set<Promise<unknown>> }>();

  const strip = (session: string): Promise<void> | undefined => {
    const known = sessions.get(session);
    if (known === undefined) return undefined;
    known.alive = false;
    sessions.delete(session);
    return known.underWay.size === 0 ? undefined : Promise.allSettled([...known.underWay]).then(() => undefined);
  };

  node.addConsumer({
    change(change) {
      if (change.collection === 'tokens' && (change.document as Guarded | null)?._rollcall?.gone) return strip(String(change.id));
      return undefined;
    },
    resync: () => Promise.all([...sessions.keys()].map(strip)).then(() => undefined),
  });

  const record = (change: Change): void => {
    if (change.collection === 'nodes') return;
    history.feeds.push({ node: name, time: world.time, position: change.position });
    if (change.collection !== 'devices') return;
    try {
      node.check();
    } catch {
      return;
    }
    for (const [session, { alive }] of sessions)
      if (alive) history.processed.push({ time: world.time, node: name, session, what: 'delivery' });
  };
  feed.subscribe(record);
  feed.onResync(() => void history.feeds.push({ node: name, time: world.time, position: 'resync' }));

  /** Runs a call of a session, if it still is one; its identity ends only when the call has. */
  const inSession = async <T>(session: string, work: (alive: () => void) => Promise<T>): Promise<T> => {
    node.check();
    const known = sessions.get(session);
    if (!known?.alive) throw new RegistryError('unauthenticated');
    history.processed.push({ time: world.time, node: name, session, what: 'call' });
    const running = work(() => {
      if (!known.alive) throw new RegistryError('unauthenticated');
    });
    known.underWay.add(running);
    try {
      return await running;
    } finally {
      known.underWay.delete(running);
    }
  };

  const barrier = async (): Promise<void> => {
    const begun = world.time;
    let passed = false;
    try {
      await node.barrier();
      passed = true;
    } finally {
      history.barriers.push({ node: name, begun, ended: world.time, passed });
    }
  };

  const mark = (before: Counted | null, effect: string): Pick<Counted, 'effects' | 'by'> => ({
    effects: [...(before?.effects ?? []), effect],
    by: `${effect}@${(before === null ? 0 : revOf(before)) + 1}`,
  });

  const present = (before: DeviceDocument | null): Counted => {
    if (before === null) throw new RegistryError('forbidden');
    return before as Counted;
  };

  return {
    name,
    host,
    connection,
    feed,
    node,
    cache,
    devices,
    messaging,
    async login(session) {
      node.check();
      if (sessions.get(session)?.alive) return;
      if ((await tokens.getFresh(session)) === null) throw new RegistryError('unauthenticated');
      const known = sessions.get(session) ?? { alive: false, underWay: new Set() };
      sessions.set(session, known);
      // Its end may have passed by before it was entered: until it was looked at again, nothing is done for it.
      const stillThere = (await tokens.getFresh(session)) !== null;
      if (!stillThere || sessions.get(session) !== known) throw new RegistryError('unauthenticated');
      known.alive = true;
    },
    update: ({ session, uuid, effect, expectedRev, fickle }, request) =>
      inSession(session, async (alive) => {
        const step: Mutation<DeviceDocument> = (before) => {
          alive();
          const document = present(before);
          if (!document.open || (fickle && random.chance(0.5))) throw new RegistryError('forbidden');
          return { next: { ...document, ...mark(document, effect) }, visible: true };
        };
        return revOf((await devices.update(uuid, request, step, { expectedRev })).document);
      }),
    create: (session, uuid, request, effect) =>
      inSession(session, async () =>
        revOf(await devices.insert({ _id: uuid, uuid, ...mark(null, effect), open: true } as Counted, request)),
      ),
    read: (session, uuid) =>
      inSession(session, async () => {
        const document = await devices.get(uuid);
        node.check();
        return document === null ? -1 : revOf(document);
      }),
    async admit(uuid, open) {
      node.check();
      await devices.update(uuid, null, (before) => {
        const document = present(before);
        return document.open === open ? null : { next: { ...document, open }, visible: false };
      });
    },
    remove: (session, uuid, request, effect) =>
      inSession(session, async (alive) => {
        const { document } = await devices.update(uuid, request, (before) => {
          alive();
          const present_ = present(before);
          const _rollcall = { ...present_._rollcall!, gone: { at: feed.time(), by: session } };
          return { next: { ...present_, ...mark(present_, effect), _rollcall }, visible: true };
        });
        return revOf(document);
      }),
    async revoke(session, request) {
      node.check();
      const end: Mutation<TokenDocument> = (before) => {
        if (before === null) return null;
        return {
          next: { ...before, _rollcall: { ...before._rollcall!, gone: { at: feed.time(), by: session } } },
          visible: true,
        };
      };
      await revokeEverywhere({ barrier: breaks.noBarrier ? async () => undefined : barrier }, async () => {
        try {
          return (await tokens.update(session, request, end)).outcome !== 'unchanged';
        } catch (error) {
          if (error instanceof RegistryError && error.code === 'not-found') return false;
          throw error;
        }
      });
    },
  };
};
