/**
 * Holds back new messages for a client while its retained messages are being sent, so that older
 * ones go out first.
 */
export interface RetainedFirst {
  /** Retained messages are being read; `end`: no more are. */
  begin(): void;
  end(): void;
  /** One more is on its way; `sent`: one has gone out. */
  add(): void;
  sent(): void;
  /** Keeps this piece of work, about a message of so many bytes, until they have; false if it need not wait, or too much waits already. */
  hold(bytes: number, work: () => void): boolean;
}

/** How much may wait: MQTT promises no order between retained messages and others, so the rest need not. */
const most = 1_000;
const maxBytes = 1_048_576;

/** Nothing is under way. */
export const createRetainedFirst = (): RetainedFirst => {
  let isReading = false;
  let underWay = 0;
  let held: (() => void)[] = [];
  let heldBytes = 0;
  const release = (): void => {
    if (isReading || underWay > 0) return;
    const all = held;
    held = [];
    heldBytes = 0;
    for (const work of all) work();
  };
  return {
    begin: () => void (isReading = true),
    end() {
      isReading = false;
      release();
    },
    add: () => void (underWay += 1),
    sent() {
      underWay -= 1;
      // It goes out a moment after it was let out.
      if (held.length > 0) setImmediate(release);
    },
    hold(bytes, work) {
      if ((!isReading && underWay === 0 && held.length === 0) || held.length >= most || heldBytes + bytes > maxBytes)
        return false;
      held.push(work);
      heldBytes += bytes;
      return true;
    },
  };
};
