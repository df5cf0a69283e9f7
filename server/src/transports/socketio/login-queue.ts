import { RegistryError } from '@rollcall/client/contract';

/** Too many want in just now: the client is to come back then, in milliseconds from now. */
export class RetryLaterError extends RegistryError {
  readonly retryAfterMs: number;

  constructor(retryAfterMs: number) {
    super('busy');
    this.retryAfterMs = retryAfterMs;
  }
}

/** How fast those who connect may prove who they are. */
export interface LoginQueueLimits {
  /** How many may wait for their turn; one more of our clients is told when to come back. */
  readonly maxWaiting: number;
  /** How many prove themselves at the same time: what they need of the store is read together. */
  readonly atOnce: number;
  /** With more than this many connections that have not proved who they are, groups are let in one after the other with pauses. */
  readonly crowd: number;
  /** Least time between the beginnings of two such groups, in milliseconds: what else there is to do gets its turn, and the next group grows. */
  readonly pauseMs: number;
}

/** Default limits of arrivals. */
export const loginQueueLimits: LoginQueueLimits = { maxWaiting: 2_000, atOnce: 256, crowd: 100, pauseMs: 150 };

/** Those who have connected and are about to prove who they are. */
export interface LoginQueue {
  /** Does the work when it is its turn. `mayComeBack`: rather fails with `ComeBackError` than to wait behind too many. */
  enter<T>(work: () => Promise<T>, mayComeBack: boolean): Promise<T>;
}

/** One that takes long (a slow hash, a stalled store) does not hold up the others for longer than this, in milliseconds. */
const longestMs = 250;
/** The shortest and the longest time that somebody is sent away for, in milliseconds. */
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
 * Lets arrivals in group by group. One who comes alone waits for nothing.
 *
 * Those who are sent away are given times one after the other, at the speed at which groups were let in lately, so that they do not come back
 * together.
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
  /** When the last of those who were sent away is expected back. */
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
