/**
 * Does `work` for each item, at most `limit` at once, and answers the results in the order of the
 * items.
 *
 * After a failure nothing more is begun. What is under way is awaited, and then the failure of the
 * earliest item is thrown.
 */
export const inParallel = async <T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> => {
  const results: R[] = [];
  const failures = new Map<number, unknown>();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length && failures.size === 0) {
      const index = next;
      next += 1;
      try {
        results[index] = await work(items[index] as T, index);
      } catch (error) {
        failures.set(index, error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  const [earliest] = [...failures.keys()].toSorted((one, other) => one - other);
  if (earliest !== undefined) throw failures.get(earliest);
  return results;
};
