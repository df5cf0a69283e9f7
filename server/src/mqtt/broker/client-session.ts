import type { Client } from 'aedes';
import { createRecentSet, type RecentSet } from '../../common/recent-set.ts';
import type { Connection } from '../../realtime/connections.ts';
import type { LevelBudget } from '../level-budget.ts';
import type { MqttIdentity } from '../login.ts';
import { ownRights, type OwnRights } from '../../domain/topic-rights.ts';
import type { Subscribed } from '../subscription-index.ts';
import { chain, type MaybePromise } from '../../common/maybe-promise.ts';
import { filtersOf } from './aedes-internals.ts';
import { createRetainedFirst, type RetainedFirst } from './retained-first.ts';
import { createFilters, type Filters } from './filters.ts';
import { createOrderedAcks, type OrderedAcks } from './ordered-acks.ts';

/**
 * One authenticated MQTT connection, and the part of its session that is in memory while it lasts.
 */
export interface ClientSession {
  /** Random id of the connection within the session. */
  readonly id: string;
  readonly client: Client;
  readonly identity: MqttIdentity;
  readonly own: OwnRights;
  /** The connection in the table of connections. */
  readonly connection: Connection;
  /** Does the session outlive the connection? */
  readonly keeps: boolean;
  readonly hasWill: boolean;
  /** The subscriptions of the resumed session. Null if there was none. */
  readonly restored: readonly Subscribed[] | null;
  readonly filters: Filters;
  /** Ids of the messages offered to it lately. */
  readonly passed: string[];
  readonly retained: RetainedFirst;
  readonly outgoing: OutgoingMessages;
  readonly incoming: IncomingMessages;
  /** Has its identity been revoked? Nothing of it is accepted or delivered any more. */
  ended: boolean;
  /**
   * Has another connection taken over its session? Its acknowledgements and packet identifiers no
   * longer count.
   */
  readonly isSuperseded: boolean;
  /**
   * Gives the session up to another connection. Settles when nothing of this one is being written
   * any more.
   */
  supersede(): Promise<void>;
  /** The follow-up work of its newest call. */
  following: Promise<void>;
  /** Runs pieces of work one after the other, in the order in which they came. */
  line<T>(work: () => Promise<T>): Promise<T>;
  /**
   * Runs work in two steps. The first steps run one after the other, and so do the second ones.
   * A first step does not wait for earlier second steps, so that their writes share a batch.
   * Without earlier work or waiting it runs synchronously, and its failure is thrown.
   */
  steps<T>(first: () => MaybePromise<() => MaybePromise<T>>): MaybePromise<T>;
  /**
   * Orders in which PUBLISH, PUBREC and PUBREL are sent [MQTT-4.6.0-3] [MQTT-4.6.0-4]
   * [MQTT-4.6.0-6].
   */
  readonly publishes: OrderedAcks;
  readonly pubrecs: OrderedAcks;
  readonly pubrels: OrderedAcks;
  /** Runs deliveries one after the other, in the order in which they came. */
  tellLater(work: () => Promise<void>): Promise<void>;
  /** Counts work as in progress until it settles. */
  track<T>(work: Promise<T>): Promise<T>;
  /** Settles when no work is in progress. */
  settled(): Promise<void>;
}

/**
 * Unacknowledged messages of a persistent session: rows of the delivery queue by message and by
 * packet identifier.
 */
export interface OutgoingMessages {
  readonly byPacket: Map<string, { readonly row: string; readonly waited: boolean }>;
  /** The row of each packet identifier in use. Empty for a message without a row. */
  readonly byMessageId: Map<number, string>;
  /** Rows passed to the connection, acknowledged ones included. */
  readonly taken: RecentSet;
  /** Resolves when the queued messages have been sent. New messages are sent only afterwards. */
  readonly drained: Promise<void>;
  drain(): void;
  /** Frees a packet identifier. */
  acknowledged(messageId: number): void;
  /** Settles when few messages are unacknowledged, or when the client has left. */
  room(): Promise<void>;
  /** Reports that the client has left. */
  leave(): void;
  /** Has the client so many unacknowledged messages that it gets no more? */
  readonly isFull: boolean;
  /** Allocates a free packet identifier. */
  nextMessageId(): number;
}

/** QoS 2 messages from the client that it has not released. */
export interface IncomingMessages {
  /** True the first time: the message has to be accepted. */
  accept(messageId: number): boolean;
  /** Was it already known? The first call for a packet answers false. */
  isKnown(messageId: number): boolean;
  release(messageId: number): boolean;
  readonly size: number;
}

