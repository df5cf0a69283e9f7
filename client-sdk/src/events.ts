import type { Static } from 'typebox';
import type { RegistryError } from './contract/errors.ts';
import type * as contract from './contract/index.ts';

/** A device document as this client may see it. */
export type Device = Static<typeof contract.Device>;

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

/**
 * State of a client.
 *
 * - `connecting`: before the first `ready`.
 * - `ready`: connected and identified; calls are sent at once.
 * - `reconnecting`: the connection was lost and is being made again; calls wait.
 * - `closed`: for good, by `close()` or because the credentials were refused. Calls are rejected.
 */
export type State = 'connecting' | 'ready' | 'reconnecting' | 'closed';

/** What a client tells of itself. */
export interface ClientEvents {
  /** The state has changed; `reason` says why it is not `ready`. No reason: `close()` was called. */
  state: [state: State, reason?: RegistryError];
  /** A call was given up because too many were waiting for a connection. Its promise is rejected with the same error. */
  dropped: [event: string, error: RegistryError];
}

type Publications = typeof contract.publications;

/** What the server sends by itself. A message comes once at most, of a document each revision once. */
export type ServerEvents = {
  [E in Exclude<keyof Publications, 'identify' | 'message' | 'data'>]: [body: Static<Publications[E]['payload']>, extras: Extras];
} & {
  message: [message: Message, extras: Extras];
  data: [data: unknown, extras: Extras];
};

/** The events that `client.on` knows, each with the arguments of its listeners. */
export type Events = ClientEvents & ServerEvents;
