/**
 * Does work when all that came in this turn of the event loop has been looked at. Answers that wait for it go out together: each write may wake
 * whoever reads, and one who is awake takes the rest for nothing. The work must not fail.
 */
export const openTurnEnds = (): ((work: () => void) => void) => {
  let waiting: (() => void)[] = [];
  const end = (): void => {
    const all = waiting;
    waiting = [];
    for (const work of all) work();
  };
  return (work) => {
    if (waiting.push(work) === 1) setImmediate(end);
  };
};
