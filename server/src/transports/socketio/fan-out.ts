import type { Server, Socket } from 'socket.io';
import type { Connection, FanOut } from '../../realtime/connections.ts';

/**
 * Creates the outlets of these servers.
 * Every socket is in the room of its own id, so an event to many sockets is one broadcast and
 * encoded once.
 * All events are sent this way, so they arrive in order.
 */
export const createFanOuts = (servers: readonly Server[]): ((socket: Socket) => FanOut) => {
  const outlets = servers.map((server): [Server, FanOut] => {
    const emit = (to: readonly Connection[], event: string, values: readonly unknown[]): void => {
      if (to.length > 0) server.to(to.map(({ id }) => id)).emit(event, ...values);
    };
    return [
      server,
      {
        send(to, event, data, extras) {
          if (extras === undefined) return emit(to, event, [data]);
          emit(
            to.filter((connection) => connection.takesMetadata),
            event,
            [data, extras],
          );
          emit(
            to.filter((connection) => !connection.takesMetadata),
            event,
            [data],
          );
        },
      },
    ];
  });
  const byServer = new Map(outlets);
  return (socket) => {
    const outlet = byServer.get(socket.nsp.server);
    if (outlet === undefined) throw new Error('a socket of a server that has no outlet');
    return outlet;
  };
};
