/**
 * Orders the ends of concurrent work by its beginnings.
 * The call takes a turn. The function it returns reports the work as done, and settles when all
 * work with earlier turns is done.
 */
export type OrderedAcks = () => () => Promise<void>;

/** Creates the order, without any turn taken. */
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