const highest = 65_535;
/** Rows remembered as passed on: several times as many as may wait. */
const maxTaken = 4_000;
/** Messages that a client may leave unacknowledged. */
const maxUnacknowledged = 5_000;

const openOutgoing = (unacknowledged: ReadonlyMap<number, string>): OutgoingMessages => {
  let drain!: () => void;
  const drained = new Promise<void>((resolve) => (drain = resolve));
  const byMessageId = new Map(unacknowledged);
  const waiting: (() => void)[] = [];
  const wake = (): void => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  let hasLeft = false;
  let last = 0;
  return {
    byPacket: new Map(),
    byMessageId,
    taken: createRecentSet(maxTaken),
    drained,
    drain,
    acknowledged(messageId) {
      byMessageId.delete(messageId);
      if (byMessageId.size < maxUnacknowledged / 2) wake();
    },
    async room() {
      if (byMessageId.size >= maxUnacknowledged / 2 && !hasLeft) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    leave() {
      hasLeft = true;
      drain();
      wake();
    },
    get isFull() {
      return byMessageId.size >= maxUnacknowledged;
    },
    nextMessageId() {
      do last = (last % highest) + 1;
      while (byMessageId.has(last));
      byMessageId.set(last, '');
      return last;
    },
  };
};

const openIncoming = (unreleased: readonly number[]): IncomingMessages => {
  const state = new Map<number, 'accepted' | 'known'>(unreleased.map((messageId) => [messageId, 'known']));
  return {
    accept(messageId) {
      if (state.has(messageId)) return false;
      state.set(messageId, 'accepted');
      return true;
    },
    isKnown(messageId) {
      if (state.get(messageId) !== 'accepted') return state.has(messageId);
      state.set(messageId, 'known');
      return false;
    },
    release: (messageId) => state.delete(messageId),
    get size() {
      return state.size;
    },
  };
};

/** Creates a client session without any work in progress. */
export const createClientSession = (
  given: Pick<ClientSession, 'id' | 'client' | 'identity' | 'connection' | 'keeps' | 'hasWill' | 'restored'> & {
    /** Filter levels, shared with the other clients. */
    readonly budget: LevelBudget;
    /** Packet identifiers of the client's unreleased messages. */
    readonly unreleased: readonly number[];
    /** Packet identifiers of sent and unacknowledged messages, and their rows. */
    readonly unacknowledged: ReadonlyMap<number, string>;
  },
): ClientSession => {
  const { budget, unreleased, unacknowledged, ...parts } = given;
  let tail: Promise<unknown> = Promise.resolve();
  let handing: Promise<unknown> = Promise.resolve();
  let telling: Promise<unknown> = Promise.resolve();
  const underWay = new Set<Promise<unknown>>();
  /** Pieces of work that the next one has to wait for. */
  let held = 0;
  let isSuperseded = false;
  const release = (): void => void (held -= 1);
  const hold = (work: Promise<unknown>): Promise<void> => {
    held += 1;
    return work.then(release, release);
  };
  return {
    ...parts,
    own: ownRights(given.identity),
    filters: createFilters(() => filtersOf(given.client), budget, given.identity.actor.uuid),
    publishes: createOrderedAcks(),
    pubrecs: createOrderedAcks(),
    pubrels: createOrderedAcks(),
    passed: [],
    retained: createRetainedFirst(),
    outgoing: openOutgoing(unacknowledged),
    incoming: openIncoming(unreleased),
    ended: false,
    get isSuperseded() {
      return isSuperseded;
    },
    async supersede() {
      isSuperseded = true;
      await Promise.all([...underWay]);
    },
    following: Promise.resolve(),
    line(work) {
      const done = tail.then(work);
      tail = hold(done);
      return done;
    },
    steps(first) {
      const isFirst = held === 0;
      const begun = isFirst ? first() : tail.then(first);
      const earlier = handing;
      const done = chain(begun, (second) => (isFirst ? second() : earlier.then(second)));
      if (begun instanceof Promise) tail = hold(begun);
      if (done instanceof Promise) handing = hold(done);
      return done;
    },
    tellLater(work) {
      const done = telling.then(work);
      telling = done.catch(() => undefined);
      return done;
    },
    track(work) {
      const done = work.catch(() => undefined).finally(() => underWay.delete(done));
      underWay.add(done);
      return work;
    },
    settled: async () => void (await Promise.all([tail, handing, ...underWay])),
  };
};
