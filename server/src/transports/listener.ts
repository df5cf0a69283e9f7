import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { RegistryError, type ErrorCode } from '@rollcall/client/contract';
import type { UnavailableAnswer } from './unavailable.ts';

/** Handlers of the requests and upgrades of a listener. */
export interface Front {
  request(request: IncomingMessage, response: ServerResponse): void | Promise<void>;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** The HTTP server of a registry. It stays open while a restore replaces its handlers. */
export interface HttpListener {
  /** Starts to listen. Answers `http://HOST:PORT`. Port 0 picks a free one. */
  listen(host: string, port: number): Promise<string>;
  /**
   * Installs the handlers until the function returned is called. Without handlers every request is
   * answered 503.
   */
  serve(front: Front): () => void;
  close(): Promise<void>;
}

const headersMs = 10_000;
/** Longest time for the body of a request, in milliseconds. */
const bodyMs = 15_000;

const closing = (status: string): string => `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;

const deadlines = new WeakMap<IncomingMessage, NodeJS.Timeout>();

/** Ends the connection of a body that takes too long, as Node does for whole requests. */
const hurry = (request: IncomingMessage, response?: ServerResponse): void => {
  const { socket } = request;
  const deadline = setTimeout(() => {
    if (socket.writable && response?.headersSent === false) socket.write(closing('408 Request Timeout'));
    socket.destroy();
  }, bodyMs);
  deadlines.set(request, deadline);
  const done = (): void => clearTimeout(deadline);
  request.once('end', done).once('close', done);
};

/**
 * Suspends the time limit of this request's body until the function returned is called.
 * The reader of the body has to watch that data keeps arriving.
 */
export const unhurried = (request: IncomingMessage): (() => void) => {
  clearTimeout(deadlines.get(request));
  return () => {
    if (!request.destroyed) hurry(request);
  };
};

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;

const unread: Readonly<Record<string, readonly [status: number, code: ErrorCode]>> = {
  HPE_HEADER_OVERFLOW: [431, 'too-large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'timeout'],
};

/** Answers bytes that are not a request, or a request that is too large. Its route is unknown. */
const answerUnread = (error: Error & { readonly code?: string }, socket: Duplex): void => {
  const [status, code] = unread[error.code ?? ''] ?? ([400, 'invalid-input'] as const);
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const phrase = STATUS_CODES[status] ?? '';
  const body = JSON.stringify({ error: phrase, status, code });
  const head = [
    `HTTP/1.1 ${status} ${phrase}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
};

const type = { 'content-type': 'application/json; charset=utf-8' };

/** Answers while the registry is not served. The process itself is healthy. */
const openAway = (answer: UnavailableAnswer): Front => ({
  async request(request, response) {
    const [path = ''] = (request.url ?? '').split('?');
    const known = path === '/healthz' ? { status: 'ok' } : await answer(request).catch(() => undefined);
    if (known !== undefined) return void response.writeHead(200, type).end(JSON.stringify(known));
    const { code, ...failure } = new RegistryError('unavailable').toFailure();
    const told = { ...failure, code: path.startsWith('/api/') ? code.toUpperCase() : code };
    const body = path === '/readyz' ? { ready: false } : told;
    response.writeHead(503, { ...type, 'retry-after': '1' }).end(JSON.stringify(body));
  },
  upgrade: (_request, socket) => void socket.end(closing('503 Service Unavailable')),
});

/**
 * Opens the listener.
 * `answer`: gives the answers while the registry is not served.
 * `keepAliveTimeout`: how long an idle connection stays open, in milliseconds.
 */
export const openListener = (answer: UnavailableAnswer, keepAliveTimeout: number): HttpListener => {
  const away = openAway(answer);
  let front = away;
  const server: Server = createServer({ headersTimeout: headersMs, requestTimeout: 0, keepAliveTimeout }, (request, response) => {
    if (hasBody(request)) hurry(request, response);
    void front.request(request, response);
  });
  server.on('upgrade', (request: IncomingMessage, socket, head) => {
    socket.on('error', () => undefined);
    front.upgrade(request, socket, head);
  });
  server.on('clientError', answerUnread);

  return {
    async listen(host, port) {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port }, () => {
          server.off('error', reject);
          resolve();
        });
      });
      const bound = (server.address() as AddressInfo).port;
      return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`;
    },
    serve(next) {
      front = next;
      return () => {
        if (front === next) front = away;
      };
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
};
