import { RegistryError, type ErrorCode, type Row } from '@rollcall/client/contract';
import { exampleOf } from './example.ts';
import { schemaFieldsOf, type Json } from './schema.ts';

/** How a route takes a call and answers it over HTTP, for the OpenAPI document. */
export interface HttpForm {
  /** Query and header parameters. Path parameters follow from the route. */
  readonly parameters: readonly Parameter[];
  readonly body?: Body;
  readonly answers: readonly AnswerForm[];
}

/** A parameter in the query or in a header. */
export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'header';
  readonly required?: boolean;
  readonly description?: string;
  readonly schema: Json;
}

/** Description of a request body. */
export interface Body {
  readonly required: boolean;
  readonly schema: Json;
  /** Media type of the schema; default `application/json`. */
  readonly type?: string;
  /** Further accepted media types. */
  readonly types?: readonly string[];
  readonly example?: unknown;
}

/** One answer of a route. Without a schema it has no body. */
export interface AnswerForm {
  readonly status: number;
  readonly description?: string;
  readonly schema?: Json;
  /** Media type of the body; default `application/json`. */
  readonly type?: string;
  /** Names of the headers that the answer may have. */
  readonly headers?: readonly string[];
  readonly example?: unknown;
}

/** Error codes that any call may return. */
const always: readonly ErrorCode[] = [
  'invalid-input',
  'too-large',
  'unsupported-media-type',
  'rate',
  'banned',
  'internal',
  'busy',
  'unavailable',
  'timeout',
];

/** Every error code that a call of this row may return over HTTP. */
export const codesOf = ({ access, enrolling, mutates, errors }: Row): readonly ErrorCode[] => [
  ...new Set<ErrorCode>([
    ...always,
    ...('public' in access ? [] : (['unauthenticated', 'forbidden'] as const)),
    ...('public' in access || enrolling === true ? [] : (['mfa-enrollment-required'] as const)),
    ...(mutates ? (['conflict', 'outcome-unknown'] as const) : []),
    ...errors,
  ]),
];

/** Example errors of a code, with all optional members. */
const samplesOf = (code: ErrorCode): readonly RegistryError[] => {
  const detailed = (path: string, rule: string, message: string) =>
    new RegistryError(code, undefined, { details: [{ path, rule, message }] });
  switch (code) {
    case 'invalid-input':
      // Message of Meshblu for a body that is not an object.
      return [detailed('/name', 'type', 'must be string'), new RegistryError(code, 'Invalid Request')];
    case 'banned':
      return [detailed('', 'retryAfter', '600')];
    case 'internal':
      return [new RegistryError(code, undefined, { id: 'V1StGXR8_Z5jdHi6B-myT' })];
    default:
      return [new RegistryError(code)];
  }
};

/** A binary file instead of JSON: the whole body, or the field `file` of a form in a request. */
export const file = {
  type: 'application/octet-stream',
  schema: { type: 'string', format: 'binary' },
} as const;

/** An error in the form in which a dialect sends it. */
interface Failing {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const typeOf = (value: unknown): Json => ({ type: typeof value === 'number' ? 'integer' : typeof value });

/** Infers the schema of a flat object from an example. */
const seen = (body: unknown): Json =>
  typeof body === 'object' && body !== null
    ? {
        type: 'object',
        required: Object.keys(body),
        properties: Object.fromEntries(Object.entries(body).map(([name, value]) => [name, typeOf(value)])),
      }
    : {};

const unique = (schemas: readonly Json[]): readonly Json[] => [
  ...new Map(schemas.map((schema) => [JSON.stringify(schema), schema])).values(),
];

/**
 * The error answers of a row in one dialect, found by writing an example of each code.
 * `schema` applies to all of them; without it the schema is inferred.
 */
export const failuresOf = (row: Row, fail: (error: RegistryError) => Failing, schema?: Json): readonly AnswerForm[] => {
  const byStatus = new Map<number, { readonly codes: Set<ErrorCode>; readonly answers: Failing[] }>();
  for (const code of codesOf(row)) {
    for (const answer of samplesOf(code).map(fail)) {
      const group = byStatus.get(answer.status) ?? { codes: new Set(), answers: [] };
      group.codes.add(code);
      group.answers.push(answer);
      byStatus.set(answer.status, group);
    }
  }
  return [...byStatus].map(([status, { codes, answers }]) => {
    const bodies = unique(answers.map(({ body }) => seen(body)));
    return {
      status,
      description: [...codes].map((code) => `\`${code}\``).join(', '),
      schema: schema ?? (bodies.length === 1 ? (bodies[0] ?? {}) : { anyOf: bodies }),
      headers: [
        ...(status === 401 ? ['www-authenticate'] : []),
        ...new Set(answers.flatMap(({ headers = {} }) => Object.keys(headers))),
      ],
      example: answers[0]?.body,
    };
  });
};

/** The fields of a row's input that are not in the path. */
const beside = (row: Row, route: string) => {
  const path = new Set([...route.matchAll(/:(\w+)/g)].map(([, name = '']) => name));
  const { properties, required, open } = schemaFieldsOf(row.input);
  return {
    properties: Object.fromEntries(Object.entries(properties).filter(([name]) => !path.has(name))),
    required: required.filter((name) => !path.has(name)),
    open,
  };
};

/** Name of the parameter that stands for further names in the query. */
export const anyFurther = 'further';

/**
 * The fields that are not in the path, as query parameters.
 * An open input has one more for further names.
 */
export const inQuery = (row: Row, route: string, isRequired = true): readonly Parameter[] => {
  const { properties, required, open } = beside(row, route);
  const named = Object.entries(properties).map(([name, schema]): Parameter => ({
    name,
    in: 'query',
    required: isRequired && required.includes(name),
    schema,
  }));
  const further: Parameter = {
    name: anyFurther,
    in: 'query',
    description: 'Any further names.',
    schema: { type: 'object', additionalProperties: { type: 'string' } },
  };
  return open ? [...named, further] : named;
};

/** The fields that are not in the path, as a JSON body; undefined if there are none. */
export const inBody = (row: Row, route: string): Body | undefined => {
  const { properties, required, open } = beside(row, route);
  if (Object.keys(properties).length === 0 && !open) return undefined;
  const schema: Json = {
    type: 'object',
    ...(required.length > 0 && { required }),
    properties,
    ...(!open && { additionalProperties: false }),
  };
  return { required: required.length > 0, schema, example: exampleOf(schema) };
};

/** The headers that calls of this row may carry (ME-3). */
export const callHeaders = ({ access, mutates, checksRevision = false }: Row): readonly Parameter[] => {
  const one = (name: string, description: string, schema: Json): Parameter => ({ name, in: 'header', description, schema });
  if ('public' in access) return [];
  return [
    ...(mutates
      ? [
          one('Idempotency-Key', 'Key of the request: it takes effect once, however often it is sent.', {
            type: 'string',
            minLength: 1,
            maxLength: 255,
          }),
        ]
      : []),
    ...(checksRevision ? [one('If-Match', 'The revision that the document must have.', { type: 'string' })] : []),
    ...('whitelist' in access ? [one('X-Meshblu-As', 'The device to act for.', { type: 'string', minLength: 1 })] : []),
  ];
};
