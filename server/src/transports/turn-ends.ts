/**
 * Waits until all that came in this turn of the event loop has been looked at. Answers that wait for it go out together: each write may wake
 * whoever reads, and one who is awake takes the rest for nothing.
 */
export const openTurnEnds = (): (() => Promise<void>) => {
  let end: Promise<void> | undefined;
  return () =>
    (end ??= new Promise((resolve) => {
      setImmediate(() => {
        end = undefined;
        resolve();
      });
    }));
};
