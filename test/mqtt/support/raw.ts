import { connect } from 'node:net';
import { generate, parser, type IConnectPacket, type Packet } from 'mqtt-packet';

export type { Packet } from 'mqtt-packet';

type Named<C extends Packet['cmd']> = Extract<Packet, { readonly cmd: C }>;

/** A TCP connection that says MQTT packet by packet, good ones and bad ones. */
export interface Raw {
  /** Sends packets in one piece. */
  send(...packets: readonly Packet[]): void;
  /** Sends bytes as they are. */
  write(bytes: Uint8Array): void;
  /** The next packet; fails if it is another one, or if the connection ends before. */
  next<C extends Packet['cmd']>(cmd: C): Promise<Named<C>>;
  /** The same, passing by what comes before. */
  find<C extends Packet['cmd']>(cmd: C): Promise<Named<C>>;
  /** Packets that have come and that nobody has asked for. */
  readonly rest: readonly Packet[];
  /** Takes them. */
  take(): readonly Packet[];
  /** All bytes that have come. */
  readonly bytes: Buffer;
  readonly isClosed: boolean;
  /** What the server has said that is no MQTT. */
  readonly fault: Error | undefined;
  /** Waits until the server has closed the connection. */
  closed(ms?: number): Promise<void>;
  /** Reads nothing any more. */
  stall(): void;
  /** Says that nothing more is sent. */
  end(): void;
  /** Ends the connection without DISCONNECT. */
  cut(): void;
}

const open = new Set<Raw>();

/** Ends whatever a test has left open. */
export const closeRaw = (): void => {
  for (const raw of open) raw.cut();
  open.clear();
};

const waitMs = 4_000;

/** Opens a connection to `mqtt://HOST:PORT`; nothing is said yet. `closeRaw` ends it, unless `isKnown` is false. */
export const openRaw = async (url: string, isKnown = true): Promise<Raw> => {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname.replace(/^\[|\]$/g, ''));
  const rest: Packet[] = [];
  const chunks: Buffer[] = [];
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const look of [...waiting]) look();
  };
  const incoming = parser({ protocolVersion: 4 });
  let isClosed = false;
  incoming.on('packet', (packet) => rest.push(packet));
  let fault: Error | undefined;
  incoming.on('error', (error: Error) => {
    fault = error;
    socket.destroy();
  });
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    incoming.parse(chunk);
    wake();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    isClosed = true;
    wake();
  });
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));

  /** Waits until `look` gives something. */
  const wait = <T>(what: string, look: () => T | undefined, ms = waitMs): Promise<T> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(() => reject(new Error(`${what} did not come in ${ms} ms`))), ms);
      const settle = (done: () => void): void => {
        clearTimeout(timer);
        waiting.delete(attempt);
        done();
      };
      const attempt = (): void => {
        try {
          const found = look();
          if (found !== undefined) settle(() => resolve(found));
        } catch (error) {
          settle(() => reject(error as Error));
        }
      };
      waiting.add(attempt);
      attempt();
    });

  const raw: Raw = {
    send: (...packets) => void socket.write(Buffer.concat(packets.map((packet) => generate(packet)))),
    write: (bytes) => void socket.write(bytes),
    next: (cmd) =>
      wait(cmd, () => {
        const packet = rest.shift();
        if (packet === undefined && isClosed) throw new Error(`closed instead of ${cmd}`);
        if (packet !== undefined && packet.cmd !== cmd) throw new Error(`${JSON.stringify(packet)} instead of ${cmd}`);
        return packet as Named<typeof cmd> | undefined;
      }),
    find: (cmd) =>
      wait(cmd, () => {
        const at = rest.findIndex((packet) => packet.cmd === cmd);
        if (at < 0 && isClosed) throw new Error(`closed instead of ${cmd}`);
        return at < 0 ? undefined : (rest.splice(0, at + 1).at(-1) as Named<typeof cmd>);
      }),
    rest,
    take: () => rest.splice(0),
    get bytes() {
      return Buffer.concat(chunks);
    },
    get isClosed() {
      return isClosed;
    },
    get fault() {
      return fault;
    },
    closed: (ms) => wait('the end of the connection', () => (isClosed ? true : undefined), ms).then(() => undefined),
    stall: () => void socket.pause(),
    end: () => void socket.end(),
    cut: () => void socket.destroy(),
  };
  if (isKnown) open.add(raw);
  return raw;
};

/** CONNECT of MQTT 3.1.1 with a clean session and no keep-alive, unless said otherwise. */
export const connectPacket = (more: Partial<IConnectPacket> = {}): IConnectPacket => ({
  cmd: 'connect',
  protocolId: 'MQTT',
  protocolVersion: 4,
  clean: true,
  keepalive: 0,
  clientId: '',
  ...more,
});

/** Text as MQTT writes it: length and UTF-8; bytes as they are. */
export const field = (text: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(text as string);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

/** A packet by its first byte and its parts; `length` announces another remaining length than the true one. */
export const packetOf = (first: number, parts: readonly (number | Uint8Array)[] = [], length?: number): Buffer => {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : part)));
  const head = [first];
  let left = length ?? body.length;
  do {
    const digit = left % 128;
    left = Math.floor(left / 128);
    head.push(left > 0 ? digit | 128 : digit);
  } while (left > 0);
  return Buffer.concat([Buffer.from(head), body]);
};
