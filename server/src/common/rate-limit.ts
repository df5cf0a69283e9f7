import { RegistryError } from '@rollcall/client/contract';

/** What an actor may spend. */
export interface RateLimit {
  /** Counts one call of `who`; fails with `rate` when the clock minute's calls are used up. */
  consume(who: string): void;
}

const minuteMs = 60_000;

/**
 * Calls per device and clock minute, as Meshblu counts them (MS-7).
 *
 * `perMinute`: default of the registry 1200; 0 means no limit. `now` in milliseconds since 1970.
 */
export const createRateLimit = (perMinute: number, now: () => number): RateLimit => {
  let minute = 0;
  let spent = new Map<string, number>();
  return {
    consume(who) {
      if (perMinute === 0) return;
      const current = Math.floor(now() / minuteMs);
      if (current !== minute) {
        minute = current;
        spent = new Map();
      }
      const calls = (spent.get(who) ?? 0) + 1;
      spent.set(who, calls);
      if (calls > perMinute) throw new RegistryError('rate');
    },
  };
};
