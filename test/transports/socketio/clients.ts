import { createRequire } from 'node:module';
import { io } from 'socket.io-client';

/** What the tests use of a published client, whatever its version. */
export interface AnyClient {
  readonly id?: string | undefined;
  readonly connected: boolean;
  readonly io: { readonly engine: { readonly transport: { readonly name: string } } };
  on(event: string, listener: (...values: never[]) => void): unknown;
  once(event: string, listener: (...values: never[]) => void): unknown;
  emit(event: string, ...values: unknown[]): unknown;
  close(): unknown;
}

type Connect = (url: string, options: Record<string, unknown>) => AnyClient;

const require = createRequire(import.meta.url);
const published = {
  '1.7.4': require('socket.io-client-1') as Connect,
  '2.5.0': require('socket.io-client-2') as Connect,
  '4.8': io as unknown as Connect,
} as const;

/** Versions of socket.io-client that the tests connect with. */
export type Version = keyof typeof published;

const open: AnyClient[] = [];

/** A client of this version, with a connection of its own that is not opened again. */
export const client = (version: Version, url: string, options: Record<string, unknown> = {}): AnyClient => {
  const opened = published[version](url, { forceNew: true, reconnection: false, transports: ['websocket'], ...options });
  open.push(opened);
  return opened;
};

/** Closes every client that a test left open. */
export const closeClients = (): void => {
  for (const opened of open.splice(0)) opened.close();
};

/** The first value of an event. */
export const next = <T>(from: Pick<AnyClient, 'once'>, event: string): Promise<T> =>
  new Promise((resolve) => void from.once(event, (value: T) => resolve(value)));

/** The answer to a call. */
export const call = <T>(from: AnyClient, event: string, ...values: unknown[]): Promise<T> =>
  new Promise((resolve) => void from.emit(event, ...values, (answer: T) => resolve(answer)));
