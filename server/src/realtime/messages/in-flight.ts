import type { Connection } from '../connections.ts';
import type { Sent } from '../../domain/message.ts';

/** A message that this node has taken and that its feed has not brought yet. */
export interface InFlightMessage {
  readonly id: string;
  readonly from: string;
  /** The moment at which it was taken. */
  readonly taken: number;
  /** Is its row written for the first time, so that it lies behind all that was acknowledged when it was taken? */
  isNew: boolean;
  /** `written`: its row is there. `doubtful`: nobody knows, and nothing waits for it. */
  state: 'under-way' | 'written' | 'doubtful';
  /** The moment at which it became known that its row is there. */
  writtenAt: number | undefined;
  /** Those that get it by the feed alone: everybody, or everybody but those that it was handed to before its delivery failed. */
  byFeed: { readonly but: ReadonlySet<Connection> } | null;
  /** Does this node make the requests that devices have asked for? */
  origin: boolean;
  /** Whether those that were not level when it was to be handed to them got it then; if not they get it by the feed. */
  readonly decided: Map<Connection, boolean>;
  /** Settles, never with a failure, when it has been handed to whoever gets it at once. */
  delivered: Promise<unknown> | undefined;
}

/** How a message is taken. */
type Taken = Pick<InFlightMessage, 'isNew' | 'byFeed' | 'origin'>;

/**
 * Messages between the moment at which a node takes them and the one at which its feed brings them, and the order in which connections get
 * them (see docs/resume.md). A message follows all that were acknowledged before it was sent, and the earlier ones of its sender.
 *
 * A connection is level when it has got everything that a new message could follow. One that has just caught up is not: what it missed may
 * still be in flight, here or from another node. So messages at once pass it by, and it gets them by the feed, until one of this node that
 * was taken after it had caught up has come by the feed: what was acknowledged before lies before that one.
 */
export interface InFlightMessages {
  take(sent: Sent, taken: Taken): InFlightMessage;
  of(id: string): InFlightMessage | undefined;
  /** Do messages of this device go by the feed alone: may earlier ones of it still be to come for everybody here? */
  awaits(from: string): boolean;
  /** Its row is there, or it is not known whether it is. */
  becomes(flight: InFlightMessage, state: 'written' | 'doubtful'): void;
  /** It could not be handed to all: who is not among `but` gets it by the feed. */
  failed(flight: InFlightMessage, but: ReadonlySet<Connection>): void;
  /** May this connection be handed the message at once? If not, it gets it by the feed. */
  admits(flight: InFlightMessage, connection: Connection): boolean;
  /** Does anybody get it by the feed, though it was delivered at once? */
  owesAny(flight: InFlightMessage): boolean;
  owes(flight: InFlightMessage, connection: Connection): boolean;
  /** The feed has brought it, and whoever gets it by the feed has got it. */
  land(flight: InFlightMessage): void;
  /**
   * This connection is its client's first, and begins where the feed is now: what is in flight was sent before, and it gets none of that. But it
   * would come to it late, if it resumed from here after it had got something newer.
   */
  begins(connection: Connection): void;
  /** This connection has got all that the feed has brought so far, and will get what it brings from now on. */
  catchUp(connection: Connection): void;
  /** This connection gets nothing until it catches up. */
  markLagging(connection: Connection): void;
}

/** A connection that is not level. */
interface Trail {
  /** The moment at which it caught up, or began. */
  readonly since: number;
  /** Did it miss nothing? */
  readonly isFirst: boolean;
  /** Has a message come by the feed that was taken after that? Not asked of one that missed nothing. */
  proven: boolean;
  /** What has to have come by the feed before what follows it. */
  readonly owed: Set<InFlightMessage>;
}

/** A write that was not answered may still take effect for so long, in milliseconds. */
const keptMs = 60_000;

