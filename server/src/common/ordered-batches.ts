interface Item<T> {
  readonly item: T;
  readonly settle: { resolve(): void; reject(error: unknown): void };
}

/** How much goes into one batch. */
const most = 500;

/**
 * Writes items in the order in which they come, one batch after the other: what comes while a batch
 * is written is the next one. Settles when the item is written; a batch fails as a whole.
 */
export const orderedBatches = <T>(write: (items: readonly T[]) => Promise<unknown>): ((item: T) => Promise<void>) => {
  let waiting: Item<T>[] = [];
  let isWriting = false;

  const run = async (): Promise<void> => {
    isWriting = true;
    while (waiting.length > 0) {
      const batch = waiting.slice(0, most);
      waiting = waiting.slice(most);
      try {
        await write(batch.map(({ item }) => item));
        for (const { settle } of batch) settle.resolve();
      } catch (error) {
        for (const { settle } of batch) settle.reject(error);
      }
    }
    isWriting = false;
  };

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, settle: { resolve, reject } });
      if (!isWriting) void run();
    });
};
