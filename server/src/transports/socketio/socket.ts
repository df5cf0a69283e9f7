import type { RegistryError } from '@rollcall/client/contract';
import type { Server, Socket } from 'socket.io';
import type { Authenticate } from '../../identity/authenticate.ts';
import type { Connection, Connections, Outlet } from '../../realtime/connections.ts';
import type { Listening } from '../../realtime/subscriptions.ts';
import type { Handled } from '../../operations/handler.ts';
import type { Call } from '../../operations/pipeline.ts';
import type { Presence } from '../../realtime/presence/presence.ts';
import type { Operation } from '../../operations/operation-table.ts';
import { serveFirehose } from './firehose.ts';
import { handshakePath } from './legacy.ts';
import { serveSecondProtocol } from './protocol-v2.ts';
import type { ClientAddress } from '../../common/client-address.ts';
import type { Resume } from '../../realtime/resume/resume.ts';
import type { Arrivals } from './login-queue.ts';
import { Session } from './session.ts';

/** What a session needs of the registry. */
export interface SocketKit {
  readonly operations: ReadonlyMap<string, Operation>;
  readonly connections: Connections;
  readonly listening: Listening;
  readonly authenticate: Authenticate;
  readonly presence: Presence;
  dispatch(operation: Operation, call: Call): Promise<Handled<unknown>>;
  /** Whose turn it is to prove who he is. */
  readonly arrivals: Arrivals;
  /** The same for those that come back after a drop: they are never alone when it was the network, or this node. */
  readonly returns: Arrivals;
  readonly resume: Pick<Resume, 'begins' | 'expect'>;
  /** Where the feed is: everything up to there has been sent. */
  cursor(): string;
  /** Bytes that wait to be read by this socket's other end. */
  pending(socket: Socket): number;
  /** Carries out what a call has ended, everywhere; true if the asking connection is among it. */
  carryOutEndings(handled: Handled<unknown>, asking: Connection | undefined): Promise<boolean>;
  /** Makes a device for a socket that came without credentials; undefined if registration is closed. */
  autoRegister(
    shown: Readonly<Record<string, unknown>>,
    from: string,
  ): Promise<{ readonly uuid: string; readonly token: string } | undefined>;
  /** Fails with `unavailable` while this node may not answer. */
  available(): void;
  /** What went wrong, as an error of the table; unexpected ones are logged. */
  toRegistryError(error: unknown): RegistryError;
  report(error: unknown): void;
  readonly clientAddress: ClientAddress;
  /** Counts a refusal of this kind. */
  refused(kind: string): void;
  /** The way out to the sockets of this socket's server. */
  outlet(socket: Socket): Outlet;
  /** Closes a socket and its transport. */
  drop(socket: Socket): void;
  now(): number;
}

/** A socket that stays without identity and makes no call is closed after this long (decisions, section 4). */
const unidentifiedMs = 60_000;
const sweepMs = 5_000;

/** Serves the sockets of these Socket.IO servers; the function returned stops it. */
export const serveSockets = (servers: readonly Server[], kit: SocketKit): (() => void) => {
  const unidentified = new Set<Session>();

  const open = (socket: Socket): void => {
    const path = handshakePath(socket);
    if (path === 'v2') return serveSecondProtocol(socket, kit);
    if (path !== 'main') return void serveFirehose(socket, path.firehose, kit).catch(kit.report);
    const session = new Session(socket, kit);
    unidentified.add(session);
    socket.on('disconnect', () => unidentified.delete(session));
  };
  for (const server of servers) server.on('connection', open);

  const sweep = setInterval(() => {
    const before = kit.now() - unidentifiedMs;
    for (const session of unidentified) {
      if (session.identified) unidentified.delete(session);
      else if (session.idleSince < before) kit.drop(session.socket);
    }
  }, sweepMs);
  sweep.unref();
  return () => clearInterval(sweep);
};
