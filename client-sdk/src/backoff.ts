/** Bounds of the pause before a repeated attempt, in milliseconds. */
export interface Backoff {
  /** Longest first pause. Default 1000. */
  readonly minMs: number;
  /** Longest pause of all. Default 30000. */
  readonly maxMs: number;
}

/**
 * Pause before attempt number `attempt` (0 is the first repeat), in milliseconds: evenly random between 0 and a bound that doubles.
 *
 * Full jitter keeps thousands of clients that lost the same server from coming back in the same instant.
 */
export const pause = (attempt: number, { minMs, maxMs }: Backoff): number =>
  Math.random() * Math.min(maxMs, minMs * 2 ** Math.min(attempt, 30));
