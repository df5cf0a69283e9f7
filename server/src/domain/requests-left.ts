/**
 * Header of webhook requests, and of calls that come of one: how many further requests they may
 * cause. A receiver that posts back repeats it.
 */
export const requestsLeftHeader = 'x-rollcall-requests-left';

/** Reads the header, or what a token's metadata say; undefined if there is no such number. */
export const readRequestsLeft = (given: unknown): number | undefined => {
  const text = typeof given === 'number' ? String(given) : given;
  return typeof text === 'string' && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
};

/** What both leave; undefined if neither says anything. */
export const lessOf = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);
