/**
 * Defers work to the end of this turn of the event loop, when all input of the turn has been
 * handled. Answers deferred so go out together: a write may wake the reader, and a reader that is
 * awake takes the rest at no extra cost. The work must not fail.
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
