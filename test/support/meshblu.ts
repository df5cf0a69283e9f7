import { io, type Socket } from 'socket.io-client';
import { until } from './until.ts';

/** What a test knows of a device that it made. */
export interface Made {
  readonly uuid: string;
  readonly token: string;
}

/** A connection that speaks Meshblu's Socket.IO API by hand: no SDK, no call options. */
export interface MeshbluSocket extends Made {
  readonly socket: Socket;
  /** Emits and gives what the acknowledgement was called with. */
  call(event: string, ...values: unknown[]): Promise<readonly unknown[]>;
  /** The first value of the acknowledgement. */
  ask<T = Record<string, unknown>>(event: string, ...values: unknown[]): Promise<T>;
  /** What came by an event so far. */
  got(event: string): readonly unknown[];
  close(): void;
}

const ackMs = 8_000;

/** Connects and waits for `identify`. */
export const connectRaw = async (url: string): Promise<Omit<MeshbluSocket, keyof Made>> => {
  const socket = io(url, { transports: ['websocket'], reconnection: false, forceNew: true });
  const events = new Map<string, unknown[]>();
  socket.onAny((event: string, ...values: unknown[]) => {
    events.set(event, [...(events.get(event) ?? []), values[0]]);
  });
  const got = (event: string): readonly unknown[] => events.get(event) ?? [];
  await until(() => got('identify').length > 0, 30_000);
  const call: MeshbluSocket['call'] = (event, ...values) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${event} was not answered`)), ackMs);
      socket.emit(event, ...values, (...answer: unknown[]) => {
        clearTimeout(timer);
        resolve(answer);
      });
    });
  return {
    socket,
    call,
    async ask<T>(event: string, ...values: unknown[]) {
      return (await call(event, ...values))[0] as T;
    },
    got,
    close: () => socket.disconnect(),
  };
};

/** Connects and identifies; fails with what `notReady` said. */
export const connectAs = async (
  url: string,
  { uuid, token }: Made,
  identity: Record<string, unknown> = {},
): Promise<MeshbluSocket> => {
  const raw = await connectRaw(url);
  raw.socket.emit('identity', { uuid, token, auto_set_online: false, ...identity });
  await until(() => raw.got('ready').length + raw.got('notReady').length > 0);
  const [refusal] = raw.got('notReady');
  if (refusal !== undefined) {
    raw.close();
    throw new Error(`not ready: ${JSON.stringify(refusal)}`);
  }
  return { ...raw, uuid, token };
};

/** Registers a device without identity. */
export const register = async (url: string, properties: unknown = {}): Promise<Made & Record<string, unknown>> => {
  const raw = await connectRaw(url);
  const made = await raw.ask<Made & Record<string, unknown>>('register', properties);
  raw.close();
  return made;
};

/** Version 2 with these lists, the others empty; each list by its dotted name. */
export const v2 = (lists: Readonly<Record<string, readonly string[]>> = {}, properties: Record<string, unknown> = {}) => {
  const whitelists: Record<string, Record<string, { uuid: string }[]>> = {};
  for (const [name, uuids] of Object.entries(lists)) {
    const [group = '', list = ''] = name.split('.');
    (whitelists[group] ??= {})[list] = uuids.map((uuid) => ({ uuid }));
  }
  return { ...properties, meshblu: { version: '2.0.0', whitelists } };
};
