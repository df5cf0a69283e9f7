/** Server errors after which a write may or may not have taken effect, or a read may succeed elsewhere: elections, shutdowns, time limits. */
const transientCodes: ReadonlySet<number> = new Set([
  6, 7, 50, 64, 75, 79, 89, 91, 100, 133, 134, 189, 202, 234, 262, 317, 358, 384, 9001, 10107, 11600, 11602, 13435, 13436, 46841,
]);

const transientNames: ReadonlySet<string> = new Set([
  'TimeLimitError',
  'AbortError',
  'MongoNetworkError',
  'MongoNetworkTimeoutError',
  'MongoOperationTimeoutError',
  'MongoPoolClearedError',
  'MongoPoolClosedError',
  'MongoServerSelectionError',
  'MongoWaitQueueTimeoutError',
  'MongoWriteConcernError',
  'MongoTopologyClosedError',
  'MongoNotConnectedError',
  'MongoServerClosedError',
  'PoolClearedError',
  'WaitQueueTimeoutError',
]);

/**
 * Whether this error leaves the outcome of the operation unknown. A write must then be read back before it is retried.
 *
 * True for lost connections, time limits and a primary that stepped down or was stopped; false when the store has answered
 * that it did not do it.
 */
export const isOutcomeUnknown = (error: unknown): boolean => {
  if (typeof error !== 'object' || error === null) return false;
  const { name, code, errorLabels } = error as { name?: unknown; code?: unknown; errorLabels?: unknown };
  if (typeof name === 'string' && transientNames.has(name)) return true;
  if (typeof code === 'number' && transientCodes.has(code)) return true;
  return Array.isArray(errorLabels) && (errorLabels.includes('RetryableWriteError') || errorLabels.includes('NetworkError'));
};
