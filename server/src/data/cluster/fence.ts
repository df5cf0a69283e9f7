import type { Clock } from '../../common/clock.ts';

/** `starting`: not yet served. `paused`: fenced, clients stay. `lost`: paused for so long that clients must look elsewhere. */
export type FenceState = 'starting' | 'serving' | 'paused' | 'lost';

/** A node pauses this long after its last counting renewal was begun, in milliseconds. */
const FENCE_MS = 4_000;
/** A pause of this length closes the connections, in milliseconds. */
const LOST_MS = 30_000;

const WATCH_MS = 500;

/** One instant on both clocks of this host. */
export interface Instant {
  readonly monotonic: number;
  readonly wall: number;
}

export const instant = (clock: Clock): Instant => ({ monotonic: clock.monotonic(), wall: clock.now() });

/**
 * Milliseconds since an instant, by the larger of the two clocks: one of them stands still while a machine sleeps, and the
 * other may be set back.
 */
export const elapsed = (clock: Clock, since: Instant): number =>
  Math.max(clock.monotonic() - since.monotonic, clock.now() - since.wall);

/** The fence of a node: stops it from working once the others may consider it dead. */
export interface Fence {
  readonly state: FenceState;
  /** A counting renewal begun then is durable. Moves the fence of a node that serves; never ends a pause. */
  extend(begun: Instant): void;
  /** A valid renewal begun then has come back, and all earlier changes are processed. Returns true if that began or resumed service. */
  arrive(begun: Instant): boolean;
  onState(listener: (state: FenceState) => void): () => void;
  close(): void;
}

/** Creates a fence; the node does not serve until its first renewal arrives. */
export const openFence = (clock: Clock): Fence => {
  const listeners = new Set<(state: FenceState) => void>();
  let state: FenceState = 'starting';
  let last: Instant = { monotonic: Number.NEGATIVE_INFINITY, wall: Number.NEGATIVE_INFINITY };
  let pausedAt: Instant = last;

  const become = (next: FenceState): void => {
    state = next;
    for (const listener of [...listeners]) listener(next);
  };

  /** Time is asked whenever the state is: a process that was stopped must not go on with its queue before a timer tells it so. */
  const settle = (): FenceState => {
    if (state === 'serving' && elapsed(clock, last) > FENCE_MS) {
      pausedAt = instant(clock);
      become('paused');
    }
    if (state === 'paused' && elapsed(clock, pausedAt) > LOST_MS) become('lost');
    return state;
  };

  let stop = (): void => undefined;
  const watch = (): void => {
    stop = clock.after(WATCH_MS, () => {
      settle();
      watch();
    });
  };
  watch();

  return {
    get state() {
      return settle();
    },
    extend(begun) {
      if (settle() === 'serving' && begun.monotonic > last.monotonic) last = begun;
    },
    arrive(begun) {
      if (settle() === 'serving') {
        if (begun.monotonic > last.monotonic) last = begun;
        return false;
      }
      if (begun.monotonic <= pausedAt.monotonic || elapsed(clock, begun) > FENCE_MS) return false;
      last = begun;
      become('serving');
      return true;
    },
    onState(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => stop(),
  };
};
