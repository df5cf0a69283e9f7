import type { Events, State } from './events.ts';
import type { Stop } from './listeners.ts';
import type { LiveFilter, LiveOptions, LiveQuery } from './live.ts';
import type { Operations } from './methods.ts';
import type { CallOptions, Credentials } from './options.ts';

/** What a client has beside the operations. */
export interface ClientBase {
  /** Who this client is. After a registration the only place where the new device's token is. The token is a secret. */
  readonly credentials: Credentials;
  readonly state: State;
  /** Listens to an event of the server, or to `state` and `dropped` of the client itself; the answer stops it. */
  readonly on: <K extends keyof Events>(event: K, listener: (...args: Events[K]) => void) => Stop;
  /** Like `on`, for the next event only. */
  readonly once: <K extends keyof Events>(event: K, listener: (...args: Events[K]) => void) => Stop;
  /** Stops a listener that `on` or `once` was given. */
  readonly off: <K extends keyof Events>(event: K, listener: (...args: Events[K]) => void) => void;
  /** A new identity for one request, for `CallOptions.reqId`: a call made again with it takes effect once. */
  readonly reqId: () => string;
  /** Makes a call by the name of its event (`'users:create'`), for programs that learn the name at run time. */
  readonly call: (event: string, input?: unknown, options?: CallOptions) => Promise<unknown>;
  /** Follows the devices that match a filter, in order and always as they are. Resolves with the first result. */
  readonly live: (filter: LiveFilter, options?: LiveOptions) => Promise<LiveQuery>;
  /** Ends the connection for good. Calls without an answer are rejected with `disconnected`. */
  readonly close: () => void;
}

/**
 * A connected client: each operation is a method that sends one event and is resolved with its answer, or rejected with a
 * `RegistryError`. Calls made without a connection wait for one; calls whose answer was lost are sent again, and take effect once.
 */
export type Client = ClientBase & Operations;

const inspect = Symbol.for('nodejs.util.inspect.custom');

/** The members of a client, hidden from whatever lists them: a console or `JSON.stringify` shows who it is, and never its token. */
export const hidden = (members: ClientBase): ClientBase => {
  const descriptors = {
    ...Object.getOwnPropertyDescriptors(members),
    [inspect]: { value: () => `Client ${members.credentials.uuid} (${members.state})` },
  };
  for (const key of Object.keys(members) as (keyof ClientBase)[]) descriptors[key].enumerable = false;
  return Object.freeze(Object.create(Object.prototype, descriptors) as ClientBase);
};
