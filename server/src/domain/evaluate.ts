import { RegistryError } from '@rollcall/client/contract';
import { codes, DocumentError } from '../mql/index.ts';

/** The error rules that clients see for a wrong update or query, by MongoDB's error code. */
const rules: ReadonlyMap<unknown, string> = new Map(Object.entries(codes).map(([rule, code]) => [code, rule]));

/** MongoDB's MaxTimeMSExpired: an evaluation took too many steps, or a server's too long. */
const maxTimeExpired = 50;

/** A refusal of a filter by a MongoDB server, or by the embedded store in its place. */
const isServerRefusal = (error: unknown): error is Error & { readonly code: number } =>
  error instanceof Error && error.name === 'MongoServerError' && 'code' in error;

/**
 * What a client's update or query was refused for, as an error of the table: `invalid-input` with
 * path and rule where MongoDB's language refuses it, `timeout` where it takes too many steps. Any
 * other error comes back as it is.
 */
export const toClientError = (error: unknown): unknown => {
  if (!(error instanceof DocumentError) && !isServerRefusal(error)) return error;
  const { code, message } = error;
  if (code === maxTimeExpired) return new RegistryError('timeout', message, { cause: error });
  const rule = rules.get(code);
  if (rule === undefined) return error;
  const path = error instanceof DocumentError && error.path !== undefined ? `/${error.path}` : '/';
  return new RegistryError('invalid-input', message, { details: [{ path, rule, message }], cause: error });
};

/** Evaluates a client's update or filter. Fails as `toClientError` says. */
export const evaluate = <T>(work: () => T): T => {
  try {
    return work();
  } catch (error) {
    throw toClientError(error);
  }
};
