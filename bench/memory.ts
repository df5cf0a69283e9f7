/** What a process takes, in bytes, after a full collection of garbage. */
export interface Memory {
  /** JavaScript objects and what hangs on them outside the heap. */
  readonly objects: number;
  /** Resident set of the process. */
  readonly resident: number;
}

/** Answers each message of the parent with this process's memory. Needs `--expose-gc`; without a parent it does nothing. */
export const answerMemory = (): void => {
  process.on('message', () => {
    for (let round = 0; round < 4; round += 1) gc?.();
    // What finalizers and closed handles let go of is collected one turn later.
    setTimeout(() => {
      for (let round = 0; round < 4; round += 1) gc?.();
      const { heapUsed, external, rss } = process.memoryUsage();
      process.send?.({ objects: heapUsed + external, resident: rss } satisfies Memory);
    }, 500);
  });
};
