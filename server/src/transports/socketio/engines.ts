import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Server as EngineServer } from 'engine.io';
import { Server } from 'socket.io';
import type { Socket } from 'socket.io';
import { handshakeLimits, openHandshakeLimit } from './handshake-limit.ts';
import { createClientAddress, type ClientAddress } from '../../common/client-address.ts';
import type { HandshakeLimits } from './handshake-limit.ts';
import { backpressureLimits, guardBackpressure, lookMs } from './backpressure.ts';
import type { Backpressure, BackpressureLimits } from './backpressure.ts';
import { terminate } from './connection.ts';
import { openLegacyEngine, toAscii, type AdmitFirehose } from './legacy.ts';
import { guardedParser } from './parser.ts';
import type { SocketParser } from './parser.ts';
import { maxFrameBytesOf } from '../../common/frame-limits.ts';
import { createRouter } from './router.ts';

export { handshakePath } from './legacy.ts';
export type { HandshakePath } from './legacy.ts';
export { Rejected } from './packet.ts';

/** How often a connection is pinged, and how long the answer may take, in milliseconds. */
export interface Heartbeat {
  readonly pingInterval: number;
  readonly pingTimeout: number;
}

/** Options of the two engines. */
export interface EngineOptions extends Partial<HandshakeLimits>, Partial<BackpressureLimits> {
  /**
   * Exact browser origins allowed in addition to the server's own. A request without an Origin
   * header does not come from a browser and is allowed.
   */
  readonly origins: readonly string[];
  /** Serve Engine.IO 3 clients (socket.io-client 1.x and 2.x) as well. */
  readonly legacy: boolean;
  /** Largest message to devices, in bytes of JSON. Default 64 KiB. */
  readonly messageBytes?: number;
  /** Time in which a client has to enter the namespace, in milliseconds. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** The heartbeat of the main engine. Default 4 s and 3.5 s: a cut connection is noticed after 7.5 s at most. */
  readonly heartbeat?: Heartbeat;
  /** The heartbeat of the legacy engine. Default 25 s and 60 s: throttled browser tabs run timers once a minute. */
  readonly legacyHeartbeat?: Heartbeat;
  /** The client address of a request. Default: the peer's. */
  readonly clientAddress?: ClientAddress;
  /** Decides at the handshake whether a client may listen to a firehose. Default: refused. */
  readonly admitFirehose?: AdmitFirehose;
}

/** Metrics of both engines together. All but `connections` only grow. */
export interface EngineStats {
  readonly connections: number;
  /** Connections ended because they did not read. */
  readonly slowDrops: number;
  /** Volatile events that were not sent because too much waited. */
  readonly volatileDrops: number;
  /** Packets that the guard refused. */
  readonly rejectedPackets: number;
}

/** The two Engine.IO engines and their common router, each engine with its own Socket.IO server. */
export interface Engines {
  /** Engine.IO 4: websocket only. */
  readonly io: Server;
  /** Engine.IO 3: polling and websocket; null unless it was asked for. */
  readonly legacy: Server | null;
  /** Handles the request if its path is Engine.IO's. False for any other path. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  /**
   * Handles the upgrade if its path is Engine.IO's. False for any other path: the caller offers it
   * to others or destroys it.
   */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean;
  /** Emits unless 256 KiB or more wait for this socket; then counts the event as dropped and returns false. */
  emitVolatile(socket: Socket, event: string, ...values: unknown[]): boolean;
  /** Bytes that wait to be read by this socket's other end. */
  pending(socket: Socket): number;
  stats(): EngineStats;
  /** Closes every connection and both servers, within half a second. */
  close(): Promise<void>;
}

/** Notices a cut connection after 7.5 s at most, so that presence is right within 8 s (RL-1.7). */
const mainHeartbeat: Heartbeat = { pingInterval: 4_000, pingTimeout: 3_500 };
const legacyHeartbeat: Heartbeat = { pingInterval: 25_000, pingTimeout: 60_000 };

/** Disconnects a socket and its transport. Waits at most 250 ms for the other end. */
export const drop = (socket: Socket): void => {
  const { conn } = socket;
  socket.disconnect(true);
  conn.close();
  setTimeout(terminate, lookMs, conn, 'forced close').unref();
};

interface Guarded {
  readonly engine: EngineServer;
  readonly io: Server;
  readonly backlog: Backpressure;
}

/** Waits until the engines have closed all sockets, and destroys the rest after `lookMs`. */
const closeAll = async (sockets: ReadonlySet<Duplex>): Promise<void> => {
  const timer = setTimeout(() => {
    for (const socket of sockets) socket.destroy();
  }, lookMs);
  await Promise.all([...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
  clearTimeout(timer);
};

/** Opens the engines. They own no HTTP server and listen to nothing. */
export const openEngines = (options: EngineOptions): Engines => {
  const limits = { ...backpressureLimits, ...handshakeLimits, ...options };
  const counts = { rejectedPackets: 0, volatileDrops: 0 };
  const onRejected = (): void => {
    counts.rejectedPackets += 1;
  };

  const open = (engine: EngineServer, parser: SocketParser): Guarded => {
    const backlog = guardBackpressure(engine, limits);
    const io = new Server({ serveClient: false, connectTimeout: options.connectTimeoutMs ?? 10_000, parser });
    return { engine, backlog, io: io.bind(engine) };
  };
  const maxFrameBytes = maxFrameBytesOf(options.messageBytes ?? 65_536);
  const main = open(
    new EngineServer({
      transports: ['websocket'],
      allowUpgrades: false,
      ...(options.heartbeat ?? mainHeartbeat),
      maxHttpBufferSize: maxFrameBytes,
      perMessageDeflate: false,
    }),
    guardedParser({ connects: true, maxAnswerLength: limits.answerBytes, maxFrameBytes, onRejected }),
  );
  const legacy = options.legacy
    ? open(
        openLegacyEngine(options.legacyHeartbeat ?? legacyHeartbeat, options.admitFirehose ?? (() => Promise.resolve(false))),
        guardedParser({ connects: false, maxAnswerLength: limits.answerBytes, maxFrameBytes, finish: toAscii, onRejected }),
      )
    : null;

  const both = legacy ? [main, legacy] : [main];
  const connections = (): number => both.reduce((sum, { engine }) => sum + engine.clientsCount, 0);
  const pending = ({ conn }: Socket): number => both.reduce((sum, { backlog }) => sum + backlog.pending(conn), 0);
  const admission = openHandshakeLimit(limits, () => Math.max(connections(), router.sockets.size));
  const router = createRouter({
    main: main.engine,
    legacy: legacy?.engine ?? null,
    origins: options.origins,
    admission,
    clientAddress: options.clientAddress ?? createClientAddress([]),
    drainMs: limits.drainMs,
  });

  return {
    handle: router.handle,
    upgrade: router.upgrade,
    io: main.io,
    legacy: legacy?.io ?? null,
    pending,
    emitVolatile(socket, event, ...values) {
      const isFree = pending(socket) < limits.volatileBytes;
      if (isFree) socket.emit(event, ...values);
      else counts.volatileDrops += 1;
      return isFree;
    },
    stats: () => ({
      connections: connections(),
      slowDrops: both.reduce((sum, { backlog }) => sum + backlog.slowDrops(), 0),
      ...counts,
    }),
    async close() {
      admission.close();
      await Promise.all(both.map(({ io }) => io.close()));
      await closeAll(router.sockets);
      for (const { backlog } of both) backlog.close();
    },
  };
};
