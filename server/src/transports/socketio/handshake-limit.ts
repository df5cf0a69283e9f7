/** Limits on the rate and the number of connections. */
export interface HandshakeLimits {
  /** Connections at one time, both engines and those waiting included. Keep it below the process's limit of open files. Default 50,000. */
  readonly maxConnections: number;
  /** Handshakes per second; more wait for their turn. Default 10,000. */
  readonly acceptPerSecond: number;
  /**
   * Handshakes per second from one address. More are refused with 429.
   * Default 10,000: with a proxy in front, all clients have its address.
   */
  readonly acceptPerAddressPerSecond: number;
}

/** Default limits of admission. */
export const handshakeLimits: HandshakeLimits = {
  maxConnections: 50_000,
  acceptPerSecond: 10_000,
  acceptPerAddressPerSecond: 10_000,
};

/**
 * Handshakes accepted in one turn of the event loop. Existing connections are served between two
 * batches.
 */
const handful = 32;

/** A handshake that asks for admission. */
export interface Handshake {
  readonly address: string;
  /** Has it gone away while it waited? */
  isGone(): boolean;
  accept(): void;
  refuse(reason: 'busy' | 'rate'): void;
}

/** Limit on the handshakes of both engines. */
export interface HandshakeLimit {
  /** Accepts the candidate, now or when it is its turn, or refuses it at once. */
  admit(candidate: Handshake): void;
  /** Refuses the handshakes that wait and all later ones. */
  close(): void;
}

/** Creates the handshake limit. `connections` counts the admitted connections. */
export const openHandshakeLimit = (
  limits: HandshakeLimits,
  connections: () => number,
  now: () => number = () => performance.now(),
): HandshakeLimit => {
  const perAddress = new Map<string, number>();
  let second = -1;
  const queue: Handshake[] = [];
  let head = 0;
  let isScheduled = false;
  let isOpen = true;
  let tokens = limits.acceptPerSecond;
  let filledAt = now();
  let left = handful;

  const refill = (): void => {
    const time = now();
    tokens = Math.min(limits.acceptPerSecond, tokens + ((time - filledAt) / 1000) * limits.acceptPerSecond);
    filledAt = time;
  };

  const enter = (candidate: Handshake): void => {
    if (candidate.isGone()) return;
    left -= 1;
    tokens -= 1;
    candidate.accept();
  };

  const waiting = (): number => queue.length - head;

  const turn = (): void => {
    isScheduled = false;
    left = handful;
    refill();
    for (; left > 0 && tokens >= 1 && waiting() > 0; head += 1) enter(queue[head] as Handshake);
    if (waiting() === 0) queue.length = head = 0;
    if (waiting() > 0 || left < handful) schedule();
  };

  const schedule = (): void => {
    if (isScheduled) return;
    isScheduled = true;
    if (tokens >= 1) setImmediate(turn);
    else setTimeout(turn, 10);
  };

  const isRate = (address: string): boolean => {
    const present = Math.floor(now() / 1000);
    if (present !== second) perAddress.clear();
    second = present;
    const count = (perAddress.get(address) ?? 0) + 1;
    perAddress.set(address, count);
    return count > limits.acceptPerAddressPerSecond;
  };

  return {
    admit(candidate) {
      if (!isOpen || connections() + waiting() >= limits.maxConnections) return candidate.refuse('busy');
      if (isRate(candidate.address)) return candidate.refuse('rate');
      if (waiting() === 0 && left > 0 && tokens >= 1) enter(candidate);
      else queue.push(candidate);
      schedule();
    },
    close() {
      isOpen = false;
      for (const candidate of queue.splice(0).slice(head)) candidate.refuse('busy');
      head = 0;
    },
  };
};
