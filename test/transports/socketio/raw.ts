import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { once } from 'node:events';

/** A websocket client by hand: it sends whatever it is told, reads only if it is told to, and leaves when it is asked to. */
export interface RawClient {
  readonly socket: Socket;
  /** Status line of the answer to the handshake. */
  readonly status: string;
  /** The messages of text received so far. */
  readonly messages: readonly string[];
  /** Sends one message of text, or of bytes. */
  send(message: string | Buffer): void;
  /** Has the other end closed the connection? */
  isClosed(): boolean;
  destroy(): void;
}

/** RFC 6455, section 5.2. */
const opcodes = { text: 1, bytes: 2, close: 8 } as const;

const mask = Buffer.alloc(4);

const frame = (message: string | Buffer): Buffer => {
  const payload = Buffer.from(message);
  const opcode = 0x80 | (typeof message === 'string' ? opcodes.text : opcodes.bytes);
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

/** The next frame in what a server sent, whose frames are not masked; with no opcode if there is less than a whole one. `end`: where it ends, or will end. */
const nextFrame = (bytes: Buffer, at: number): { readonly opcode?: number; readonly text?: string; readonly end: number } => {
  if (bytes.length < at + 2) return { end: at + 2 };
  const short = bytes.readUInt8(at + 1) & 0x7f;
  const start = at + (short < 126 ? 2 : short === 126 ? 4 : 10);
  if (bytes.length < start) return { end: start };
  const end = start + (short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2)));
  return bytes.length < end ? { end } : { opcode: bytes.readUInt8(at) & 0x0f, text: bytes.toString('utf8', start, end), end };
};

/** Opens a websocket to the path by hand. `paused`: it stops reading after the handshake's answer. */
export const rawClient = async (
  port: number,
  path = '/socket.io/?EIO=4&transport=websocket',
  { headers = {}, paused = false }: { headers?: Record<string, string>; paused?: boolean } = {},
): Promise<RawClient> => {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const messages: string[] = [];
  let unread: Buffer[] = [];
  let unreadBytes = 0;
  let wanted = 0;
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
  const read = (chunk: Buffer): void => {
    unread.push(chunk);
    unreadBytes += chunk.length;
    if (unreadBytes < wanted) return;
    const bytes = Buffer.concat(unread);
    let at = 0;
    let frame = nextFrame(bytes, at);
    for (; frame.opcode !== undefined; frame = nextFrame(bytes, at)) {
      if (frame.opcode === opcodes.text) messages.push(frame.text ?? '');
      if (frame.opcode === opcodes.close) socket.end();
      at = frame.end;
    }
    unread = [bytes.subarray(at)];
    unreadBytes = bytes.length - at;
    wanted = frame.end - at;
  };
  if (paused) socket.pause();
  else {
    read(Buffer.from(end < 0 ? '' : head.slice(end + 4), 'latin1'));
    socket.on('data', read);
  }
  return {
    socket,
    status: head.split('\r\n', 1)[0] ?? '',
    messages,
    send: (message) => void socket.write(frame(message)),
    isClosed: () => closed,
    destroy: () => void socket.destroy(),
  };
};
