/** Bounds of the pause before a repeated attempt, in milliseconds. */
export interface Backoff {
  /** Longest first pause. Default 1000. */
  readonly minMs: number;
  /** Longest pause of all. Default 30000; in the first two minutes after a drop attempts to connect pause for 5000 at most. */
  readonly maxMs: number;
}

/** While a connection has not been lost for longer than this, in milliseconds … */
const soonMs = 120_000;
/** … its pauses are no longer than this: the server itself paces the clients that come back. */
const maxSoonMs = 5_000;

/** The bounds of the pauses between attempts to connect, when the connection was lost `lostMs` milliseconds ago. */
export const reconnectBackoff = ({ minMs, maxMs }: Backoff, lostMs: number): Backoff => ({
  minMs,
  maxMs: lostMs < soonMs ? Math.min(maxMs, maxSoonMs) : maxMs,
});

/**
 * Pause before attempt number `attempt` (0 is the first repeat), in milliseconds: evenly random between 0 and a bound that doubles.
 *
 * Full jitter keeps thousands of clients that lost the same server from coming back in the same instant.
 */
export const pause = (attempt: number, { minMs, maxMs }: Backoff): number =>
  Math.random() * Math.min(maxMs, minMs * 2 ** Math.min(attempt, 30));
