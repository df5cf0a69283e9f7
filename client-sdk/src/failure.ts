import type { ErrorCode } from './contract/errors.ts';
import { errors, RegistryError } from './contract/errors.ts';

const codes: Readonly<Record<number, ErrorCode>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not-found',
  409: 'conflict',
  413: 'too-large',
  422: 'invalid-input',
  429: 'rate',
  503: 'unavailable',
  504: 'timeout',
};

const isCode = (code: unknown): code is ErrorCode => typeof code === 'string' && Object.hasOwn(errors, code);

/** What a refusal may carry: a failed acknowledgement, or the argument of `notReady`. Nothing in it is trusted. */
export interface Refusal {
  readonly code?: unknown;
  readonly status?: unknown;
  readonly error?: unknown;
  readonly details?: unknown;
  readonly id?: unknown;
  /** When to come back, in milliseconds. */
  readonly retryAfterMs?: unknown;
}

/** The error for a refusal by the server. A code that this version does not know is read by its status, or as `internal`. */
export const toError = ({ code, status, error, details, id }: Refusal): RegistryError =>
  new RegistryError(isCode(code) ? code : (codes[Number(status)] ?? 'internal'), typeof error === 'string' ? error : undefined, {
    details: Array.isArray(details) ? details : undefined,
    id: typeof id === 'string' ? id : undefined,
    status: typeof status === 'number' && status >= 400 && status < 600 ? status : undefined,
  });
