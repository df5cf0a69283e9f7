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

/** One MQTT connection that has proved who it is, and the part of its session that is in memory while it is here. */
export interface ClientSession {
  /** Names the connection in the session: random. */
  readonly id: string;
  readonly client: Client;
  readonly identity: MqttIdentity;
  readonly own: OwnRights;
  /** The connections table's view of it. */
  readonly connection: Connection;
  /** Does the session outlive the connection? */
  readonly keeps: boolean;
  readonly hasWill: boolean;
  /** The subscriptions of the session that goes on; null if there was none. */
  readonly restored: readonly Subscribed[] | null;
  readonly filters: Filters;
  /** The messages that it was offered lately. */
  readonly passed: string[];
  readonly retained: RetainedFirst;
  readonly outgoing: OutgoingMessages;
  readonly incoming: IncomingMessages;
  /** Has it lost its identity? Nothing of it is taken or delivered any more. */
  ended: boolean;
  /** Has another connection taken over its session? Its acknowledgements and packet identifiers count no more. */
  readonly isSuperseded: boolean;
  /** Another connection takes over the session. Settles when nothing of this one is being written any more. */
  supersede(): Promise<void>;
  /** What is left to be done of its newest call. */
  following: Promise<void>;
  /** Runs pieces of work one after the other, in the order in which they came. */
  line<T>(work: () => Promise<T>): Promise<T>;
  /**
   * Carries out work in two steps: the first ones one after the other, and so the second ones, but a first step does not wait for the second ones
   * in front of it. So what is stored in the second is stored together. With nothing in front of it and nothing to wait for it is done at once, and
   * what fails at once is thrown.
   */
  steps<T>(first: () => MaybePromise<() => MaybePromise<T>>): MaybePromise<T>;
  /** In which PUBLISH, PUBREC and PUBREL go out [MQTT-4.6.0-3] [MQTT-4.6.0-4] [MQTT-4.6.0-6]. */
  readonly publishes: OrderedAcks;
  readonly pubrecs: OrderedAcks;
  readonly pubrels: OrderedAcks;
  /** Runs deliveries one after the other, in the order in which they came. */
  tellLater(work: () => Promise<void>): Promise<void>;
  /** Counts something as under way until it is done. */
  track<T>(work: Promise<T>): Promise<T>;
  /** Settles when nothing of it is under way. */
  settled(): Promise<void>;
}

/** Messages of a kept session on their way to its client: from their id to the row, and from the packet identifier to the row. */
export interface OutgoingMessages {
  readonly byPacket: Map<string, { readonly row: string; readonly waited: boolean }>;
  /** The row of each packet identifier in use; an empty text for a message that no row keeps. */
  readonly byMessageId: Map<number, string>;
  /** Rows that have been handed to the connection, acknowledged ones too. */
  readonly taken: RecentSet;
  /** What waited has been sent: only then new messages follow it. */
  readonly drained: Promise<void>;
  drain(): void;
  /** A packet identifier is free again. */
  acknowledged(messageId: number): void;
  /** Settles when the client has not much left to acknowledge, or has left. */
  room(): Promise<void>;
  /** The client has left. */
  leave(): void;
  /** Are there so many messages that the client has not acknowledged that it gets no more? */
  readonly isFull: boolean;
  /** A packet identifier that was not in use; it is from now on. */
  nextMessageId(): number;
}

/** QoS 2 messages from the client that it has not released yet. */
export interface IncomingMessages {
  /** True the first time: the message is to be taken. */
  accept(messageId: number): boolean;
  /** Was it already known? The first call for a packet answers false. */
  isKnown(messageId: number): boolean;
  release(messageId: number): boolean;
  readonly size: number;
}

const highest = 65_535;
/** How many rows are known to have been handed on: several times as many as may wait. */
const maxTaken = 4_000;
/** How many messages a client may leave without acknowledgement. */
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

/** A link without anything under way. */
export const createClientSession = (
  given: Pick<ClientSession, 'id' | 'client' | 'identity' | 'connection' | 'keeps' | 'hasWill' | 'restored'> & {
    /** What its filters share with those of others. */
    readonly budget: LevelBudget;
    /** Packet identifiers of the client's messages that it has not released. */
    readonly unreleased: readonly number[];
    /** Packet identifiers under which messages were sent that it has not acknowledged, and their rows. */
    readonly unacknowledged: ReadonlyMap<number, string>;
  },
): ClientSession => {
  const { budget, unreleased, unacknowledged, ...parts } = given;
  let tail: Promise<unknown> = Promise.resolve();
  let handing: Promise<unknown> = Promise.resolve();
  let telling: Promise<unknown> = Promise.resolve();
  const underWay = new Set<Promise<unknown>>();
  /** How many pieces of work the next one has to wait for. */
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
