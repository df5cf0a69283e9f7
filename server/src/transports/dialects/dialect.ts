import { RegistryError, type Row } from '@rollcall/client/contract';
import { exampleOf } from '../../operations/describe/example.ts';
import type { AnswerForm, HttpForm } from '../../operations/describe/form.ts';
import { schemaFieldsOf, type Json } from '../../operations/describe/schema.ts';
import { isPlainObject } from '../../common/plain-object.ts';
import { asItIs, type Shape } from './shape.ts';

/** An object with unknown values. */
export type Properties = Readonly<Record<string, unknown>>;

/** The parts of a request that a dialect reads. */
export interface DialectRequest {
  readonly params: Properties;
  readonly query: Properties;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The uuid of the caller; missing if no credentials were shown, or none that prove anything. */
  readonly caller?: string;
}

/** An answer before it is written. */
export interface DialectAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Written as JSON. */
  readonly body?: unknown;
  /** Written as plain text instead. */
  readonly text?: string;
  /** Written as a page instead. */
  readonly html?: string;
}

/**
 * Names of inputs, successes and failures on one wire. It translates outcomes and never decides
 * one.
 */
export interface Dialect {
  /**
   * Given if the body is read after the caller's credentials are checked. Otherwise it is read as
   * JSON before.
   */
  readonly late?: {
    /** Refuses a request before its credentials are checked. */
    admit?(contentType: string | undefined, hasBody: boolean): void;
    /** Reads a body that is not empty. May fail with `invalid-input`. */
    read(text: string, contentType: string | undefined): unknown;
  };
  /** The input of a call by this route (`'GET /path/:name'`). May fail with `invalid-input`. */
  inputOf(route: string, asked: DialectRequest, row: Row): unknown;
  /** Bodies of these types come to `inputOf` as text by this route; all others are read as JSON. */
  textTypes?(route: string): readonly string[];
  succeed(route: string, output: unknown, asked: DialectRequest): DialectAnswer;
  /** `route` is empty where none was found; `url`: path and query of the request. */
  fail(route: string, error: RegistryError, url?: string): DialectAnswer;
  /** The answer to a method that the path does not take. */
  notAllowed(methods: readonly string[]): DialectAnswer;
  /** Names that a query may have though nothing is made of them. */
  readonly ignoredInQuery?: readonly string[];
  /** The JSON Schema description of a route. */
  form(route: string, row: Row): HttpForm;
}

/** The form of a successful answer. Without a shape there is no body. */
export interface Success {
  readonly status: number;
  readonly shape?: Shape;
  readonly headers?: Readonly<Record<string, string>>;
  /** Is the value sent as plain text, and not as JSON? */
  readonly isText?: true;
}

/** Successes of more than one kind, and which one an output is. */
export interface Successes {
  readonly all: readonly Success[];
  readonly of: (output: Properties) => Success;
}

/** 200 with the output, or what is made of it. */
export const found = (shape: Shape = asItIs): Success => ({ status: 200, shape });
/** 201 with the output, or what is made of it. */
export const created = (shape: Shape = asItIs): Success => ({ status: 201, shape });
/** 202. */
export const accepted: Success = { status: 202 };
/** 204. */
export const empty: Success = { status: 204 };

/** What was made last of an output that does not change, by the success that it was. */
const made = new WeakMap<object, { readonly success: Success; readonly answer: DialectAnswer }>();

/** Answer to a success. One frozen output always gives one identical object. */
export const answerOf = (given: Success | Successes, output: unknown): DialectAnswer => {
  const success = 'all' in given ? given.of(objectOf(output)) : given;
  const isConstant = typeof output === 'object' && output !== null && Object.isFrozen(output);
  const last = isConstant ? made.get(output) : undefined;
  if (last?.success === success) return last.answer;
  const { status, shape, headers, isText } = success;
  const value = shape?.value(output);
  const answer: DialectAnswer = {
    status,
    ...(headers !== undefined && { headers }),
    ...(shape !== undefined && (isText === true ? { text: String(value) } : { body: value })),
  };
  if (isConstant) made.set(output, { success, answer: Object.freeze(answer) });
  return answer;
};

/** JSON Schema descriptions of the successes. */
export const successForms = (success: Success | Successes, row: Row): readonly AnswerForm[] =>
  ('all' in success ? success.all : [success]).map(({ status, shape, headers, isText }) => ({
    status,
    description: 'Success.',
    ...(isText === true && { type: 'text/plain' }),
    ...(headers !== undefined && { headers: Object.keys(headers) }),
    ...(shape !== undefined && {
      schema: shape.schema(row.output as Json),
      example: shape.value(exampleOf(row.output as Json)),
    }),
  }));

/** A body's properties; none if it is no object. */
export const objectOf = (body: unknown): Properties => (isPlainObject(body) ? body : {});

/** Query, body and path together; what the path says counts. */
export const mergedInput = ({ params, query, body }: DialectRequest): Properties => ({ ...query, ...objectOf(body), ...params });

/** Of a ban: for how many seconds. */
export const retryAfterOf = ({ details }: RegistryError): string =>
  details?.find(({ rule }) => rule === 'retryAfter')?.message ?? '60';

const one = (value: unknown): unknown => (Array.isArray(value) ? (value as readonly unknown[])[0] : value);

const list = (value: unknown): unknown =>
  (Array.isArray(value) ? (value as readonly unknown[]) : [value]).flatMap((part) =>
    typeof part === 'string' ? part.split(',') : [part],
  );

/**
 * Converts a text of the query to its field's type. An unreadable one stays a text, and is refused
 * as such.
 */
const readAs = ({ type }: Json, given: unknown): unknown => {
  if (type === 'array') return list(given);
  const value = one(given);
  if (typeof value !== 'string') return value;
  if (type === 'boolean') return value === 'true' ? true : value === 'false' ? false : value;
  const isNumber = (type === 'integer' || type === 'number') && /^-?\d{1,15}(?:\.\d{1,15})?$/.test(value);
  return isNumber ? Number(value) : value;
};

/** The fields of the row's input that the query has, each as its schema wants it: lists repeated or with commas. `also`: other names of fields. */
export const queriedFields = (row: Row, query: Properties, also: Readonly<Record<string, string>> = {}): Properties => {
  if (Object.keys(query).length === 0) return {};
  const { properties } = schemaFieldsOf(row.input);
  const names = [...Object.keys(properties).map((name) => [name, name] as const), ...Object.entries(also)];
  const fields = new Map<string, unknown>();
  for (const [name, field] of names) {
    const given = Object.hasOwn(query, name) ? query[name] : undefined;
    if (given === undefined) continue;
    if (fields.has(field)) {
      throw new RegistryError('invalid-input', undefined, {
        details: [{ path: `/${name}`, rule: 'maxItems', message: 'says again what another name in the query says' }],
      });
    }
    fields.set(field, readAs(properties[field] ?? {}, given));
  }
  return Object.fromEntries(fields);
};
