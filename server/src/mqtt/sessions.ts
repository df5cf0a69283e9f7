import { RegistryError } from '@rollcall/client/contract';
import type { ChangeFeed } from '../data/feed/change-feed.ts';
import { isDuplicateKey } from '../store/duplicate-key.ts';
import type { Store } from '../data/store.ts';
import { openLevelBudget, type LevelBounds } from './level-budget.ts';
import { levelsOf, createSubscriptionIndex, type QoS, type Subscribed } from './subscription-index.ts';
import type { Change } from '../data/feed/change.ts';
import type { MqttSessionDocument, StoredPublish } from '../domain/documents/mqtt.ts';

/** A connection that asks for the session of its client id. */
export interface Claim {
  readonly clientId: string;
  readonly uuid: string;
  /** Does the session end with the connection? */
  readonly clean: boolean;
  /** Random id of the connection. */
  readonly link: string;
  readonly will?: StoredPublish | undefined;
}

/** The session that a connecting client gets. */
export interface ClaimedSession {
  /** Is an earlier session resumed? */
  readonly present: boolean;
  readonly subscriptions: readonly Subscribed[];
}

/**
 * The sessions of all nodes: owner of the client id, node of the client, and subscriptions (ME-12).
 */
export interface MqttSessions {
  /**
   * Takes the session over from the connection that has it.
   * Null if the client id belongs to another principal. `busy`: there are too many sessions.
   */
  claim(claim: Claim): Promise<ClaimedSession | null>;
  /**
   * Reports that the connection has closed. A clean session is removed, a persistent one is kept.
   */
  leave(clientId: string, link: string): Promise<void>;
  /** Replaces the subscriptions while this connection has the session. */
  subscribe(clientId: string, link: string, subscriptions: readonly Subscribed[]): Promise<void>;
  /**
   * The persistent sessions that a message with this topic is queued for: those that subscribe to
   * it with QoS 1 or 2.
   * `owner`: only sessions of this uuid.
   */
  match(topic: string, owner?: string): ReadonlyMap<string, QoS>;
  /** May the persistent sessions of this owner have so many more filter levels? */
  admits(uuid: string, levels: number): boolean;
  /** Removes a session and its queue. */
  remove(session: MqttSessionDocument): Promise<void>;
  /** Sessions on one of these nodes. Without `nodes`, sessions on any other node. */
  elsewhere(nodes?: readonly string[]): AsyncIterable<MqttSessionDocument>;
  /** Sessions whose client is away. */
  away(): AsyncIterable<MqttSessionDocument>;
  /**
   * Takes the will of a session whose node is dead, and marks its client as away. False if another
   * node did.
   */
  release(session: MqttSessionDocument): Promise<boolean>;
  close(): void;
}

/** The part of a session that is in memory. */
interface Known {
  readonly rev: number;
  readonly uuid: string;
  readonly weight: number;
}

/** Persistent sessions that one principal or device may have. */
const most = 10_000;

/**
 * Memory that a session takes on every node, in filter levels. The session itself counts as one.
 */
const weightOf = ({ clean, subscriptions }: MqttSessionDocument): number =>
  clean ? 0 : subscriptions.reduce((sum, { topic }) => sum + levelsOf(topic), 1);

/**
 * Opens the sessions.
 * `others`: are there other nodes? Without them a clean session without a will is not stored.
 * `taken` is called for a session that a connection of another node has taken over.
 */
