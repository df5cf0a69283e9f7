import { DocumentError } from './errors.ts';

/** MongoDB's MaxTimeMSExpired: callers treat it as a `timeout`. */
const maxTimeExpired = 50;

/**
 * Limit of elementary tests in one evaluation of a filter or an update on one document: 5 to 20 ms.
 * A document of 64 KiB has at most about 20,000 values.
 *
 * An elementary test is a comparison of one value, or a visit to one array element or one branch of
 * a filter.
 */
export const maxElementaryTests = 100_000;

let left = Infinity;

/**
 * Runs one evaluation within its limit of elementary tests. An evaluation inside another shares the
 * outer one's limit.
 */
export function bounded<R>(evaluate: () => R): R {
  if (left !== Infinity) return evaluate();
  left = maxElementaryTests;
  try {
    return evaluate();
  } finally {
    left = Infinity;
  }
}

/** Counts elementary tests. Fails with a `DocumentError` of MongoDB's code 50 beyond the limit. */
export function spend(tests = 1): void {
  left -= tests;
  if (left < 0) throw new DocumentError(maxTimeExpired, `the evaluation needs more than ${maxElementaryTests} elementary tests`);
}
