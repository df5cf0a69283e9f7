import { isUtf8 } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Server as EngineServer } from 'engine.io';
import type { Socket as Connection } from 'engine.io';
import { terminate } from './connection.ts';
import { isCrowded } from './payload.ts';

/**
 * Purpose of an Engine.IO 3 handshake: Meshblu, Meshblu's second protocol (MS-1.10), or the
 * firehose of one device (MS-1.11).
 */
export type HandshakePath = 'main' | 'v2' | { readonly firehose: string };

const firehosePath = /^\/socket\.io\/v1\/([^/]+)\/?$/;

/** The meaning of a path of the legacy engine. Undefined for a path unknown to Meshblu. */
export const readPath = (pathname: string): HandshakePath | undefined => {
  if (pathname === '/socket.io/' || pathname === '/socket.io') return 'main';
  if (pathname === '/socket.io/v2/' || pathname === '/socket.io/v2') return 'v2';
  const [, uuid] = firehosePath.exec(pathname) ?? [];
  return uuid === undefined ? undefined : { firehose: uuid };
};

/** The purpose of this socket's handshake, by its path. */
export const handshakePath = (socket: { readonly request: IncomingMessage }): HandshakePath =>
  readPath(socket.request.url?.split('?', 1)[0] ?? '') ?? 'main';

const escape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/**
 * JSON in ASCII: socket.io-client 1.x breaks on anything else that comes over polling (MS-1.2.2).
 */
export const toAscii = (text: string): string => text.replace(/[\u0080-\uffff]/g, escape);

/**
 * Text as the client meant it: socket.io-client 1.x sends UTF-8 packed into UTF-8 over polling (MS-1.2.3).
 *
 * Text that cannot have come about like that stays as it is.
 */
export const repairText = (text: string): string => {
  if (!/[\u0080-\u00ff]/.test(text) || /[\u0100-\uffff]/.test(text)) return text;
  const bytes = Buffer.from(text, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : text;
};

/** The connection of a session's number; undefined if there is none. */
export const sessionOf = (engine: EngineServer, sid: string): Connection | undefined => {
  const { clients } = engine as unknown as { readonly clients: Readonly<Record<string, Connection>> };
  return Object.hasOwn(clients, sid) ? clients[sid] : undefined;
};

/** Ends a polling connection whose payload has too many packets, before any of them is decoded. */
const boundPayloads = (connection: Connection): void => {
  const transport = connection.transport as unknown as { readonly name: string; onData(payload: string | Buffer): void };
  if (transport.name !== 'polling') return;
  const decode = transport.onData.bind(transport);
  transport.onData = (payload) => {
    if (isCrowded(payload)) terminate(connection, 'parse error');
    else decode(payload);
  };
};

function repairPolling(this: Connection, packet: { readonly type: string; data?: unknown }): void {
  const { type, data } = packet;
  if (type === 'message' && typeof data === 'string' && this.transport.name === 'polling') packet.data = repairText(data);
}

/** Longest message to the legacy engine, in bytes: Meshblu's clients are used to large ones (MS-1.2.4). */
const messageBytes = 10_485_760;

/** May this handshake listen to the firehose of that device? Refused ones get HTTP 403 (MS-1.11). */
export type AdmitFirehose = (request: IncomingMessage, uuid: string) => Promise<boolean>;

/** Opens an engine for Engine.IO 3, that is socket.io-client 1.x and 2.x: polling, websocket, and the change from the one to the other. */
export const openLegacyEngine = (
  heartbeat: { readonly pingInterval: number; readonly pingTimeout: number },
  admitFirehose: AdmitFirehose,
): EngineServer => {
  const engine = new EngineServer({
    ...heartbeat,
    allowRequest(request, decide) {
      const path = readPath(request.url?.split('?', 1)[0] ?? '');
      if (typeof path !== 'object') return decide(null, true);
      admitFirehose(request, path.firehose).then(
        (admitted) => decide(null, admitted),
        () => decide(null, false),
      );
    },
    allowEIO3: true,
    maxHttpBufferSize: messageBytes,
    perMessageDeflate: false,
    httpCompression: false,
  });
  engine.on('connection', (connection: Connection) => {
    boundPayloads(connection);
    connection.on('packet', repairPolling);
  });
  return engine;
};

/** Gives the client of a poll `limitMs` to read the answer; Engine.IO forgets a response as soon as it is written. */
export const boundResponse = (response: ServerResponse, limitMs: number): void => {
  response.once('prefinish', () => {
    if (response.writableLength > 0) setTimeout(() => response.writableFinished || response.destroy(), limitMs).unref();
  });
};
