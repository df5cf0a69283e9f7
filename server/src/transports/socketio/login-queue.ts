import { RegistryError } from '@rollcall/client/contract';

/** The login queue is full: the client shall retry after this time, in milliseconds. */
export class RetryLaterError extends RegistryError {
  readonly retryAfterMs: number;

  constructor(retryAfterMs: number) {
    super('busy');
    this.retryAfterMs = retryAfterMs;
  }
}

/** Limits of the login queue. */
export interface LoginQueueLimits {
  /**
   * Logins that may wait for their turn. A further one that can retry is given a time to come back.
   */
  readonly maxWaiting: number;
  /** Logins processed at the same time. Their reads of the store are batched. */
  readonly atOnce: number;
  /** With more unidentified connections than this, groups of logins are separated by pauses. */
  readonly crowd: number;
  /**
   * Least time between the starts of two such groups, in milliseconds. Other work runs meanwhile,
   * and the next group grows.
   */
  readonly pauseMs: number;
}

/** Default limits of arrivals. */
export const loginQueueLimits: LoginQueueLimits = { maxWaiting: 2_000, atOnce: 256, crowd: 100, pauseMs: 150 };

/** Queue of the connections that are about to log in. */
export interface LoginQueue {
  /**
   * Runs the login when its turn comes. `mayComeBack`: fails with `RetryLaterError` if the queue is
   * full.
   */
  enter<T>(work: () => Promise<T>, mayComeBack: boolean): Promise<T>;
}

/**
 * Longest time that one slow login (a slow hash, a stalled store) holds up the others, in
 * milliseconds.
 */
const longestMs = 250;
/** Shortest and longest retry time given to a client, in milliseconds. */
const leastAwayMs = 500;
const maxAwayMs = 30_000;

/** Waits for work, but no longer than this. */
const atMost = (ms: number, work: Promise<unknown>): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    void work.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Creates the login queue, which admits logins in groups. A single login does not wait.
 * Clients that must retry get successive times, at the rate of the latest admissions, so that they
 * do not return together.
 */
export const createLoginQueue = (
  /** Connections that have not proved who they are. */
  crowd: () => number,
  limits: LoginQueueLimits = loginQueueLimits,
  now: () => number = () => performance.now(),
): LoginQueue => {
  const waiting: (() => Promise<unknown>)[] = [];
  let perSecond = 1_000;
  let isRunning = false;
  /** When the last of the clients that must retry is expected back. */
  let booked = 0;

  const run = async (): Promise<void> => {
    isRunning = true;
    while (waiting.length > 0) {
      const begun = now();
      const group = waiting.splice(0, limits.atOnce);
      await atMost(longestMs, Promise.all(group.map((work) => work())));
      if (crowd() <= limits.crowd) continue;
      await wait(Math.max(0, begun + limits.pauseMs - now()));
      perSecond = 0.8 * perSecond + 0.2 * ((group.length * 1000) / Math.max(1, now() - begun));
    }
    isRunning = false;
  };

  const awayMs = (): number => {
    const present = now();
    booked = Math.max(booked, present + (waiting.length * 1000) / perSecond) + 1000 / perSecond;
    return Math.round(Math.min(maxAwayMs, Math.max(leastAwayMs, booked - present)));
  };

  return {
    enter(work, mayComeBack) {
      if (mayComeBack && waiting.length >= limits.maxWaiting) return Promise.reject(new RetryLaterError(awayMs()));
      return new Promise((resolve, reject) => {
        waiting.push(() => work().then(resolve, reject));
        if (!isRunning) void run();
      });
    },
  };
};
