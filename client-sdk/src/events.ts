import type * as contract from './contract/index.ts';
import type { Output } from './contract/index.ts';
import type { RegistryError } from './contract/errors.ts';

/** A device document as this client may see it. */
export type Device = Output<typeof contract.meshblu.whoami>;

/** What the server adds to an event for this client. */
export interface Extras {
  /** Names the event; a repeat has the same one. */
  readonly id?: string;
  /** Position of the event in the feed. The client resumes from the last one by itself. */
  readonly cursor?: string;
}

/** A message from another device. `fromUuid` is stamped by the server. */
export interface Message {
  readonly devices: readonly string[];
  readonly fromUuid: string;
  readonly topic?: string;
  readonly payload?: unknown;
  readonly [property: string]: unknown;
}

/** What `ready` carries: who this client is. The token is the secret that it logs in with. */
export interface Ready {
  readonly api: 'connect';
  readonly status: number;
  readonly uuid: string;
  readonly token?: string;
}

/** What `notReady` carries: why this client is not, or no longer, who it says. */
export interface NotReady {
  readonly api?: 'connect';
  readonly status: number;
  readonly uuid?: string;
  readonly error?: unknown;
}

/**
 * State of a client.
 *
 * - `connecting`: before the first `ready`.
 * - `ready`: connected and identified; calls are sent at once.
 * - `reconnecting`: the connection was lost and is being made again; calls wait.
 * - `closed`: for good, by `close()` or because the credentials were refused. Calls are rejected.
 */
export type State = 'connecting' | 'ready' | 'reconnecting' | 'closed';

/** What `client.on` tells of: the client's own `state` and `dropped`, and the events that the server sends by itself. */
export interface Events {
  /** The state has changed; `reason` says why it is not `ready`. No reason: `close()` was called. */
  state: [state: State, reason?: RegistryError];
  /** A call was given up because too many were waiting for a connection. Its promise is rejected with the same error. */
  dropped: [event: string, error: RegistryError];
  /** A document that this client follows has changed: the whole document, without secrets. Each revision comes once. */
  config: [device: Device, extras: Extras];
  /** A message for this client. Each comes once at most. */
  message: [message: Message, extras: Extras];
  data: [data: unknown, extras: Extras];
  /** This device has been removed; its last document. The connection ends. */
  unregistered: [device: Device, extras: Extras];
  ready: [identity: Ready, extras: Extras];
  notReady: [refusal: NotReady, extras: Extras];
  /** Too many calls; the server closes the connection. */
  ratelimited: [limit: { readonly code: number; readonly message: string }, extras: Extras];
}

/** The names that `client.on` knows. */
export const eventNames = [
  'state',
  'dropped',
  'config',
  'message',
  'data',
  'unregistered',
  'ready',
  'notReady',
  'ratelimited',
] as const satisfies readonly (keyof Events)[];
