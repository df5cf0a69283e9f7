import type { RegistryError } from '@rollcall/client/contract';
import { isProperties } from '../../domain/properties.ts';

/** An object of which only the names are known. */
export type Properties = Readonly<Record<string, unknown>>;

/** A request as far as a dialect looks at it. */
export interface Asked {
  readonly params: Properties;
  readonly query: Properties;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** An answer before it is written. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** How one outside wire names inputs, successes and failures. It translates outcomes and never decides one. */
export interface Dialect {
  /** The input of a call by this route (`'GET /path/:name'`). May fail with `invalid-input`. */
  inputOf(route: string, asked: Asked): unknown;
  succeed(route: string, output: unknown, asked: Asked): Answer;
  /** `route` is empty where none was found. */
  fail(route: string, error: RegistryError): Answer;
  /** The answer to a method that the path does not take; missing: not found, as elsewhere. */
  notAllowed?(methods: readonly string[]): Answer;
}

/** A body's properties; none if it is no object. */
export const objectOf = (body: unknown): Properties => (isProperties(body) ? body : {});

/** Query, body and path together; what the path says counts. */
export const mergedInput = ({ params, query, body }: Asked): Properties => ({ ...query, ...objectOf(body), ...params });

/** Of a ban: for how many seconds. */
export const retryAfterOf = ({ details }: RegistryError): string =>
  details?.find(({ rule }) => rule === 'retryAfter')?.message ?? '60';
