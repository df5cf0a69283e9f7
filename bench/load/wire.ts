import { connect as connectTcp, type NetConnectOpts, type Socket } from 'node:net';
import { WebSocket } from 'ws';

/**
 * A Socket.IO client of Engine.IO 4 that does as little as it can: the server is to be the one that is measured.
 *
 * What is sent in one turn of the event loop goes out with one system call.
 */
export interface Wire {
  /** Sends an event, its arguments already as JSON; the acknowledgement's arguments come back as JSON, an array. */
  call(event: string, argumentsJson: string, acknowledge: (answerJson: string) => void): void;
  close(): void;
  /** Resolves when the transport is closed, by whomever. */
  readonly closed: Promise<void>;
}

export interface WireOptions {
  /** What goes into the handshake. */
  readonly auth?: Readonly<Record<string, unknown>>;
  /** The event that makes the connection ready; without one it is ready when it entered the namespace. */
  readonly readyAt?: string;
  /** Told of every event, with its arguments. */
  readonly onEvent?: (name: string, values: readonly unknown[]) => void;
}

const event = (name: string): string => `42["${name}",`;

/** Connects and waits until the connection is ready; rejects if it is closed before or told `notReady`. */
export const connect = (url: string, { auth, readyAt, onEvent }: WireOptions = {}): Promise<Wire> =>
  new Promise((resolve, reject) => {
    let tcp: Socket | undefined;
    let corked = false;
    const cork = (): void => {
      if (corked) return;
      corked = true;
      tcp?.cork();
      setImmediate(() => {
        corked = false;
        tcp?.uncork();
      });
    };
    const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      createConnection: ((options: NetConnectOpts) => {
        tcp = connectTcp(options);
        // Whoever listens to the websocket is told; a reset that comes when nobody does any more must not end the process.
        return tcp.on('error', () => undefined);
      }) as typeof connectTcp,
    });
    const waiting = new Map<number, (answerJson: string) => void>();
    let next = 0;
    let closing: (() => void) | undefined;
    const closed = new Promise<void>((done) => (closing = done));
    const wire: Wire = {
      call(name, argumentsJson, acknowledge) {
        const id = next++;
        waiting.set(id, acknowledge);
        cork();
        socket.send(`42${id}["${name}",${argumentsJson}]`);
      },
      close: () => socket.close(),
      closed,
    };
    socket.on('message', (data: Buffer) => {
      const text = data.toString('utf8');
      if (onEvent !== undefined && text.startsWith('42')) {
        const [name, ...values] = JSON.parse(text.slice(2)) as [string, ...unknown[]];
        onEvent(name, values);
      }
      if (text.startsWith('43')) {
        const begin = text.indexOf('[', 2);
        const id = Number(text.slice(2, begin));
        const acknowledge = waiting.get(id);
        waiting.delete(id);
        acknowledge?.(text.slice(begin));
      } else if (text === '2') socket.send('3');
      else if (text.startsWith('0')) socket.send(auth === undefined ? '40' : `40${JSON.stringify(auth)}`);
      else if (text.startsWith('40') ? readyAt === undefined : readyAt !== undefined && text.startsWith(event(readyAt)))
        resolve(wire);
      else if (text.startsWith(event('notReady')) || text.startsWith('44')) reject(new Error(`refused: ${text}`));
    });
    socket.on('error', reject);
    socket.on('close', () => {
      closing?.();
      reject(new Error('closed before it was ready'));
    });
  });
