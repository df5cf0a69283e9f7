import { errors } from '@rollcall/client/contract';
import type { Operation } from '../registry.ts';

type Json = Readonly<Record<string, unknown>>;

const failureSchema = {
  type: 'object',
  required: ['error'],
  properties: { error: { type: 'string' }, status: { type: 'integer' }, code: { enum: Object.keys(errors) } },
};

/** Statuses that any call can end with. */
const statuses = [...new Set(Object.values(errors).map(({ http }) => http))]
  .filter((status) => status !== 499)
  .sort((a, b) => a - b);

const answers: [string, unknown][] = [
  ['2XX', { description: 'Success.' }],
  ...statuses.map((status): [string, unknown] => [
    String(status),
    { description: phraseOf(status), content: { 'application/json': { schema: { $ref: '#/components/schemas/Failure' } } } },
  ]),
];
const responses: Json = Object.fromEntries(answers);

function phraseOf(status: number): string {
  return Object.values(errors).find(({ http }) => http === status)?.message ?? '';
}

const parameter = (name: string): Json => ({ name, in: 'path', required: true, schema: { type: 'string' } });

const described = ({ name, row }: Operation, method: string, path: string, index: number): Json => {
  const parameters = [...path.matchAll(/:(\w+)/g)].map(([, parameterName = '']) => parameter(parameterName));
  const takesBody = method !== 'GET' && method !== 'DELETE';
  return {
    operationId: index === 0 ? name : `${name}.${index}`,
    summary: row.summary,
    ...(parameters.length > 0 && { parameters }),
    ...(takesBody && { requestBody: { content: { 'application/json': { schema: { type: 'object' } } } } }),
    'x-event': name,
    'x-input': row.input,
    'x-output': row.output,
    security: 'public' in row.access ? [{}] : [{ basic: [] }],
    responses,
  };
};

/** The OpenAPI 3.1 document of every row's routes. */
export const openapi = (operations: ReadonlyMap<string, Operation>): Json => {
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of operations.values()) {
    for (const [index, route] of operation.row.http.entries()) {
      const [method = '', path = ''] = route.split(' ');
      const template = path.replace(/:(\w+)/g, '{$1}');
      (paths[template] ??= {})[method.toLowerCase()] = described(operation, method, path, index);
    }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Rollcall', version: '0.1.0', description: 'A realtime device registry that speaks the Meshblu API.' },
    paths,
    components: { schemas: { Failure: failureSchema }, securitySchemes: { basic: { type: 'http', scheme: 'basic' } } },
  };
};
