/** Waits until a condition holds, looking again every few milliseconds; fails after `limitMs`. */
export const until = async (condition: () => unknown, limitMs = 5000): Promise<void> => {
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`Did not come true within ${limitMs} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
};
