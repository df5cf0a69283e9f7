import type { Backoff } from './backoff.ts';
import { RegistryError } from './contract/errors.ts';

/**
 * Who to be: a device with its token, or the bearer of a token alone. An empty object registers a new device, whose credentials are
 * `client.credentials` afterwards.
 */
export type Login =
  | { readonly uuid: string; readonly token: string }
  | { readonly uuid?: undefined; readonly token: string }
  | { readonly uuid?: undefined; readonly token?: undefined };

/** The identity of a connected client. */
export interface Credentials {
  readonly uuid: string;
  readonly token: string;
}

/** A signal to give up: the part of `AbortSignal` that is used. */
export interface Signal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** Options of one call; the last argument of every method. */
export interface CallOptions {
  /** Time until the call is rejected with `timeout`, waiting and repeats included, in milliseconds. Default 30000; `users.createBatch` 600000. */
  readonly timeoutMs?: number | undefined;
  /** Gives the call up: it is rejected with `aborted`. What was sent may still take effect. */
  readonly signal?: Signal | undefined;
  /**
   * Identity of the request, from `client.reqId()`. A call made again with the same one takes effect once, however often it is sent.
   * It can be used until 32 newer calls were sent; then the call is rejected with `outcome-unknown`.
   */
  readonly reqId?: string | undefined;
  /** Revision that the document must have; otherwise the call is rejected with `conflict`. */
  readonly rev?: number | undefined;
  /** Uuid of a device to act for, if it lets this one. */
  readonly as?: string | undefined;
}

/** Options of `connect`. */
export interface ConnectOptions {
  /** Time until `connect` is rejected with `timeout`, in milliseconds; `Infinity` waits for ever. Default 30000. */
  readonly timeoutMs?: number | undefined;
  /** Gives up connecting: `connect` is rejected with `aborted`. Without effect afterwards. */
  readonly signal?: Signal | undefined;
  /** Default of a call's `timeoutMs`. */
  readonly callTimeoutMs?: number | undefined;
  /** `false`: this connection leaves the device's `online` alone. Default true. */
  readonly autoSetOnline?: boolean | undefined;
  /** Calls that may wait for a connection; more are dropped, `message` and `data` first. Default 1000. */
  readonly queueLimit?: number | undefined;
  /** Pauses between attempts to connect, and between repeats of a call that found the service unavailable. */
  readonly backoff?: Partial<Backoff> | undefined;
  /**
   * After a drop, be sent the events that were missed, or be told `resync`. Default true; `false`: what happened meanwhile is not told.
   * Subscriptions are restored in either case.
   */
  readonly resume?: boolean | undefined;
  /** Time after its first sending in which a call may be repeated, in milliseconds. Default, and most, ten minutes. */
  readonly repeatMs?: number | undefined;
}

/** Longest delay that timers keep, in milliseconds (2^31 - 1). */
const longestMs = 2_147_483_647;

/** A time limit in milliseconds: positive, at most about 24 days, or `Infinity`. Fails with `invalid-input`. */
export const timeLimit = (limitMs: number): number => {
  if (!(limitMs > 0) || (limitMs > longestMs && limitMs !== Infinity))
    throw new RegistryError('invalid-input', 'A time limit must be a positive number of milliseconds');
  return limitMs;
};

/** Calls `act` after a time, never for `Infinity`; the answer stops the timer. */
export const after = (delayMs: number, act: () => void): (() => void) => {
  if (delayMs === Infinity) return () => {};
  const timer = setTimeout(act, delayMs);
  return () => clearTimeout(timer);
};

/** Calls `act` when the signal says to give up; the answer stops listening. Fails with `aborted` if it already has. */
export const onAbort = (signal: Signal | undefined, act: (error: RegistryError) => void): (() => void) => {
  if (!signal) return () => {};
  const aborted = (): RegistryError => new RegistryError('aborted', undefined, { cause: signal.reason });
  if (signal.aborted) throw aborted();
  const listener = (): void => act(aborted());
  signal.addEventListener('abort', listener);
  return () => signal.removeEventListener('abort', listener);
};
