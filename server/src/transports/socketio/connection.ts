import type { Socket as Connection } from 'engine.io';

/** A websocket of the package `ws`, as far as it is used here. */
interface RawWebSocket {
  /** 3 is CLOSED. */
  readonly readyState: number;
  /** Bytes that the kernel has not taken yet. */
  readonly bufferedAmount: number;
  /** Stops reading; what was read already is still emitted. */
  pause(): void;
  resume(): void;
  terminate(): void;
}

/**
 * Undocumented parts of Engine.IO 6.6. It has no public way to measure a connection or to end it
 * with a reason.
 */
interface Internals {
  readonly transport: { readonly socket?: RawWebSocket; readonly shouldClose?: (() => void) | null };
  readonly pingTimeoutTimer: NodeJS.Timeout | null;
  onClose(reason: string): void;
}

const internals = (connection: Connection): Internals => connection as unknown as Internals;

/** The connection's websocket; undefined while it polls. */
export const webSocketOf = (connection: Connection): RawWebSocket | undefined => internals(connection).transport.socket;

/** Is the websocket gone? */
export const isClosed = (socket: RawWebSocket): boolean => socket.readyState === 3;

/**
 * Ends a connection at once: waiting data is dropped, and no answer is awaited.
 * Socket.IO's `disconnect` event gets the reason.
 */
export const terminate = (connection: Connection, reason: string): void => {
  const socket = webSocketOf(connection);
  connection.transport.discard();
  internals(connection).onClose(reason);
  socket?.terminate();
};

/**
 * Restarts the client's heartbeat timeout: its heartbeats are not read while the connection is
 * paused.
 */
export const extendHeartbeat = (connection: Connection): void => void internals(connection).pingTimeoutTimer?.refresh();

/**
 * Releases a closed polling connection. Its transport would wait half a minute for a poll that can
 * no longer come.
 */
export const releasePolling = (connection: Connection): void => internals(connection).transport.shouldClose?.();
