import type { Clock } from '@rollcall/server/internal/common/clock';

/** Random numbers that a seed decides (mulberry32). */
export interface Random {
  /** At least 0, less than 1. */
  next(): number;
  between(low: number, high: number): number;
  whole(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
}

export const openRandom = (seed: number): Random => {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const between = (low: number, high: number): number => low + next() * (high - low);
  const whole = (low: number, high: number): number => Math.floor(between(low, high + 1));
  return {
    next,
    between,
    whole,
    chance: (probability) => next() < probability,
    pick: (from) => from[whole(0, from.length - 1)]!,
  };
};

interface Entry {
  readonly time: number;
  readonly order: number;
  run: (() => void) | null;
}

/** The one true time, in milliseconds, and what will happen at it. */
export interface World {
  readonly random: Random;
  readonly time: number;
  at(time: number, run: () => void): () => void;
  after(ms: number, run: () => void): () => void;
  /** Lets things happen in their order up to a time; all promises are worked off between any two of them. */
  runUntil(time: number): Promise<void>;
}

export const openWorld = (seed: number): World => {
  const heap: Entry[] = [];
  let time = 0;
  let order = 0;

  const before = (left: Entry, right: Entry): boolean =>
    left.time < right.time || (left.time === right.time && left.order < right.order);

  const push = (entry: Entry): void => {
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  };

  const pop = (): Entry => {
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return top;
  };

  const at = (when: number, run: () => void): (() => void) => {
    const entry: Entry = { time: Math.max(when, time), order: (order += 1), run };
    push(entry);
    return () => (entry.run = null);
  };

  return {
    random: openRandom(seed),
    get time() {
      return time;
    },
    at,
    after: (ms, run) => at(time + ms, run),
    async runUntil(end) {
      await new Promise(setImmediate);
      while (heap.length > 0 && heap[0]!.time <= end) {
        const entry = pop();
        if (entry.run === null) continue;
        time = entry.time;
        entry.run();
        await new Promise(setImmediate);
      }
      time = end;
    },
  };
};

/** A process on some host: it has clocks of its own, can be stopped for a while, and can end. */
export interface Host {
  readonly clock: Clock;
  readonly alive: boolean;
  readonly stopped: boolean;
  /** Runs something in the process, when it runs; never if it has ended. */
  enter(run: () => void): void;
  /**
   * Stops the process until `resume`. While a machine sleeps, its monotonic clock may stand still. One of the two clocks
   * always tells the truth: a process whose clocks both hide that it was stopped cannot know of it.
   */
  stop(freezesMonotonic: boolean): void;
  resume(): void;
  kill(): void;
  /** Sets the wall clock ahead or back. */
  shiftWall(ms: number): void;
}

/** Faults of the two clocks of a host lie this far apart, in milliseconds. */
const APART_MS = 15_000;

/** `rate`: how fast this host's clocks run; 1 is true. */
export const openHost = (world: World, rate: number, wallStart: number): Host => {
  const origin = world.time;
  let alive = true;
  let stoppedAt: number | null = null;
  let freezing = false;
  let frozen = 0;
  let wallShift = 0;
  let shiftedAt = Number.NEGATIVE_INFINITY;
  let frozenAt = Number.NEGATIVE_INFINITY;
  let backlog: (() => void)[] = [];

  const enter = (run: () => void): void => {
    if (!alive) return;
    if (stoppedAt === null) run();
    else backlog.push(run);
  };

  return {
    clock: {
      now: () => wallStart + wallShift + world.time * rate,
      monotonic: () => ((freezing && stoppedAt !== null ? stoppedAt : world.time) - origin - frozen) * rate,
      after: (ms, run) => {
        let cancelled = false;
        const cancel = world.after(ms / rate, () => enter(() => !cancelled && run()));
        return () => {
          cancelled = true;
          cancel();
        };
      },
    },
    get alive() {
      return alive;
    },
    get stopped() {
      return stoppedAt !== null;
    },
    enter,
    stop(freezesMonotonic) {
      if (stoppedAt !== null) return;
      stoppedAt = world.time;
      freezing = freezesMonotonic && world.time - shiftedAt > APART_MS;
    },
    resume() {
      if (stoppedAt === null) return;
      if (freezing) {
        frozen += world.time - stoppedAt;
        frozenAt = world.time;
      }
      stoppedAt = null;
      const waiting = backlog;
      backlog = [];
      for (const run of waiting) world.after(0, () => enter(run));
    },
    kill() {
      alive = false;
      backlog = [];
    },
    shiftWall(ms) {
      if (stoppedAt !== null || world.time - frozenAt < APART_MS) return;
      wallShift += ms;
      shiftedAt = world.time;
    },
  };
};