/** Opens the table. `now`: milliseconds of a clock that never goes back. */
export const createInFlightMessages = (now: () => number): InFlightMessages => {
  const flights = new Map<string, InFlightMessage & { readonly at: number }>();
  const byFeed = new Map<string, Set<InFlightMessage>>();
  const trails = new Map<Connection, Trail>();
  /** Devices whose connection has caught up here, and when: they may have sent by another node before. */
  const returned = new Map<string, number>();
  let moments = 0;
  let newestCaughtUp = 0;
  let newestProof = 0;

  const uuidOf = ({ device, actor }: Connection): string => device ?? actor.uuid;

  const hold = (flight: InFlightMessage): void =>
    void byFeed.set(flight.from, (byFeed.get(flight.from) ?? new Set()).add(flight));
  const release = (flight: InFlightMessage): void => {
    const held = byFeed.get(flight.from);
    if (held?.delete(flight) === true && held.size === 0) byFeed.delete(flight.from);
  };

  const forget = (flight: InFlightMessage): void => {
    flights.delete(flight.id);
    release(flight);
    for (const connection of flight.decided.keys()) trails.get(connection)?.owed.delete(flight);
  };

  const owe = (flight: InFlightMessage, connection: Connection, trail: Trail): void => {
    flight.decided.set(connection, trail.isFirst && flight.taken < trail.since);
    trail.owed.add(flight);
  };

  /** Is it proven that whatever this connection missed has come, but for what is named now? */
  const isProven = (connection: Connection, trail: Trail): boolean => {
    if (trail.proven || (!trail.isFirst && newestProof <= trail.since)) return trail.proven;
    for (const flight of flights.values()) {
      if (flight.taken > trail.since) break;
      if (!flight.decided.has(connection)) owe(flight, connection, trail);
    }
    return (trail.proven = true);
  };

  const isBefore = (earlier: InFlightMessage, { from }: InFlightMessage): boolean =>
    earlier.state === 'written' || (earlier.state === 'under-way' && earlier.from === from);

  const becomes = (flight: InFlightMessage, state: InFlightMessage['state']): void => {
    flight.state = state;
    if (state === 'written') flight.writtenAt ??= moments += 1;
    if (flight.byFeed === null || flights.get(flight.id) !== flight) return;
    if (state === 'doubtful') release(flight);
    else hold(flight);
  };

  return {
    take({ id, from }, taken) {
      const at = now();
      for (const oldest of flights.values()) {
        if (at - oldest.at < keptMs) break;
        forget(oldest);
      }
      const flight: InFlightMessage & { readonly at: number } = {
        ...taken,
        id,
        from,
        at,
        taken: (moments += 1),
        state: 'under-way',
        writtenAt: undefined,
        decided: new Map(),
        delivered: undefined,
      };
      flights.set(id, flight);
      if (flight.byFeed !== null) hold(flight);
      return flight;
    },

    of: (id) => flights.get(id),
    awaits: (from) => returned.has(from) || byFeed.has(from),
    becomes,

    failed(flight, but) {
      flight.byFeed = { but };
      becomes(flight, flight.state);
    },

    admits(flight, connection) {
      const trail = trails.get(connection);
      if (trail === undefined) return true;
      const decided = flight.decided.get(connection);
      if (decided !== undefined) return decided;
      if (!isProven(connection, trail) || [...trail.owed].some((earlier) => isBefore(earlier, flight))) {
        owe(flight, connection, trail);
        return false;
      }
      flight.decided.set(connection, true);
      if (trail.owed.size === 0) trails.delete(connection);
      return true;
    },

    owesAny: ({ decided, taken }) => taken < newestCaughtUp || [...decided.values()].includes(false),
    owes(flight, connection) {
      const trail = trails.get(connection);
      return !(flight.decided.get(connection) ?? (trail === undefined || trail.isFirst || flight.taken > trail.since));
    },

    land(flight) {
      forget(flight);
      if (!flight.isNew) return;
      // What lies before it and has not come was left out by a hole in the feed.
      for (const earlier of flights.values()) {
        if (earlier.taken > flight.taken) break;
        if ((earlier.writtenAt ?? Infinity) < flight.taken) forget(earlier);
      }
      newestProof = Math.max(newestProof, flight.taken);
      if ((returned.get(flight.from) ?? Infinity) < flight.taken) returned.delete(flight.from);
    },

    begins(connection) {
      if (flights.size === 0) return;
      trails.set(connection, { since: (moments += 1), isFirst: true, proven: false, owed: new Set() });
      connection.onLeave(() => trails.delete(connection));
    },

    catchUp(connection) {
      const since = (newestCaughtUp = moments += 1);
      const uuid = uuidOf(connection);
      trails.set(connection, { since, isFirst: false, proven: false, owed: new Set() });
      returned.set(uuid, since);
      connection.onLeave(() => {
        trails.delete(connection);
        if (returned.get(uuid) === since) returned.delete(uuid);
      });
    },

    markLagging(connection) {
      for (const flight of trails.get(connection)?.owed ?? []) flight.decided.delete(connection);
      trails.delete(connection);
    },
  };
};
