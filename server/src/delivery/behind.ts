import type { Connection } from '../connections.ts';

/**
 * Connections that have come back and are not up to date yet. Deliveries pass them by, as all that they miss is in the ring and is
 * replayed from there; when they have caught up they get the rest like everybody else.
 */
export interface Behind {
  has(connection: Connection): boolean;
  /** From now on deliveries pass it by. To be called before the connection can get any. */
  add(connection: Connection): void;
  /** From now on it gets deliveries. */
  caughtUp(connection: Connection): void;
  all(): readonly Connection[];
  /** A moment of this node, for comparing with others: each is later than the one before. */
  moment(): number;
  /** Has anybody caught up after this moment? */
  anySince(moment: number): boolean;
  /** Did this connection catch up after this moment: what was delivered then, it may not have got? */
  since(connection: Connection, moment: number): boolean;
}

/** An empty table. */
export const openBehind = (): Behind => {
  const behind = new Set<Connection>();
  const caughtUpAt = new WeakMap<Connection, number>();
  let moments = 0;
  let newest = -1;
  return {
    has: (connection) => behind.has(connection),
    add(connection) {
      if (behind.has(connection)) return;
      behind.add(connection);
      connection.onLeave(() => behind.delete(connection));
    },
    caughtUp(connection) {
      if (!behind.delete(connection)) return;
      newest = moments += 1;
      caughtUpAt.set(connection, newest);
    },
    all: () => [...behind],
    moment: () => (moments += 1),
    anySince: (moment) => newest > moment,
    since: (connection, moment) => (caughtUpAt.get(connection) ?? -1) > moment,
  };
};
