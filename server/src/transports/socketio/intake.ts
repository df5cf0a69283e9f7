import type { Socket as Connection } from 'engine.io';
import { extendHeartbeat, webSocketOf } from './connection.ts';

/** Limits on the waiting calls of one connection. */
export interface IntakeLimits {
  /** Calls after which the connection is not read any more until half of them are carried out. Default 64. */
  readonly maxWaitingCalls: number;
  /**
   * Bytes after which it is not read, with `callOverheadBytes` added for each call. Default 256
   * KiB.
   */
  readonly maxWaitingBytes: number;
  /**
   * Bytes that end the connection. Only what was read before the connection was paused gets there: many calls in one POST of a polling client.
   * Default 16 MiB.
   */
  readonly maxIntakeBytes: number;
}

/** Default limits of an intake. */
export const intakeLimits: IntakeLimits = { maxWaitingCalls: 64, maxWaitingBytes: 262_144, maxIntakeBytes: 16_777_216 };

/** What a waiting call takes beside its text, in bytes, on average. */
const callOverheadBytes = 512;

/** Time between two extensions of the heartbeat of a paused connection, in milliseconds. */
const extendMs = 1_000;

/** Queue of one connection's calls, which run one after the other. */
export interface Intake {
  /** Runs the work of the oldest event received, after all earlier ones. */
  enqueue(work: () => Promise<void>): void;
  /** Runs work that no event asked for, in order with the others. */
  enqueueOwn(work: () => Promise<void>): void;
  /** True if nothing waits or runs. */
  readonly idle: boolean;
  /** Called once, when nothing waits or runs any more. */
  whenIdle(done: () => void): void;
  /** Drops the waiting calls. */
  clear(): void;
}

/** What an intake needs from its connection's owner. */
export interface IntakeOptions {
  readonly limits?: IntakeLimits;
  /** More than `maxIntakeBytes` came at once: the connection has to be ended, with a reason. Called once. */
  onOverflow(): void;
  report(error: unknown): void;
}

/** Requests of polling clients that are not read as long as their connection is paused. */
const paused = new WeakMap<Connection, { held: (() => void) | undefined }>();

/**
 * Calls `read` as soon as the connection may be read, at once in most cases. Returns false if another request is held back already: a client sends
 * one after the other.
 */
export const whenReadable = (connection: Connection, read: () => void): boolean => {
  const state = paused.get(connection);
  if (state === undefined) read();
  else if (state.held !== undefined) return false;
  else state.held = read;
  return true;
};

const isEvent = (data: unknown): data is string => typeof data === 'string' && (data.startsWith('2') || data.startsWith('5'));

/**
 * Creates the intake of a connection. Calls run in order, and the connection is not read while too
 * many of them wait.
 * It closes with the connection.
 *
 * This slows the client down (TCP flow control, or a late answer to its POST) without loss.
 */
export const createIntake = (connection: Connection, { limits = intakeLimits, onOverflow, report }: IntakeOptions): Intake => {
  const queue: { readonly work: () => Promise<void>; readonly bytes: number }[] = [];
  /** Sizes of the events that Socket.IO has decoded and not handed over yet. */
  const received: number[] = [];
  let bytes = 0;
  let running = false;
  let isFull = false;
  let timer: NodeJS.Timeout | undefined;
  let onIdle: (() => void) | undefined;

  const waiting = (): number => queue.length + received.length;

  const pause = (): void => {
    if (timer !== undefined) return;
    paused.set(connection, { held: undefined });
    webSocketOf(connection)?.pause();
    extendHeartbeat(connection);
    timer = setInterval(extendHeartbeat, extendMs, connection).unref();
  };

  const resume = (): void => {
    if (timer === undefined) return;
    clearInterval(timer);
    timer = undefined;
    extendHeartbeat(connection);
    const held = paused.get(connection)?.held;
    paused.delete(connection);
    webSocketOf(connection)?.resume();
    held?.();
  };

  const settle = (): void => {
    if (waiting() <= limits.maxWaitingCalls / 2 && bytes <= limits.maxWaitingBytes / 2) resume();
  };

  const workOff = async (): Promise<void> => {
    running = true;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      try {
        await next.work();
      } catch (error) {
        report(error);
      }
      bytes -= next.bytes;
      settle();
    }
    running = false;
    onIdle?.();
    onIdle = undefined;
  };

  const add = (work: () => Promise<void>, size: number): void => {
    queue.push({ work, bytes: size });
    if (!running) void workOff();
  };

  connection.on('packet', ({ type, data }: { readonly type: string; readonly data?: unknown }) => {
    if (type !== 'message' || !isEvent(data) || isFull) return;
    const size = data.length + callOverheadBytes;
    received.push(size);
    bytes += size;
    if (bytes > limits.maxIntakeBytes) {
      isFull = true;
      onOverflow();
    } else if (waiting() >= limits.maxWaitingCalls || bytes > limits.maxWaitingBytes) pause();
  });
  // A client that changed from polling to a websocket is to be paused there too.
  connection.on('upgrade', () => {
    if (timer !== undefined) webSocketOf(connection)?.pause();
  });
  connection.on('close', resume);

  return {
    enqueue: (work) => add(work, received.shift() ?? 0),
    enqueueOwn: (work) => add(work, 0),
    get idle() {
      return !running && waiting() === 0;
    },
    whenIdle(done) {
      // Socket.IO emits a decoded event in a later tick, or never if the guard refused it.
      setImmediate(() => {
        received.length = 0;
        if (running) onIdle = done;
        else done();
      });
    },
    clear() {
      for (const { bytes: size } of queue.splice(0)) bytes -= size;
      settle();
    },
  };
};
