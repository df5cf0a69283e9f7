import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Server as EngineServer } from 'engine.io';
import { Server } from 'socket.io';
import { repairText, toAscii } from './legacy.ts';
import { isAllowedOrigin } from './origins.ts';
import { guardedParser } from './parser.ts';

export { handshakePath } from './legacy.ts';
export { Rejected } from './packet.ts';

/** How the two engines are opened. */
export interface EngineOptions {
  /** Exact browser origins allowed beside the same origin. Requests without an Origin header are no browser's and are allowed. */
  readonly origins: readonly string[];
  /** Serve Engine.IO 3 clients (socket.io-client 1.x and 2.x) as well. */
  readonly legacy: boolean;
  /** Time in which a client has to enter the namespace, in milliseconds. Default 10,000. */
  readonly connectTimeoutMs?: number;
}

/** Two Engine.IO engines behind one router, each with its own Socket.IO server. */
export interface Engines {
  /** Engine.IO 4: websocket only, guarded parser. */
  readonly io: Server;
  /** Engine.IO 3: polling and websocket; null unless it was asked for. */
  readonly legacy: Server | null;
  /** Takes the request if its path is Engine.IO's; false: not ours. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  /** Takes the upgrade if its path is Engine.IO's; false: not ours, the caller offers it to others or destroys it. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean;
  /** Closes every connection and both servers, at the latest after half a second. */
  close(): Promise<void>;
}

/** Opens the engines; they own no HTTP server and listen to nothing. */
export const openEngines = (options: EngineOptions): Engines => {
  const origins = new Set(options.origins);
  const connectTimeout = options.connectTimeoutMs ?? 10_000;
  const main = new EngineServer({
    transports: ['websocket'],
    allowUpgrades: false,
    maxHttpBufferSize: 131_072,
    perMessageDeflate: false,
  });
  const parser = guardedParser({ maxAnswerLength: 8_388_608, connects: true, onRejected() {} });
  const io = new Server({ serveClient: false, connectTimeout, parser }).bind(main);

  const old = options.legacy
    ? new EngineServer({ allowEIO3: true, maxHttpBufferSize: 10_485_760, perMessageDeflate: false, httpCompression: false })
    : null;
  old?.on('connection', (connection) => {
    connection.on('packet', (packet: { type: string; data?: unknown }) => {
      if (packet.type === 'message' && typeof packet.data === 'string' && connection.transport.name === 'polling') {
        packet.data = repairText(packet.data);
      }
    });
  });
  const legacyParser = guardedParser({ maxAnswerLength: 8_388_608, connects: false, finish: toAscii, onRejected() {} });
  const legacy = old && new Server({ serveClient: false, connectTimeout, parser: legacyParser }).bind(old);

  const isOurs = (request: IncomingMessage): boolean => /^\/socket\.io(?:[/?]|$)/.test(request.url ?? '');

  const choose = (request: IncomingMessage): EngineServer | { code: number; message: string; status: number } => {
    if (!isAllowedOrigin(request, origins)) return { code: 4, message: 'Forbidden', status: 403 };
    const version = new URLSearchParams(request.url?.split('?')[1]).get('EIO');
    if (version === '4') return main;
    if (version === '3' && old) return old;
    return { code: 5, message: 'Unsupported protocol version', status: 400 };
  };

  return {
    io,
    legacy,
    handle(request, response) {
      if (!isOurs(request)) return false;
      const engine = choose(request);
      if (engine instanceof EngineServer) engine.handleRequest(request as never, response);
      else
        response
          .writeHead(engine.status, { 'content-type': 'application/json' })
          .end(JSON.stringify({ code: engine.code, message: engine.message }));
      return true;
    },
    upgrade(request, socket, head) {
      if (!isOurs(request)) return false;
      socket.on('error', () => {});
      const engine = choose(request);
      if (engine instanceof EngineServer) engine.handleUpgrade(request as never, socket, head);
      else socket.end(`HTTP/1.1 ${engine.status} ${engine.message}\r\nConnection: close\r\n\r\n`, () => socket.destroy());
      return true;
    },
    async close() {
      await Promise.all([io.close(), legacy?.close()]);
    },
  };
};
