/**
 * Takes a turn; the function it gives says that the work is done, and settles when all the work is done whose turn came earlier. So what is
 * carried out side by side ends in the order in which it began.
 */
export type OrderedAcks = () => () => Promise<void>;

/** Nobody has taken a turn yet. */
export const createOrderedAcks = (): OrderedAcks => {
  let last: Promise<void> = Promise.resolve();
  return () => {
    const earlier = last;
    let finish!: () => void;
    const own = new Promise<void>((resolve) => (finish = resolve));
    const turn = own.then(() => earlier);
    last = turn;
    return () => {
      finish();
      return turn;
    };
  };
};
