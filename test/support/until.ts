/** Waits until a condition holds, looking every few milliseconds; fails after `ms`. */
export const until = async (holds: () => unknown, ms = 5_000): Promise<void> => {
  const end = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`after ${ms} ms still not: ${String(holds)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
