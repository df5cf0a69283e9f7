import type { Connection } from '../connections.ts';
import type { InFlightMessages } from '../messages/in-flight.ts';

/**
 * Connections that have come back and are not up to date yet. Deliveries pass them by, as all that they miss is in the ring and is
 * replayed from there; when they have caught up they get the rest like everybody else.
 */
export interface LaggingConnections {
  has(connection: Connection): boolean;
  /** From now on deliveries pass it by. To be called before the connection can get any. */
  add(connection: Connection): void;
  /** From now on it gets deliveries. To be called between two deliveries of the line, when it has got all before. */
  catchUp(connection: Connection): void;
}

/** An empty table. What was taken at once and the feed has not brought yet is left to `inFlight`. */
export const createLaggingConnections = (inFlight: Pick<InFlightMessages, 'catchUp' | 'markLagging'>): LaggingConnections => {
  const behind = new Set<Connection>();
  return {
    has: (connection) => behind.has(connection),
    add(connection) {
      if (behind.has(connection)) return;
      behind.add(connection);
      inFlight.markLagging(connection);
      connection.onLeave(() => behind.delete(connection));
    },
    catchUp(connection) {
      if (behind.delete(connection)) inFlight.catchUp(connection);
    },
  };
};
