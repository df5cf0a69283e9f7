import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';

/** What an Engine.IO 3 client came for: Meshblu, Meshblu's second protocol (reference, section 1.10), or the firehose of one device (1.11). */
export type HandshakePath = 'main' | 'v2' | { readonly firehose: string };

const firehosePath = /^\/socket\.io\/v1\/([^/]+)\/?$/;

/** What a path of the legacy engine means; undefined for a path that Meshblu never had. */
export const readPath = (pathname: string): HandshakePath | undefined => {
  if (pathname === '/socket.io/' || pathname === '/socket.io') return 'main';
  if (pathname === '/socket.io/v2/' || pathname === '/socket.io/v2') return 'v2';
  const [, uuid] = firehosePath.exec(pathname) ?? [];
  return uuid === undefined ? undefined : { firehose: uuid };
};

/** What the client of this socket asked for by the path of its handshake. */
export const handshakePath = (socket: { readonly request: IncomingMessage }): HandshakePath =>
  readPath(socket.request.url?.split('?', 1)[0] ?? '') ?? 'main';

const escape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** The same JSON in ASCII: socket.io-client 1.x breaks on anything else that comes over polling (reference, section 1.2 b). */
export const toAscii = (text: string): string => text.replace(/[\u0080-\uffff]/g, escape);

/**
 * Text as the client meant it: socket.io-client 1.x sends UTF-8 packed into UTF-8 over polling (reference, section 1.2 c).
 *
 * Text that cannot have come about like that stays as it is.
 */
export const repairText = (text: string): string => {
  if (!/[\u0080-\u00ff]/.test(text) || /[\u0100-\uffff]/.test(text)) return text;
  const bytes = Buffer.from(text, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : text;
};
