import { RegistryError, type resyncReasons } from '@rollcall/client/contract';
import { delay, type Clock } from '../../common/clock.ts';
import type { Connection, Connections } from '../connections.ts';
import { outgoing } from '../../domain/device-view.ts';
import type { StoredSubscriptions } from '../stored-subscriptions.ts';
import type { LaggingConnections } from './lagging-connections.ts';
import type { ChangeFeed } from '../../data/feed/change-feed.ts';
import type { History } from './history.ts';
import type { InFlightMessages } from '../messages/in-flight.ts';
import type { DeliveryQueue } from '../messages/delivery-queue.ts';
import type { Subscriptions } from '../subscriptions.ts';
import type { Position } from '../../data/feed/position.ts';
import { pushTopic } from '../pushes/pushes.ts';
import { Undecided, type Replay } from './replay.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';

/** Why somebody cannot be brought up to date event by event. */
export type ResyncReason = (typeof resyncReasons)[number];

/** How a client was brought up to date. */
export interface Resumed {
  /** The place up to which it is. */
  readonly cursor: string;
  /** How many events were sent again. */
  readonly replayed: number;
  readonly resync?: ResyncReason;
}

/** Brings connections up to date after a drop (ME-8). */
export interface Resume {
  /** This connection of ours has nothing to resume: it begins where the feed is now. To be called before it can get anything. */
  begins(connection: Connection): void;
  /** This connection is going to resume: until then it gets nothing that it will be replayed. To be called before it can get anything. */
  expect(connection: Connection): void;
  /** Replays what happened after the cursor, or tells `resync`; then the connection is like any other. */
  resume(connection: Connection, cursor: string): Promise<Resumed>;
  /** Changes may have been missed: every client of ours on this node is told so. */
  hole(): void;
  /** A delivery did not go out, the first after this place: when the node serves again, our clients are brought up to date from there. */
  refused(before: Position): void;
  /** This node serves again. */
  serving(): void;
  close(): void;
}

/** How long a cursor that is ahead of this node's feed is waited for, in milliseconds. */
const aheadMs = 4_000;
/** How long one replay may take, in milliseconds. */
const replayMs = 30_000;
/** How long a client may take to ask for its replay, in milliseconds; then it is told `resync` unasked. */
const askMs = 60_000;
/** Sending pauses when more bytes than this are unread, until fewer than the second figure are. */
const maxUnread = 256 * 1024;
const fewUnread = 64 * 1024;
const lookMs = 20;
/** Pause before something is tried again, in milliseconds. */
const againMs = 1_000;
/** The last events are sent between two deliveries, so that nothing comes in between: no more than this many. */
const lastFew = 8;
/** Devices whose events one connection may get by way of stored subscriptions. */
const maxSources = 2_000;
/** How often quiet clients are told where the feed is, in milliseconds: their cursor must not grow old. */
const movedMs = 30_000;

/**
 * Why a connection is behind: it has not asked yet (since when, in milliseconds of the monotonic clock), is being brought up to date, is to be
 * told of a hole, or waits until this node serves again.
 */
type State = { readonly kind: 'asks'; readonly since: number } | { readonly kind: 'under-way' | 'hole' | 'refused' };

class Resync extends Error {
  readonly reason: ResyncReason;
  constructor(reason: ResyncReason) {
    super(reason);
    this.reason = reason;
  }
}

