import type { IncomingMessage, ServerResponse } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/** The target of an Engine.IO request. */
export interface Target {
  readonly pathname: string;
  /** Of a repeated parameter the last, as Engine.IO reads it. */
  readonly query: Record<string, string>;
}

/** The target of a request under `/socket.io`; undefined: not Engine.IO's. */
export const readTarget = ({ url = '' }: IncomingMessage): Target | undefined => {
  if (!/^\/socket\.io(?:[/?]|$)/.test(url)) return undefined;
  const [pathname = '', ...rest] = url.split('?');
  const query = Object.create(null) as Record<string, string>;
  for (const [name, value] of new URLSearchParams(rest.join('?'))) query[name] = value;
  return { pathname, query };
};

/** A refusal in Engine.IO's format, with its `code` and `message` (Engine.IO, `Server.errors`). */
export interface Refusal {
  readonly status: number;
  readonly code: number;
  readonly message: string;
}

/** The refusals of the router. */
export const refusals = {
  unknownSession: { status: 400, code: 1, message: 'Session ID unknown' },
  badRequest: { status: 400, code: 3, message: 'Bad request' },
  forbidden: { status: 403, code: 4, message: 'Forbidden' },
  unsupportedVersion: { status: 400, code: 5, message: 'Unsupported protocol version' },
  rate: { status: 429, code: 4, message: 'Too Many Requests' },
  busy: { status: 503, code: 4, message: 'Service Unavailable' },
} as const satisfies Record<string, Refusal>;

const body = ({ code, message }: Refusal): string => JSON.stringify({ code, message });

/** Refuses a plain request. */
export const refuseRequest = (response: ServerResponse, refusal: Refusal): void => {
  response.writeHead(refusal.status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(body(refusal));
};

/** Refuses an upgrade and closes its connection. */
export const refuseUpgrade = (socket: Duplex, refusal: Refusal): void => {
  const text = body(refusal);
  const head = [
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${text.length}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`, () => socket.destroy());
};