export const openMqttSessions = async (options: {
  readonly store: Store;
  readonly feed: Pick<ChangeFeed, 'subscribe' | 'onResync'>;
  readonly node: string;
  readonly others: boolean;
  readonly bounds: LevelBounds;
  readonly now: () => number;
  /** A principal that has lost access has no claim to a client id. */
  readonly exists: (uuid: string) => Promise<boolean>;
  readonly taken: (clientId: string, link: string | undefined) => void;
  readonly report: (error: unknown) => void;
}): Promise<MqttSessions> => {
  const { store, feed, node, others, bounds, now } = options;
  const rows = store.collection('mqtt-sessions');
  const index = createSubscriptionIndex();
  const known = new Map<string, Known>();
  const budget = openLevelBudget(bounds);
  const count = ({ uuid, weight }: Known, sign: 1 | -1): void => budget.count(uuid, sign * weight);

  const see = (session: MqttSessionDocument): void => {
    const { _id, rev, uuid, clean, subscriptions } = session;
    const before = known.get(_id);
    if (rev <= (before?.rev ?? 0)) return;
    const seen = { rev, uuid, weight: weightOf(session) };
    if (before !== undefined) count(before, -1);
    count(seen, 1);
    known.set(_id, seen);
    index.set(_id, clean ? [] : subscriptions.filter(({ qos }) => qos > 0));
  };
  const forget = (clientId: string): void => {
    const before = known.get(clientId);
    if (before !== undefined) count(before, -1);
    known.delete(clientId);
    index.set(clientId, []);
  };
  const load = async (): Promise<void> => {
    const before = new Set(known.keys());
    for await (const session of rows.find({})) {
      before.delete(session._id);
      see(session);
    }
    for (const clientId of before) forget(clientId);
  };

  const stops = [
    feed.subscribe(({ collection, document, id }: Change) => {
      if (collection !== 'mqtt-sessions') return;
      const session = document as MqttSessionDocument | null;
      // A session that this node removed may exist again by now.
      if (session === null) return others ? forget(String(id)) : undefined;
      see(session);
      if (session.node !== node) options.taken(session._id, session.link);
    }),
    feed.onResync(() => void load().catch(options.report)),
  ];
  await load();

  /** Writes the next version of a session. False if another write came first. */
  const write = async (before: MqttSessionDocument | null, next: Omit<MqttSessionDocument, 'rev'>): Promise<boolean> => {
    const session: MqttSessionDocument = { ...next, rev: (before?.rev ?? 0) + 1 };
    if (before === null) {
      try {
        await rows.insertOne(session);
      } catch (error) {
        if (isDuplicateKey(error)) return false;
        throw error;
      }
    } else {
      const { matchedCount } = await rows.replaceOne({ _id: session._id, rev: before.rev }, session);
      if (matchedCount === 0) return false;
    }
    see(session);
    return true;
  };

  /** Changes a session while this connection has it. */
  const revise = async (
    clientId: string,
    link: string,
    change: (session: MqttSessionDocument) => Omit<MqttSessionDocument, 'rev'> | null,
  ): Promise<void> => {
    for (;;) {
      const session = await rows.findOne({ _id: clientId });
      if (session === null || session.link !== link) return;
      const next = change(session);
      if (next === null) return remove(session);
      if (await write(session, next)) return;
    }
  };

  const remove = async ({ _id, rev }: MqttSessionDocument): Promise<void> => {
    const { deletedCount } = await rows.deleteOne({ _id, rev });
    if (deletedCount === 0) return;
    forget(_id);
    await store.collection('mqtt-queue').deleteMany({ client: _id });
    await store.collection('mqtt-incoming').deleteMany({ client: _id });
  };

  return {
    async claim({ clientId, uuid, clean, link, will }) {
      for (;;) {
        const before = others || known.has(clientId) ? await rows.findOne({ _id: clientId }) : null;
        if (before !== null && before.uuid !== uuid && (await options.exists(before.uuid))) return null;
        const present = before !== null && before.uuid === uuid && !before.clean && !clean;
        if (before !== null && !present) {
          await remove(before);
          continue;
        }
        if (before === null && !clean && !budget.admits(uuid, 1)) throw new RegistryError('busy');
        if (before === null && !clean && (await rows.countDocuments({ uuid, clean }, { limit: most })) >= most)
          throw new RegistryError('busy');
        if (clean && will === undefined && !others) return { present: false, subscriptions: [] };
        const subscriptions = before?.subscriptions ?? [];
        const next = { _id: clientId, uuid, clean, subscriptions, link, node, since: new Date(now()), ...(will && { will }) };
        if (await write(before, next)) return { present, subscriptions };
      }
    },
    leave: (clientId, link) =>
      revise(clientId, link, ({ link: _link, node: _node, will: _will, rev: _rev, ...session }) =>
        session.clean ? null : { ...session, since: new Date(now()) },
      ),
    subscribe: (clientId, link, subscriptions) =>
      revise(clientId, link, (session) => ({ ...session, subscriptions: [...subscriptions] })),
    match(topic, owner) {
      const all = index.match(topic);
      return owner === undefined ? all : new Map([...all].filter(([clientId]) => known.get(clientId)?.uuid === owner));
    },
    admits: budget.admits,
    remove,
    elsewhere: (nodes) => rows.find({ node: nodes === undefined ? { $exists: true, $ne: node } : { $in: [...nodes] } }),
    away: () => rows.find({ link: { $exists: false } }),
    release: (session) => {
      const { link: _link, node: _node, will: _will, ...left } = session;
      return write(session, { ...left, since: new Date(now()) });
    },
    close() {
      for (const stop of stops) stop();
    },
  };
};
