import { STATUS_CODES } from 'node:http';
import * as contract from '@rollcall/client/contract';
import type { TableOperation } from '../operation-table.ts';
import { exampleOf } from './example.ts';
import type { AnswerForm, Body, HttpForm, Parameter } from './form.ts';
import { schemaFieldsOf, isJson, type Json } from './schema.ts';

/** OpenAPI description of a page that is not an operation. */
export interface PageForm {
  readonly path: string;
  /** Default `get`. */
  readonly method?: 'post';
  readonly summary: string;
  readonly parameters?: readonly Parameter[];
  readonly body?: Body;
  readonly answers: readonly AnswerForm[];
  /** Whether the page requires authentication. */
  readonly guarded?: true;
}

/** The authentication methods (AC-1; MS-2.21). Each request uses one of them. */
const securitySchemes: Json = {
  bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'An access token, from `POST /api/login`.' },
  token: { type: 'apiKey', in: 'header', name: 'Authorization', description: 'The same without a scheme before it.' },
  basic: {
    type: 'http',
    scheme: 'basic',
    description: 'Name and password or access token of a user; uuid and token of a device.',
  },
  meshbluUuid: { type: 'apiKey', in: 'header', name: 'X-Meshblu-UUID', description: 'The uuid of a device.' },
  meshbluToken: { type: 'apiKey', in: 'header', name: 'X-Meshblu-Token', description: 'A token of that device.' },
};
const proofs: readonly Json[] = [{ bearer: [] }, { token: [] }, { basic: [] }, { meshbluUuid: [], meshbluToken: [] }];

/** Names of the contract's models, by schema. */
const models: ReadonlyMap<unknown, string> = new Map(
  Object.entries(contract)
    .filter(([, value]) => isJson(value) && Object.keys(schemaFieldsOf(value).properties).length > 0)
    .map(([name, value]) => [value, name] as const),
);

/** Schemas and responses that the document defines once and refers to. */
interface Components {
  readonly schemas: Map<string, Json>;
  readonly responses: Map<string, { readonly text: string; readonly response: Json }>;
}

/** Replaces models and titled schemas inside a schema by references. */
const referring =
  ({ schemas }: Components) =>
  (value: unknown): unknown => {
    const inside = (one: Json): Json => Object.fromEntries(Object.entries(one).map(([key, part]) => [key, refer(part)]));
    const refer = (one: unknown): unknown => {
      if (Array.isArray(one)) return one.map(refer);
      if (!isJson(one)) return one;
      const name = models.get(one) ?? one['title'];
      if (typeof name !== 'string') return inside(one);
      if (!schemas.has(name)) schemas.set(name, inside(one));
      return { $ref: `#/components/schemas/${name}` };
    };
    return refer(value);
  };

/** A reference to a response that several operations share. */
const shared = ({ responses }: Components, status: number, response: Json): Json => {
  const text = JSON.stringify(response);
  const phrase = (STATUS_CODES[status] ?? String(status)).replaceAll(/\W/g, '');
  let name = phrase;
  for (let count = 2; responses.has(name) && responses.get(name)?.text !== text; count += 1) name = `${phrase}${count}`;
  responses.set(name, { text, response });
  return { $ref: `#/components/responses/${name}` };
};

const json = 'application/json';

const bodyOf = (components: Components, { required, schema, type = json, types = [], example }: Body): Json => ({
  required,
  content: {
    [type]: { schema: referring(components)(schema), ...(example !== undefined && { example }) },
    ...Object.fromEntries(types.map((other) => [other, {}])),
  },
});

const parameterOf = ({ name, in: where, required = false, description, schema }: Parameter): Json => ({
  name,
  in: where,
  required,
  ...(description !== undefined && { description }),
  schema,
});

const pathParameters = (path: string, properties: Readonly<Record<string, Json>>): readonly Json[] =>
  [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: properties[name] ?? { type: 'string' },
    example: exampleOf(properties[name] ?? {}, name),
  }));

/** The answer to a request whose headers are too large to be read. */
const unread: AnswerForm = {
  status: 431,
  description: 'Path, query and headers are too large together.',
  schema: {
    title: 'Unread',
    type: 'object',
    required: ['error', 'status', 'code'],
    properties: { error: { type: 'string' }, status: { type: 'integer' }, code: { type: 'string' } },
  },
};

