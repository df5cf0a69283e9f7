import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { once } from 'node:events';

/** A websocket client by hand: it sends whatever it is told and reads only if it is told to. */
export interface RawClient {
  readonly socket: Socket;
  /** Status line of the answer to the handshake. */
  readonly status: string;
  /** Everything received after the handshake's head, frames included. */
  received(): string;
  /** Sends one message of text, or of bytes. */
  send(message: string | Buffer): void;
  /** Has the other end closed the connection? */
  isClosed(): boolean;
  destroy(): void;
}

const mask = Buffer.alloc(4);

const frame = (message: string | Buffer): Buffer => {
  const payload = Buffer.from(message);
  const opcode = typeof message === 'string' ? 0x81 : 0x82;
  const head = Buffer.alloc(payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10);
  head[0] = opcode;
  if (head.length === 2) head[1] = 0x80 | payload.length;
  else if (head.length === 4) {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(payload.length, 2);
  } else {
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(BigInt(payload.length), 2);
  }
  // A mask of zeros is a mask (RFC 6455, section 5.3), and leaves the payload as it is.
  return Buffer.concat([head, mask, payload]);
};

/** Opens a websocket to the path by hand. `paused`: it stops reading after the handshake's answer. */
export const rawClient = async (
  port: number,
  path = '/socket.io/?EIO=4&transport=websocket',
  { headers = {}, paused = false }: { headers?: Record<string, string>; paused?: boolean } = {},
): Promise<RawClient> => {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let received = '';
  let closed = false;
  socket.on('close', () => (closed = true));
  socket.on('error', () => {});
  const all = {
    Host: `127.0.0.1:${port}`,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  const head = await new Promise<string>((resolve) => {
    let text = '';
    const read = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      socket.off('data', read);
      socket.off('close', stop);
      resolve(text);
    };
    const stop = (): void => resolve(text);
    socket.on('data', read);
    socket.on('close', stop);
  });
  const end = head.indexOf('\r\n\r\n');
  received = end < 0 ? '' : head.slice(end + 4);
  if (paused) socket.pause();
  else socket.on('data', (chunk: Buffer) => (received += chunk.toString('utf8')));
  return {
    socket,
    status: head.split('\r\n', 1)[0] ?? '',
    received: () => received,
    send: (message) => void socket.write(frame(message)),
    isClosed: () => closed,
    destroy: () => void socket.destroy(),
  };
};
