import { RegistryError } from '@rollcall/client/contract';
import { nanoid } from 'nanoid';
import type { Log } from '../common/log.ts';
import { isOutcomeUnknown } from '../store/write-outcome.ts';

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');
const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;

/** MongoDB's MaxTimeMSExpired. */
const maxTimeExpired = 50;

/** MongoDB's OutOfDiskSpace. */
const outOfDiskSpace = 14_031;

/** Whether a write failed because a disk is full, of this process or of a MongoDB server. */
const isDiskFull = (error: unknown): boolean =>
  codeOf(error) === 'ENOSPC' ||
  codeOf(error) === outOfDiskSpace ||
  (error instanceof Error &&
    (/database or disk is full/.test(error.message) || (error.cause !== undefined && isDiskFull(error.cause))));

/**
 * Converts any thrown value into a `RegistryError`.
 * An unknown error becomes `internal` with an id, under which it is logged. Its stack and message
 * are not sent to clients.
 * `onFullDisk` is called when a write failed because a disk is full.
 */
export const failuresTo =
  (log: Log, onFullDisk: () => void = () => undefined) =>
  (error: unknown): RegistryError => {
    if (error instanceof RegistryError) return error;
    if (codeOf(error) === maxTimeExpired || nameOf(error) === 'TimeLimitError')
      return new RegistryError('timeout', undefined, { cause: error });
    if (isDiskFull(error)) {
      onFullDisk();
      return new RegistryError('unavailable', 'The disk of the store is full; nothing was changed', { cause: error });
    }
    // The call itself is valid: the store is unreachable, or its replica set elects a primary.
    if (isOutcomeUnknown(error)) return new RegistryError('unavailable', undefined, { cause: error });
    const id = nanoid();
    log.error({ id, err: error }, 'a call failed unexpectedly');
    return new RegistryError('internal', undefined, { id, cause: error });
  };