const grouped = <K, T>(all: readonly T[], keyOf: (one: T) => K): ReadonlyMap<K, readonly T[]> => {
  const groups = new Map<K, T[]>();
  for (const one of all) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
  return groups;
};

/** Merges answers of one status into one response, whose body is any of theirs. */
const responsesOf = (components: Components, answers: readonly AnswerForm[]): Json => {
  const byStatus = grouped(answers, ({ status }) => status);
  const text = { type: 'string' };
  const responses = [...byStatus].map(([status, some]) => {
    const headers = new Set(some.flatMap((answer) => answer.headers ?? []));
    const content = grouped(
      some.filter(({ schema }) => schema !== undefined),
      ({ type = json }) => type,
    );
    const media = [...content].map(([type, [first, ...others]]) => [
      type,
      {
        schema: referring(components)(
          others.length === 0 ? first?.schema : { anyOf: [first, ...others].map((one) => one?.schema) },
        ),
        ...(first?.example !== undefined && { example: first.example }),
      },
    ]);
    const response = {
      description: some.map(({ description = STATUS_CODES[status] ?? '' }) => description).join(' '),
      ...(headers.size > 0 && { headers: Object.fromEntries([...headers].map((name) => [name, { schema: text }])) }),
      ...(media.length > 0 && { content: Object.fromEntries(media) as Json }),
    };
    return [String(status), status < 400 ? response : shared(components, status, response)] as const;
  });
  return Object.fromEntries(responses.sort(([one], [other]) => one.localeCompare(other)));
};

const described = (components: Components, { name, row }: TableOperation, path: string, form: HttpForm, index: number): Json => {
  const parameters = [...pathParameters(path, schemaFieldsOf(row.input).properties), ...form.parameters.map(parameterOf)];
  return {
    operationId: index === 0 ? name : `${name}.${index}`,
    tags: [name.includes(':') ? (name.split(':')[0] ?? '') : 'meshblu'],
    summary: row.summary,
    ...(parameters.length > 0 && { parameters }),
    ...(form.body !== undefined && { requestBody: bodyOf(components, form.body) }),
    'x-event': name,
    security: 'public' in row.access ? [{}, ...proofs] : proofs,
    responses: responsesOf(components, [...form.answers, unread]),
  };
};

const pageOf = (components: Components, { path, summary, parameters, body, answers, guarded }: PageForm): Json => ({
  operationId: path.slice(1),
  tags: ['pages'],
  summary,
  ...(parameters !== undefined && { parameters: parameters.map(parameterOf) }),
  ...(body !== undefined && { requestBody: bodyOf(components, body) }),
  security: guarded === true ? proofs : [{}],
  responses: responsesOf(components, [...answers, unread]),
});

/**
 * The OpenAPI 3.1 document of all operations' routes and of the pages.
 * `formOf` describes how a route takes a call and answers it. No operation is described by hand.
 */
export const openapi = (
  operations: ReadonlyMap<string, TableOperation>,
  formOf: (operation: TableOperation, route: string) => HttpForm,
  pages: readonly PageForm[],
): Json => {
  const components: Components = { schemas: new Map(), responses: new Map() };
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of operations.values()) {
    for (const [index, route] of operation.row.http.entries()) {
      const [method = '', path = ''] = route.split(' ');
      const template = path.replace(/:(\w+)/g, '{$1}');
      (paths[template] ??= {})[method.toLowerCase()] = described(components, operation, path, formOf(operation, route), index);
    }
  }
  for (const page of pages) (paths[page.path] ??= {})[page.method ?? 'get'] = pageOf(components, page);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Rollcall',
      version: '0.1.0',
      description:
        'A realtime device registry that speaks the Meshblu API. Every operation with an `x-event` is a Socket.IO event too.',
    },
    paths,
    components: {
      schemas: Object.fromEntries(components.schemas),
      responses: Object.fromEntries([...components.responses].map(([name, { response }]) => [name, response])),
      securitySchemes,
    },
  };
};