export const openResume = (options: {
  readonly feed: ChangeFeed;
  readonly line: DeliveryQueue;
  readonly history: History;
  readonly behind: LaggingConnections;
  readonly inFlight: Pick<InFlightMessages, 'begins'>;
  readonly replay: Replay;
  readonly connections: Connections;
  readonly listening: Subscriptions;
  readonly subscriptions: StoredSubscriptions;
  readonly devices: Repository<DeviceDocument>;
  readonly clock: Clock;
  /** May this node deliver now? */
  readonly isServing: () => boolean;
  readonly report: (error: unknown) => void;
}): Resume => {
  const {
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
    isServing,
    report,
  } = options;
  const states = new Map<Connection, State>();
  /** Where the deliveries of this node stopped going out. */
  let refusedFrom: Position | null = null;

  const here = (connection: Connection): void => {
    if (!behind.has(connection)) throw new RegistryError('disconnected');
  };

  /** The place of a cursor that the ring reaches. */
  const placeOf = async (cursor: string): Promise<Position> => {
    const prefix = `${feed.id}.`;
    const place = cursor.slice(prefix.length);
    if (!cursor.startsWith(prefix) || !/^[0-9a-f]{20}([0-9a-f]{8})?$/.test(place)) throw new Resync('other-feed');
    if (place > feed.position && !(await feed.reaches(cursor, aheadMs))) throw new Resync('too-new');
    if (place < feed.start) throw new Resync('too-old');
    return place;
  };

  /** The devices of which something may come to this connection: its own, those that it listens to, and those that these are subscribed to. */
  const sourcesOf = async (connection: Connection): Promise<ReadonlySet<string>> => {
    const sources = new Set<string>();
    let fresh = [...listening.of(connection)];
    while (fresh.length > 0) {
      for (const uuid of fresh) sources.add(uuid);
      if (sources.size > maxSources) throw new Resync('too-much');
      const found = await Promise.all(fresh.map((uuid) => subscriptions.from(uuid)));
      fresh = [...new Set(found.flat().map(({ emitterUuid }) => emitterUuid))].filter((uuid) => !sources.has(uuid));
    }
    if (connection.actor.principal === true) sources.add(pushTopic);
    return sources.add(connection.actor.uuid);
  };

  const drained = async (connection: Connection, bytes: number): Promise<void> => {
    while ((connection.pending?.() ?? 0) > bytes) {
      await delay(clock, lookMs);
      here(connection);
    }
  };

  const enter = (connection: Connection, state: State): void => {
    if (!states.has(connection)) connection.onLeave(() => states.delete(connection));
    states.set(connection, state);
    behind.add(connection);
  };

  /** From now on it gets whatever is delivered. */
  const letIn = (connection: Connection): string => {
    here(connection);
    if (refusedFrom !== null) throw new RegistryError('unavailable');
    states.delete(connection);
    behind.catchUp(connection);
    return line.cursor;
  };

  const catchUp = async (connection: Connection, from: Position): Promise<Resumed> => {
    const sources = await sourcesOf(connection);
    const deadline = clock.monotonic() + replayMs;
    let replayed = 0;
    let place = from;
    /** Sends what is missing up to a place. */
    const send = async (to: Position): Promise<void> => {
      for (const change of history.between(place, to, sources)) {
        here(connection);
        replayed += await replay(connection, change);
        place = change.position;
        if ((connection.pending?.() ?? 0) > maxUnread) await drained(connection, fewUnread);
        if (place < feed.start) throw new Resync('too-old');
        if (clock.monotonic() > deadline) throw new Resync('too-much');
      }
    };
    while (history.between(place, line.delivered, sources).length > lastFew) await send(line.delivered);
    await drained(connection, fewUnread);
    return line.runExclusive(async () => {
      if (place < feed.start) throw new Resync('too-old');
      await send(line.delivered);
      return { cursor: letIn(connection), replayed };
    });
  };

  /** Tells that events are missing, and the own document as it is now. */
  const tellResync = async (connection: Connection, reason: ResyncReason): Promise<Resumed> => {
    const cursor = await line.runExclusive(() => {
      const at = letIn(connection);
      connections.send([connection], 'resync', { reason }, { cursor: at });
      return at;
    });
    await tellOwn(connection);
    return { cursor, replayed: 0, resync: reason };
  };

  const tellOwn = async (connection: Connection): Promise<void> => {
    let isHere = true;
    connection.onLeave(() => (isHere = false));
    while (isHere) {
      try {
        const own = await devices.getFresh(connection.actor.uuid);
        if (own !== null)
          connections.send([connection], 'config', outgoing(own), { id: `${own.uuid}:${own._rollcall?.rev ?? 0}` });
        return;
      } catch (error) {
        if (!(error instanceof RegistryError && error.code === 'unavailable')) throw error;
        await delay(clock, againMs);
      }
    }
  };

  const resume = async (connection: Connection, start: () => Promise<Position> | Position): Promise<Resumed> => {
    enter(connection, { kind: 'under-way' });
    try {
      return await catchUp(connection, await start());
    } catch (error) {
      if (error instanceof Resync) return tellResync(connection, error.reason);
      if (error instanceof Undecided) return tellResync(connection, 'unknown');
      throw error;
    }
  };

  /** Brings connections up to date without being asked; a failure is tried again as long as they live. */
  const unasked = (some: readonly Connection[], work: (connection: Connection) => Promise<unknown>): void => {
    for (const connection of some) {
      work(connection).catch((error: unknown) => {
        if (error instanceof RegistryError && error.code === 'disconnected') return;
        if (!(error instanceof RegistryError && error.code === 'unavailable')) report(error);
        clock.after(againMs, () => behind.has(connection) && unasked([connection], work));
      });
    }
  };

  const inState = (is: (state: State) => boolean): Connection[] =>
    [...states].filter(([, state]) => is(state)).map(([connection]) => connection);

  /** Our clients that are up to date. */
  const upToDate = (): Connection[] => [...connections.all()].filter((one) => one.takesMetadata && !behind.has(one));

  const serving = (): void => {
    const from = refusedFrom;
    if (from === null) return;
    refusedFrom = null;
    unasked(
      inState(({ kind }) => kind === 'refused'),
      (connection) =>
        resume(connection, () => {
          if (from < feed.start) throw new Resync('too-old');
          return from;
        }),
    );
  };

  let stopTimer = (): void => undefined;
  let looks = 0;
  const look = (): void => {
    stopTimer = clock.after(movedMs / 6, () => {
      const late = clock.monotonic() - askMs;
      const silent = inState((state) => state.kind === 'asks' && state.since < late);
      for (const connection of silent) enter(connection, { kind: 'hole' });
      unasked(silent, (connection) => tellResync(connection, 'too-old'));
      looks += 1;
      if (looks % 6 === 0) {
        void line.runExclusive(() => {
          const { cursor } = line;
          if (refusedFrom === null) connections.send(upToDate(), 'feed:moved', { cursor }, { cursor });
        });
      }
      look();
    });
  };
  look();

  return {
    begins: inFlight.begins,
    expect: (connection) => enter(connection, { kind: 'asks', since: clock.monotonic() }),

    async resume(connection, cursor) {
      if (states.get(connection)?.kind !== 'asks') throw new RegistryError('invalid-input', 'There is nothing to resume');
      try {
        return await resume(connection, () => placeOf(cursor));
      } catch (error) {
        if (behind.has(connection)) enter(connection, { kind: 'asks', since: clock.monotonic() });
        throw error;
      }
    },

    hole() {
      refusedFrom = null;
      const told = [...upToDate(), ...inState(({ kind }) => kind === 'refused')];
      for (const connection of told) enter(connection, { kind: 'hole' });
      unasked(told, (connection) => tellResync(connection, 'hole'));
    },

    refused(before) {
      if (refusedFrom !== null) return;
      refusedFrom = before;
      for (const connection of upToDate()) enter(connection, { kind: 'refused' });
      // It may have been the store alone that could not be reached, and nothing else will tell.
      clock.after(againMs, () => isServing() && serving());
    },

    serving,

    close: () => stopTimer(),
  };
};
