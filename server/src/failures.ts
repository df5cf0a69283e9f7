import { RegistryError } from '@rollcall/client/contract';
import { nanoid } from 'nanoid';
import type { Log } from './log.ts';
import { isOutcomeUnknown } from './store/outcome.ts';

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');
const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;

/** MongoDB's MaxTimeMSExpired. */
const maxTimeExpired = 50;

/**
 * Any thrown value as an error of the table. What is not one of ours becomes `internal` with an id that is in the log; no stack and
 * no driver's text leaves.
 */
export const failuresTo =
  (log: Log) =>
  (error: unknown): RegistryError => {
    if (error instanceof RegistryError) return error;
    if (codeOf(error) === maxTimeExpired || nameOf(error) === 'TimeLimitError')
      return new RegistryError('timeout', undefined, { cause: error });
    // Nothing is wrong with the call: the store cannot be reached just now, or elects.
    if (isOutcomeUnknown(error)) return new RegistryError('unavailable', undefined, { cause: error });
    const id = nanoid();
    log.error({ id, err: error }, 'a call failed unexpectedly');
    return new RegistryError('internal', undefined, { id, cause: error });
  };
