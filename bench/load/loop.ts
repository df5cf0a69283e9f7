import { quantile } from '../statistics.ts';
import type { Loop } from './jobs.ts';

/** Counts and times what completes between the end of the warm-up and the end of a loop. */
export interface Recorder {
  /** Is the loop to go on? */
  isRunning(): boolean;
  /** One that began at this time, of `performance.now()`, has completed. */
  completed(beganAt: number): void;
  failed(why: string): void;
}

/** Lets `run` go on until the time is over and says what it did. */
export const recorded = async (
  { warmUpMs, ms }: { readonly warmUpMs: number; readonly ms: number },
  run: (recorder: Recorder) => Promise<void>,
): Promise<Loop> => {
  const from = performance.now() + warmUpMs;
  const until = from + ms;
  const times: number[] = [];
  let failed = 0;
  let failure: string | undefined;
  const processor = process.cpuUsage();
  const begun = performance.now();
  await run({
    isRunning: () => performance.now() < until,
    completed(beganAt) {
      const now = performance.now();
      if (now >= from && now < until) times.push(now - beganAt);
    },
    failed(why) {
      failed += 1;
      failure ??= why;
    },
  });
  const { user, system } = process.cpuUsage(processor);
  const loadBusy = (user + system) / 1000 / (performance.now() - begun);
  const sorted = Float64Array.from(times).sort();
  return {
    perSecond: (times.length / ms) * 1000,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    failed,
    loadBusy,
    ...(failure !== undefined && { failure }),
  };
};

/** Runs `count` copies of the same asynchronous work and waits for all. */
export const together = async (count: number, work: (index: number) => Promise<void>): Promise<void> => {
  await Promise.all(Array.from({ length: count }, (_, index) => work(index)));
};
