import { RegistryError } from '@rollcall/client/contract';
import { withTimeLimit, type Clock } from '../common/clock.ts';
import { isOutcomeUnknown } from '../store/write-outcome.ts';

/** Time limit of one operation of the store, in milliseconds. */
const operationMs = 5_000;

/** Awaits a store operation; fails with `unavailable` if the store cannot be reached or has not answered in 5 s. */
export const withDeadline = async <T>(clock: Clock, work: Promise<T>): Promise<T> => {
  try {
    return await withTimeLimit(clock, operationMs, work);
  } catch (error) {
    throw isOutcomeUnknown(error) ? new RegistryError('unavailable', undefined, { cause: error }) : error;
  }
};
