import { RegistryError } from '@rollcall/client/contract';
import { nanoid } from 'nanoid';
import { codes } from './documents/index.ts';
import type { Log } from './log.ts';
import { isOutcomeUnknown } from './store/outcome.ts';

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');
const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;

/** MongoDB's MaxTimeMSExpired. */
const maxTimeExpired = 50;

/** The rule that an error of the document language names, by MongoDB's code. */
const rules: ReadonlyMap<unknown, string> = new Map(Object.entries(codes).map(([rule, code]) => [code, rule]));

/** A filter or update that the document language refuses, from the evaluator here or from a MongoDB server. */
const refusedBy = (error: unknown): RegistryError | undefined => {
  const rule = rules.get(codeOf(error));
  if (rule === undefined || !(error instanceof Error)) return undefined;
  if (error.name !== 'DocumentError' && error.name !== 'UnsupportedOperator' && error.name !== 'MongoServerError')
    return undefined;
  const path = /path '([^']+)'/.exec(error.message)?.[1];
  const details = [{ path: path === undefined ? '/' : `/${path}`, rule, message: error.message }];
  return new RegistryError('invalid-input', error.message, { details, cause: error });
};

const isDiskFull = (error: unknown): boolean => codeOf(error) === 'ENOSPC' || codeOf(error) === 'SQLITE_FULL';

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
    const refusal = refusedBy(error);
    if (refusal !== undefined) return refusal;
    if (isDiskFull(error)) return new RegistryError('unavailable', 'The disk of the store is full', { cause: error });
    // Nothing is wrong with the call: the store cannot be reached just now, or elects.
    if (isOutcomeUnknown(error)) return new RegistryError('unavailable', undefined, { cause: error });
    const id = nanoid();
    log.error({ id, err: error }, 'a call failed unexpectedly');
    return new RegistryError('internal', undefined, { id, cause: error });
  };
