import type { Server, Socket } from 'socket.io';
import { serveFirehose } from './firehose.ts';
import { handshakePath } from './legacy.ts';
import { serveProtocolV2 } from './protocol-v2.ts';
import { Session } from './session.ts';
import type { SocketKit } from './kit.ts';

/** A socket that stays without identity and makes no call is closed after this long (ME-4). */
const unidentifiedMs = 60_000;
const sweepMs = 5_000;

/** Serves the sockets of these Socket.IO servers; the function returned stops it. */
export const serveSockets = (servers: readonly Server[], kit: SocketKit): (() => void) => {
  const unidentified = new Set<Session>();

  const open = (socket: Socket): void => {
    const path = handshakePath(socket);
    if (path === 'v2') return serveProtocolV2(socket, kit);
    if (path !== 'main') return void serveFirehose(socket, path.firehose, kit).catch(kit.report);
    const session = new Session(socket, kit);
    unidentified.add(session);
    socket.on('disconnect', () => unidentified.delete(session));
  };
  for (const server of servers) server.on('connection', open);

  const sweep = setInterval(() => {
    const before = kit.now() - unidentifiedMs;
    for (const session of unidentified) {
      if (session.identified) unidentified.delete(session);
      else if (session.idleSince < before) kit.drop(session.socket);
    }
  }, sweepMs);
  sweep.unref();
  return () => clearInterval(sweep);
};
