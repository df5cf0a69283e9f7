import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';

/**
 * Is this the origin that the request itself was sent to? A proxy in front may speak TLS in our
 * place, so only a TLS connection fixes the scheme.
 */
const isSameOrigin = (origin: string, request: IncomingMessage): boolean => {
  if (!URL.canParse(origin)) return false;
  const url = new URL(origin);
  const schemes = (request.socket as Partial<TLSSocket>).encrypted ? ['https:'] : ['https:', 'http:'];
  return url.origin === origin && schemes.includes(url.protocol) && url.host === request.headers.host?.toLowerCase();
};

/**
 * May a page of this request's origin talk to us? Programs send no Origin and may. CORS does not
 * guard websockets, so every transport asks.
 */
export const isAllowedOrigin = (request: IncomingMessage, origins: ReadonlySet<string>): boolean => {
  const { origin } = request.headers;
  return origin === undefined || origins.has(origin) || isSameOrigin(origin, request);
};

/**
 * Lets the page that sent this request read the answer (Fetch standard, "CORS protocol"). Its
 * origin has been found allowed before.
 */
export const allowPage = (request: IncomingMessage, response: ServerResponse): void => {
  const { origin } = request.headers;
  response.setHeader('Vary', 'Origin');
  if (origin === undefined) return;
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Allow-Credentials', 'true');
};

/** Answers the question a browser asks before a request that is not simple. */
export const answerPreflight = (request: IncomingMessage, response: ServerResponse): void => {
  response.setHeader('Access-Control-Allow-Methods', 'GET,POST');
  const { 'access-control-request-headers': headers } = request.headers;
  if (headers !== undefined) response.setHeader('Access-Control-Allow-Headers', headers);
  response.writeHead(204).end();
};
