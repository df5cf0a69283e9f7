import { randomUUID } from 'node:crypto';
import { RegistryError } from '@rollcall/client/contract';
import { delay, withTimeLimit, type Clock } from '../../common/clock.ts';
import type { ChangeFeed } from '../feed/change-feed.ts';
import type { Position } from '../feed/position.ts';
import type { Log } from '../../common/log.ts';
import { createChangeConsumers, type ChangeConsumer } from './consumers.ts';
import { openFence, type FenceState } from './fence.ts';
import { openLease, RENEW_MS } from './lease.ts';
import { createPeers } from './peers.ts';
import type { Store } from '../store.ts';
import type { RequestId } from '../../domain/revision.ts';
import type { Change } from '../feed/change.ts';
import type { NodeDocument } from '../../domain/documents/cluster.ts';

export type { ChangeConsumer } from './consumers.ts';
export type { FenceState } from './fence.ts';

/** How long a revocation waits for the other nodes, in milliseconds: they need 7 s, and a pause of this node may be added. */
const BARRIER_MS = 15_000;
const LOOK_MS = 250;
/** How long reading the leases may take before it is tried again, in milliseconds. */
const READ_MS = 2_000;

/** One process of the registry, as the others see it: its lease, its fence, and what it waits for (ME-11). */
export interface Node {
  /** Random, once per start. */
  readonly id: string;
  /** Resolves when the node may load and serve: its first lease is durable and has come back, and a later one counts. */
  readonly ready: Promise<void>;
  readonly state: FenceState;
  /** Call it before each request, write, retry and delivery. Throws `unavailable` while the node is paused. */
  check(): void;
  /** May cached documents answer reads? Not while the feed is late: then the primary is read. */
  trusts(): boolean;
  /** The number of a write that has no request of its own: one instance per node, counted up. */
  request(): RequestId;
  /** Adds a change consumer: the node's `at` passes a change when every consumer has processed it. */
  addConsumer(carrier: ChangeConsumer): () => void;
  /**
   * Waits until every live node has processed all earlier writes. To be called without a document's lock.
   *
   * Takes under 1 s when all are well and 7 s otherwise; fails with `unavailable` after 15 s, and a repeat waits again.
   */
  barrier(): Promise<void>;
  /** Whether that node is alive, as far as this one knows. A node that was never seen is not. */
  lives(id: string): boolean;
  /** Whether there is no other node, as far as this one knows. */
  isOnly(): boolean;
  /** Nodes that are dead or have left lately. */
  gone(): string[];
  /** When that other node last gave a sign of life, in milliseconds since 1970 by this host's clock; undefined if it is not known. */
  seenAt(id: string): number | undefined;
  /** Called on every change of `state`. After `lost` the connections are to be closed. */
  onState(listener: (state: FenceState) => void): () => void;
  /** Gives up the lease. */
  close(): Promise<void>;
}

export interface NodeOptions {
  readonly store: Pick<Store, 'collection'>;
  readonly feed: ChangeFeed;
  readonly clock: Clock;
  readonly log: Log;
  readonly id?: string;
}

const numbers = (instance: string): (() => RequestId) => {
  let counter = 0;
  return () => ({ actor: '', instance, counter: (counter += 1), again: 0 });
};

/** The only process on an embedded store: it has no lease and no fence, and waits only for itself. */
export const openSoleNode = ({ feed, clock, log, id = randomUUID() }: Omit<NodeOptions, 'store'>): Node => {
  const waits = new Set<() => void>();
  const carrying = createChangeConsumers(feed, log, () => {
    for (const wait of [...waits]) wait();
  });
  let closed = false;
  return {
    id,
    ready: feed.ready,
    state: 'serving',
    check() {
      if (closed) throw new RegistryError('unavailable');
    },
    trusts: () => true,
    request: numbers(id),
    addConsumer: carrying.carry,
    barrier() {
      const target = feed.position;
      return until(clock, waits, () => carrying.position >= target);
    },
    lives: (other) => other === id,
    isOnly: () => true,
    gone: () => [],
    seenAt: () => undefined,
    onState: () => () => undefined,
    async close() {
      closed = true;
      carrying.close();
    },
  };
};

