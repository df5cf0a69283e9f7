import type { Server as EngineServer, Socket as Connection } from 'engine.io';
import { isClosed, releasePolling, terminate, webSocketOf } from './connection.ts';

/** Limits on the unread data of one connection. */
export interface BackpressureLimits {
  /** Bytes of events that may wait: if a further one comes, the connection is ended with the reason `slow`. */
  readonly eventBytes: number;
  /** Bytes of acknowledgements that may wait. They are counted separately. */
  readonly answerBytes: number;
  /** Bytes that may wait before volatile events are dropped. */
  readonly volatileBytes: number;
  /** Time in which what was handed to the transport has to be read, in milliseconds; afterwards the reason is `slow`. */
  readonly drainMs: number;
}

/** Default limits (RL-2; ME-7). */
export const backpressureLimits: BackpressureLimits = {
  eventBytes: 1_048_576,
  answerBytes: 8_388_608,
  volatileBytes: 262_144,
  drainMs: 10_000,
};

/**
 * Interval of the checks of connections with waiting data, and time for a peer to answer a close,
 * in milliseconds.
 */
export const lookMs = 250;

/**
 * Waiting data of one connection, in bytes.
 * `queued…` waits in Engine.IO. `sentAnswers`: acknowledgements in the last batch passed to the
 * transport.
 */
interface Account {
  queuedEvents: number;
  queuedAnswers: number;
  sentAnswers: number;
  /** The check during which the current batch was passed on. */
  since: number;
  closing: boolean;
}

interface CreatedPacket {
  readonly data?: unknown;
}

/** A Socket.IO packet that begins with this is an acknowledgement. */
const acknowledgement = '3';

/** The outbound side of an engine's connections. */
export interface Backpressure {
  /** Bytes that wait to be read by the other end. */
  pending(connection: Connection): number;
  /** Connections ended for slowness so far. */
  slowDrops(): number;
  /** Ends the remaining connections and stops the timer. */
  close(): void;
}

/**
 * Watches the unread data of an engine's connections and ends those over a limit.
 * Socket.IO has no backpressure: it keeps unread data in memory without limit.
 */
export const guardBackpressure = (engine: EngineServer, limits: BackpressureLimits = backpressureLimits): Backpressure => {
  const accounts = new Map<Connection, Account>();
  const waiting = new Set<Connection>();
  let look = 0;
  let slowDrops = 0;

  const unread = (connection: Connection): number => webSocketOf(connection)?.bufferedAmount ?? 0;

  /**
   * Takes no more writes from this moment on. The connection may be ended while its caller is still
   * in a loop of writes.
   */
  const endSlow = (connection: Connection): void => {
    slowDrops += 1;
    connection.readyState = 'closing';
    process.nextTick(terminate, connection, 'slow');
  };

  const isOver = (connection: Connection, account: Account, isAnswer: boolean): boolean => {
    const sent = unread(connection);
    return isAnswer
      ? account.queuedAnswers + Math.min(account.sentAnswers, sent) >= limits.answerBytes
      : account.queuedEvents + Math.max(0, sent - account.sentAnswers) >= limits.eventBytes;
  };

  function onPacketCreate(this: Connection, { data }: CreatedPacket): void {
    const account = accounts.get(this);
    if (typeof data !== 'string' || !account) return;
    if (!this.transport.writable && !waiting.has(this)) {
      if (account.queuedEvents + account.queuedAnswers === 0) account.since = look;
      waiting.add(this);
    }
    const isAnswer = data.startsWith(acknowledgement);
    if (isOver(this, account, isAnswer)) endSlow(this);
    if (isAnswer) account.queuedAnswers += Buffer.byteLength(data);
    else account.queuedEvents += Buffer.byteLength(data);
  }

  function onClose(this: Connection): void {
    accounts.delete(this);
    waiting.delete(this);
    releasePolling(this);
    const socket = webSocketOf(this);
    if (!socket || isClosed(socket)) return;
    // The other end may never answer the close.
    setTimeout(() => socket.terminate(), lookMs).unref();
  }

  engine.on('connection', (connection: Connection) => {
    accounts.set(connection, { queuedEvents: 0, queuedAnswers: 0, sentAnswers: 0, since: 0, closing: false });
    connection.on('packetCreate', onPacketCreate);
    connection.on('close', onClose);
  });
  // Both events report a batch: `flush` before it goes to the transport, `drain` after.
  engine.on('flush', (connection: Connection) => {
    const account = accounts.get(connection);
    if (!account) return;
    account.sentAnswers = account.queuedAnswers;
    account.queuedAnswers = account.queuedEvents = 0;
    account.since = look;
  });
  engine.on('drain', (connection: Connection) => {
    if (unread(connection) > 0 && accounts.has(connection)) waiting.add(connection);
  });

  const inspect = (connection: Connection): void => {
    const account = accounts.get(connection);
    if (!account || (connection.transport.writable && unread(connection) === 0)) waiting.delete(connection);
    else if (connection.readyState === 'closing') {
      if (account.closing) terminate(connection, 'forced close');
      account.closing = true;
    } else if ((look - account.since) * lookMs >= limits.drainMs) endSlow(connection);
  };
  const timer = setInterval(() => {
    look += 1;
    for (const connection of waiting) inspect(connection);
  }, lookMs).unref();

  return {
    pending(connection) {
      const account = accounts.get(connection);
      return account ? account.queuedEvents + account.queuedAnswers + unread(connection) : 0;
    },
    slowDrops: () => slowDrops,
    close() {
      clearInterval(timer);
      for (const connection of accounts.keys()) terminate(connection, 'server shutting down');
    },
  };
};
