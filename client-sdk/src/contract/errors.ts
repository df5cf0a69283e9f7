/** One row of the error table. */
export interface ErrorRow {
  /** HTTP status of the failure. */
  readonly http: number;
  /** MQTT 5 reason code of the failure (MQTT 5, section 2.4). */
  readonly mqtt: number;
  /** May the same call succeed if it is sent again? */
  readonly retry: boolean;
  /** Default sentence; Meshblu clients print it. */
  readonly message: string;
}

/** Every way a call can fail. Codes are never renamed, only added; `docs/errors.md` is written from this table. */
export const errors = {
  'invalid-input': { http: 422, mqtt: 0x99, retry: false, message: 'Unprocessable Entity' },
  unauthenticated: { http: 401, mqtt: 0x86, retry: false, message: 'Unauthorized' },
  'invalid-credentials': { http: 401, mqtt: 0x86, retry: false, message: 'Invalid credentials' },
  'mfa-required': { http: 401, mqtt: 0x86, retry: false, message: 'Multi-factor authentication required' },
  forbidden: { http: 403, mqtt: 0x87, retry: false, message: 'Forbidden' },
  'mfa-enrollment-required': {
    http: 403,
    mqtt: 0x87,
    retry: false,
    message: 'Enrol in multi-factor authentication first',
  },
  'not-found': { http: 404, mqtt: 0x80, retry: false, message: 'Not Found' },
  'unknown-event': { http: 404, mqtt: 0x90, retry: false, message: 'Not Found' },
  'method-not-allowed': { http: 405, mqtt: 0x83, retry: false, message: 'Method Not Allowed' },
  conflict: { http: 409, mqtt: 0x80, retry: false, message: 'Conflict' },
  'outcome-unknown': { http: 409, mqtt: 0x80, retry: false, message: 'The outcome of this request cannot be known any more' },
  'too-large': { http: 413, mqtt: 0x95, retry: false, message: 'Payload Too Large' },
  'unsupported-media-type': { http: 415, mqtt: 0x99, retry: false, message: 'Unsupported Media Type' },
  rate: { http: 429, mqtt: 0x96, retry: true, message: 'Too Many Requests' },
  banned: { http: 429, mqtt: 0x97, retry: false, message: 'Too many failed attempts' },
  internal: { http: 500, mqtt: 0x80, retry: true, message: 'Internal Server Error' },
  'not-supported': { http: 501, mqtt: 0x83, retry: false, message: 'Not Supported' },
  busy: { http: 503, mqtt: 0x89, retry: true, message: 'Service Unavailable' },
  unavailable: { http: 503, mqtt: 0x88, retry: true, message: 'Service Unavailable' },
  timeout: { http: 504, mqtt: 0x80, retry: true, message: 'Gateway Timeout' },
  disconnected: { http: 503, mqtt: 0x88, retry: true, message: 'The connection was closed before the answer came' },
  aborted: { http: 499, mqtt: 0x80, retry: false, message: 'The call was aborted' },
} as const satisfies Record<string, ErrorRow>;

/** A code of the error table. */
export type ErrorCode = keyof typeof errors;

/** What is wrong with one value of an input: where (JSON Pointer), which rule it breaks (a JSON Schema keyword or ours), and a sentence. */
export interface ErrorDetail {
  readonly path: string;
  readonly rule: string;
  readonly message: string;
}

/** A failed acknowledgement. It carries `error` and no `uuid`; a success never does both. */
export interface Failure {
  readonly error: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly details?: readonly ErrorDetail[];
  /** Names the log line of an internal error. */
  readonly id?: string;
}

/** What every failed call throws. Branch on `code`, never on `message`. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly code: ErrorCode;
  /** HTTP status: that of the code, unless the call's reference gives another. */
  readonly status: number;
  readonly details: readonly ErrorDetail[] | undefined;
  /** Names the server's log line of an internal error. */
  readonly id: string | undefined;

  constructor(
    code: ErrorCode,
    message: string = errors[code].message,
    extra: {
      details?: readonly ErrorDetail[] | undefined;
      id?: string | undefined;
      status?: number | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, extra.cause === undefined ? undefined : { cause: extra.cause });
    this.code = code;
    this.status = extra.status ?? errors[code].http;
    this.details = extra.details;
    this.id = extra.id;
  }

  /** May the same call succeed if it is sent again? */
  get retry(): boolean {
    return errors[this.code].retry;
  }

  /** The failed acknowledgement for this error. */
  toFailure(): Failure {
    return {
      error: this.message,
      status: this.status,
      code: this.code,
      ...(this.details && { details: this.details }),
      ...(this.id !== undefined && { id: this.id }),
    };
  }
}

/** A failed acknowledgement is told from a result by `error` without `uuid`: a device may own a property called `error`. */
export const isFailure = (answer: unknown): answer is Failure =>
  typeof answer === 'object' && answer !== null && 'error' in answer && !('uuid' in answer);