/** One of several processes on MongoDB. It begins by itself: wait for `ready`. */
export const openNode = ({ store, feed, clock, log, id = randomUUID() }: NodeOptions): Node => {
  const waits = new Set<() => void>();
  const barriers = new Set<{ readonly first: number; target: Position | null }>();
  const leases = store.collection('nodes');
  let asked: Position | null = null;
  let closed = false;
  let becameReady!: () => void;
  let failed!: (error: unknown) => void;
  const ready = new Promise<void>((resolve, reject) => ([becameReady, failed] = [resolve, reject]));
  ready.catch(() => undefined);

  const fence = openFence(clock);
  const carrying = createChangeConsumers(feed, log, (change) => advance(change));
  const lease = openLease({
    id,
    store,
    clock,
    log,
    at: () => carrying.position,
    acknowledged: ({ begun }) => fence.extend(begun),
  });
  const peers = createPeers(clock, () => fence.state === 'serving' && lease.onTime());

  const note = (change: Change): void => {
    const name = String(change.id);
    const document = change.document as NodeDocument | null;
    if (name !== id) {
      if (document === null) return peers.leave(name);
      peers.see(document);
      if (document.asks) asked = change.position;
    } else if (document) {
      lease.returned(document.renewal, change.position);
      for (const barrier of barriers) if (document.renewal >= barrier.first) barrier.target ??= change.position;
    }
  };

  const advance = (change: Change | null): void => {
    if (change?.collection === 'nodes') note(change);
    for (const { begun, counts } of lease.carried(carrying.position)) {
      if (counts && fence.arrive(begun)) {
        peers.countAnew();
        becameReady();
      }
      // A node that does not serve has nothing to wait a second for.
      if (fence.state !== 'serving') lease.renew();
    }
    if (asked !== null && asked <= carrying.position) {
      asked = null;
      lease.renew();
    }
    for (const wait of [...waits]) wait();
  };

  let stopSweep = (): void => undefined;
  const sweep = (): void => {
    stopSweep = clock.after(60 * RENEW_MS, () => {
      for (const dead of peers.forgotten()) void leases.deleteOne({ _id: dead }).catch(() => undefined);
      sweep();
    });
  };

  const readLeases = async (): Promise<void> => {
    while (!closed) {
      try {
        for (const other of await withTimeLimit(
          clock,
          READ_MS,
          leases.find({}, { readConcern: { level: 'majority' } }).toArray(),
        ))
          if (other._id !== id) peers.see(other);
        return;
      } catch (error) {
        log.warn({ err: error }, 'the leases could not be read');
        await delay(clock, RENEW_MS);
      }
    }
  };
  // Renewals and new nodes may be among the missed changes, so no node counts as dead or unknown because of it.
  carrying.carry({
    resync() {
      peers.countAnew();
      return readLeases();
    },
  });

  const begin = async (): Promise<void> => {
    await feed.ready;
    await readLeases();
    lease.renew();
    sweep();
  };
  begin().catch(failed);

  return {
    id,
    ready,
    get state() {
      return fence.state;
    },
    check() {
      if (closed || fence.state !== 'serving') throw new RegistryError('unavailable');
    },
    trusts: () => lease.onTime(),
    request: numbers(id),
    addConsumer: carrying.carry,
    async barrier() {
      // A renewal in progress may have begun before the revocation was written.
      const barrier: { readonly first: number; target: Position | null } = { first: lease.number + 1, target: null };
      barriers.add(barrier);
      lease.renew(true);
      try {
        await until(
          clock,
          waits,
          () => barrier.target !== null && carrying.position >= barrier.target && peers.past(barrier.target),
        );
      } finally {
        barriers.delete(barrier);
      }
    },
    lives: (other) => other === id || peers.lives(other),
    isOnly: () => peers.none(),
    gone: peers.gone,
    seenAt: peers.seenAt,
    onState: fence.onState,
    async close() {
      closed = true;
      stopSweep();
      lease.close();
      fence.close();
      carrying.close();
      await leases.deleteOne({ _id: id }).catch(() => undefined);
    },
  };
};

/** Resolves when `holds` does; asked at every wake-up and every quarter of a second, because death is only a matter of time. */
const until = (clock: Clock, waits: Set<() => void>, holds: () => boolean): Promise<void> =>
  new Promise((resolve, reject) => {
    let left = Math.ceil(BARRIER_MS / LOOK_MS);
    let stop = (): void => undefined;
    const end = (settle: () => void): void => {
      waits.delete(look);
      stop();
      settle();
    };
    const look = (): void => {
      if (holds()) end(resolve);
    };
    const again = (): void => {
      stop = clock.after(LOOK_MS, () => {
        left -= 1;
        look();
        if (!waits.has(look)) return;
        if (left === 0) end(() => reject(new RegistryError('unavailable')));
        else again();
      });
    };
    waits.add(look);
    again();
    look();
  });
