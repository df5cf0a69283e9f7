import type { RegistryError } from '@rollcall/client/contract';
import type { Socket } from 'socket.io';
import type { Authenticate } from '../../identity/authenticate.ts';
import type { Connection, Connections, FanOut } from '../../realtime/connections.ts';
import type { Subscriptions } from '../../realtime/subscriptions.ts';
import type { Result } from '../../operations/handler.ts';
import type { Call } from '../../operations/pipeline.ts';
import type { Presence } from '../../realtime/presence/presence.ts';
import type { TableOperation } from '../../operations/operation-table.ts';
import type { ClientAddress } from '../../common/client-address.ts';
import type { Resume } from '../../realtime/resume/resume.ts';
import type { LoginQueue } from './login-queue.ts';

/** What a session needs from the rest of the server. */
export interface SocketKit {
  readonly operations: ReadonlyMap<string, TableOperation>;
  readonly connections: Connections;
  readonly subscriptions: Subscriptions;
  readonly authenticate: Authenticate;
  readonly presence: Presence;
  dispatch(operation: TableOperation, call: Call): Promise<Result<unknown>>;
  /** Queue of the logins. */
  readonly loginQueue: LoginQueue;
  /**
   * Queue of the logins after a dropped connection. A failure of the network or of this node makes
   * many clients reconnect at once.
   */
  readonly reconnectQueue: LoginQueue;
  readonly resume: Pick<Resume, 'begins' | 'expect'>;
  /** Position of the change feed. All earlier changes have been sent. */
  cursor(): string;
  /** Bytes that wait to be read by this socket's other end. */
  pending(socket: Socket): number;
  /**
   * Applies the revocations of a call on all nodes. True if the asking connection is among them.
   */
  applyRevocations(handled: Result<unknown>, asking: Connection | undefined): Promise<boolean>;
  /** Registers a device for a socket without credentials. Undefined if registration is closed. */
  autoRegister(
    shown: Readonly<Record<string, unknown>>,
    from: string,
  ): Promise<{ readonly uuid: string; readonly token: string } | undefined>;
  /** Fails with `unavailable` while this node may not answer. */
  available(): void;
  /** Converts any failure to a registry error. Unexpected ones are logged. */
  toRegistryError(error: unknown): RegistryError;
  report(error: unknown): void;
  readonly clientAddress: ClientAddress;
  /** Counts a refusal of this kind. */
  refused(kind: string): void;
  /** The outlet to the sockets of this socket's server. */
  fanOut(socket: Socket): FanOut;
  /** Closes a socket and its transport. */
  drop(socket: Socket): void;
  now(): number;
}
