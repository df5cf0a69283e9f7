import { errors, RegistryError, type Row } from '@rollcall/client/contract';
import { failuresOf, inBody, inQuery } from '../../operations/describe/form.ts';
import { objectSchemaOf as schemaOf, type Json } from '../../operations/describe/schema.ts';
import { isPlainObject } from '../../common/plain-object.ts';
import { readJson } from '../../common/json/read.ts';
import {
  answerOf,
  retryAfterOf,
  successForms,
  type DialectAnswer,
  type Dialect,
  type Success,
  type Successes,
} from './dialect.ts';
import { eachOf, only, picked, type Shape } from './shape.ts';

/** How `/m2m/token` takes arguments and answers (MT-1). */

const done = { msg: 'Success', code: 1000 } as const;
const noStore = { 'cache-control': 'no-store' } as const;
const text: Json = { type: 'string' };
const count: Json = { type: 'integer' };

/** Between `msg` and `code`, as this field. */
const enveloped = (field: string, shape: Shape): Shape => ({
  value: (output) => ({ msg: done.msg, [field]: shape.value(output), code: done.code }),
  schema: (output) =>
    schemaOf({
      properties: { msg: text, [field]: shape.schema(output), code: count },
      required: ['msg', field, 'code'],
      open: false,
    }),
});
const plain: Shape = {
  value: () => done,
  schema: () => schemaOf({ properties: { msg: text, code: count }, required: ['msg', 'code'], open: false }),
};

const accepted = (shape: Shape): Success => ({ status: 202, headers: noStore, shape });
const revoked = accepted(plain);
const nothing: Success = { status: 204, headers: noStore };
const successes: Readonly<Record<string, Success | Successes>> = {
  'PUT /m2m/token/mqtt': accepted(enveloped('tokenResponse', picked('token', 'secret', 'username', 'description'))),
  'GET /m2m/token': accepted(enveloped('tokenResponses', only('tokens', eachOf(picked('token', 'username', 'description'))))),
  'DELETE /m2m/token': { all: [revoked, nothing], of: ({ revoked: number }) => (number === 0 ? nothing : revoked) },
};

const failure = (status: number, msg: string, headers: DialectAnswer['headers'] = {}): DialectAnswer => ({
  status,
  headers: { ...noStore, ...headers },
  body: { msg, code: status * 10 },
});
const failureSchema = schemaOf({ properties: { msg: text, code: count }, required: ['msg', 'code'], open: false });

/** Fields allowed in the query. Never a secret, which would end up in logs. */
const queried = ['groupName', 'username', 'description', 'token'];

const wrongInput = ({ message, details = [] }: RegistryError): DialectAnswer => {
  const [first] = details;
  return failure(400, message === errors['invalid-input'].message ? (first?.message ?? 'Bad Request') : message);
};

const wrongBody = (): RegistryError =>
  new RegistryError('invalid-input', 'The body must be a JSON object', {
    details: [{ path: '', rule: 'type', message: 'must be an object' }],
  });

/** The MQTT token API's wire. */
export const mqttTokenDialect: Dialect = {
  late: {
    admit(contentType, hasBody) {
      if (!hasBody || contentType === undefined || /^application\/json\b/i.test(contentType)) return;
      throw new RegistryError('unsupported-media-type', 'The body must be application/json');
    },
    read: (body) => readJson(body),
  },

  inputOf(_route, { body, query }) {
    if (body !== undefined && !isPlainObject(body)) throw wrongBody();
    const fromQuery = queried.filter((name) => query[name] !== undefined).map((name) => [name, query[name]] as const);
    return { ...Object.fromEntries(fromQuery), ...body };
  },

  // A secret in the query is refused: it would end up in logs.
  ignoredInQuery: ['secret', 'password'],

  succeed: (route, output) => answerOf(successes[route] ?? revoked, output),

  fail(_route, error) {
    const { code, status, message } = error;
    if (code === 'invalid-input') return wrongInput(error);
    if (status === 401) return failure(401, 'Unauthorized');
    return failure(status, message, status === 429 ? { 'retry-after': retryAfterOf(error) } : {});
  },

  notAllowed: (methods) => failure(405, 'Method Not Allowed', { allow: methods.join(', ') }),

  form(route, row: Row) {
    const isWrite = route.startsWith('PUT ');
    const body = isWrite ? inBody(row, route) : undefined;
    return {
      parameters: inQuery(row, route, false).filter(({ name }) => queried.includes(name)),
      ...(body !== undefined && { body: { ...body, required: false } }),
      answers: [
        ...successForms(successes[route] ?? revoked, row),
        ...failuresOf(row, (error) => mqttTokenDialect.fail(route, error), failureSchema),
      ],
    };
  },
};
