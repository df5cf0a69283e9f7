import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Socket } from 'socket.io';
import { Server } from 'socket.io';

/** A call as it came over the wire. */
export interface Received {
  readonly event: string;
  readonly input: Record<string, unknown>;
  readonly options: { readonly reqId: string; readonly again?: number; readonly rev?: number; readonly as?: string };
  /** Which connection it came by, from 0. */
  readonly connection: number;
}

/** What the stub says to a handshake. */
export interface Greeting {
  readonly event: 'ready' | 'notReady';
  readonly body: Record<string, unknown>;
}

/** Answer of a handler that sends none. */
export const silence = Symbol('silence');

/** A double of the server's side of the wire, for faults that a real server does not have on demand. */
export interface Stub {
  readonly url: string;
  readonly port: number;
  /** What each connection sent as `auth`, in order. */
  readonly handshakes: readonly Record<string, unknown>[];
  /** Every call, in the order of arrival. */
  readonly calls: readonly Received[];
  /** Says whether a handshake is accepted; as it stands, every one is. */
  greet: (auth: Record<string, unknown>) => Greeting | typeof silence;
  /** Answers a call; as it stands, with the input. */
  answer: (call: Received) => unknown;
  /** Sends an event to every connection. */
  send: (event: string, ...args: readonly unknown[]) => void;
  /** Cuts every connection without a word. */
  cut: () => void;
  close: () => Promise<void>;
}

/** A failed acknowledgement. */
export const failure = (status: number, code: string, error = code): Record<string, unknown> => ({ error, status, code });

const ready = (auth: Record<string, unknown>): Greeting => ({
  event: 'ready',
  body: { api: 'connect', status: 201, uuid: auth['uuid'] ?? 'new-device', token: auth['token'] ?? 'new-token' },
});

/** Starts a stub on loopback, on a free port unless one is given. */
export const startStub = async (port = 0): Promise<Stub> => {
  const http = createServer();
  const io = new Server(http, { serveClient: false, transports: ['websocket'] });
  const handshakes: Record<string, unknown>[] = [];
  const calls: Received[] = [];
  const serve = (socket: Socket): void => {
    const connection = handshakes.push(socket.handshake.auth as Record<string, unknown>) - 1;
    socket.onAny((event: string, ...args: unknown[]) => {
      const [input, options, acknowledge] = args as [Received['input'], Received['options'], (answer: unknown) => void];
      const call = { event, input, options, connection };
      calls.push(call);
      void Promise.resolve(stub.answer(call)).then((answer) => answer !== silence && acknowledge(answer));
    });
    const greeting = stub.greet(socket.handshake.auth as Record<string, unknown>);
    if (greeting !== silence) socket.emit(greeting.event, greeting.body, {});
  };
  io.on('connection', serve);
  await new Promise<void>((resolve) => http.listen(port, '127.0.0.1', resolve));
  const address = http.address() as AddressInfo;
  const stub: Stub = {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    handshakes,
    calls,
    greet: ready,
    answer: (call) => call.input,
    send: (event, ...args) => void io.emit(event, ...args),
    cut: () => {
      for (const socket of io.sockets.sockets.values()) socket.conn.close();
    },
    close: () => io.close(),
  };
  return stub;
};
