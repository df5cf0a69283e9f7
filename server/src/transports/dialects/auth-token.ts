import { RegistryError, type Row } from '@rollcall/client/contract';
import { failuresOf, inBody } from '../../operations/describe/form.ts';
import type { Json } from '../../operations/describe/schema.ts';
import { isPlainObject } from '../../common/plain-object.ts';
import { answerOf, retryAfterOf, successForms, type DialectAnswer, type Dialect, type Success } from './dialect.ts';
import { always, picked, sequence, type Shape } from './shape.ts';

/** How `/api/v2/auth/token` takes arguments and answers: always in its envelope (AT-1, AT-2). */

const noStore = { 'cache-control': 'no-store' } as const;

/** What each route needs. */
const needed: Readonly<Record<string, readonly string[]>> = {
  'POST /api/v2/auth/token': ['username', 'password'],
  'PUT /api/v2/auth/token': ['token', 'refreshToken'],
};

const failure = (
  status: number,
  errorCode: string,
  errorMessage: string,
  headers: DialectAnswer['headers'] = {},
): DialectAnswer => ({
  status,
  headers: { ...noStore, ...headers },
  body: { errorCode, errorMessage, content: '', pageable: '' },
});

const text: Json = { type: 'string' };
const count: Json = { type: 'integer' };
const fields = ['errorCode', 'errorMessage', 'content', 'pageable'];
const envelope = (content: Json, pageable: Json): Json => ({
  type: 'object',
  required: fields,
  properties: { errorCode: text, errorMessage: text, content, pageable },
  additionalProperties: false,
});
const pages: Json = {
  type: 'object',
  required: ['page', 'size', 'totalPages', 'totalElements'],
  properties: { page: count, size: count, totalPages: count, totalElements: count },
};
const empty: Json = { type: 'string', const: '' };

/** In the envelope, as the one element of its content. */
const enveloped: Shape = {
  value: (element) => ({
    errorCode: '',
    errorMessage: '',
    content: element === undefined ? [] : [element],
    pageable:
      element === undefined
        ? { page: 0, size: 0, totalPages: 0, totalElements: 0 }
        : { page: 0, size: 10, totalPages: 1, totalElements: 1 },
  }),
  schema: (element) => envelope({ type: 'array', items: element, maxItems: 1 }, pages),
};

const pair = sequence(picked('customerId', 'token', 'refreshToken', 'validityTime'), enveloped);
const nothing = sequence(always(undefined, {}), enveloped);
const successOf = (route: string): Success => ({
  status: 200,
  headers: noStore,
  shape: needed[route] === undefined ? nothing : pair,
});

const malformed = (): RegistryError =>
  new RegistryError('invalid-input', undefined, { details: [{ path: '', rule: 'json', message: 'a JSON object' }] });

const wrongInput = ({ details }: RegistryError): DialectAnswer => {
  const [first] = details ?? [];
  const name = first?.path.replace(/^\//, '') ?? '';
  if (first === undefined || name === '') return failure(400, 'GEN_1003', 'Malformed request');
  return first.rule === 'required'
    ? failure(400, 'GEN_1001', `Missing mandatory parameter: ${name}`)
    : failure(400, 'GEN_1002', `Invalid parameter: ${name}`);
};

/** Other keys are ignored. */
const bodyForm = (route: string, row: Row) => {
  const body = needed[route] === undefined ? undefined : inBody(row, route);
  if (body === undefined) return {};
  const { additionalProperties: _ignored, ...schema } = body.schema;
  return { body: { ...body, schema } };
};

/** The access token API's wire. */
export const authToken: Dialect = {
  inputOf(route, { body }) {
    const names = needed[route];
    if (names === undefined) return {};
    if (!isPlainObject(body)) throw malformed();
    const missing = names.filter((name) => body[name] === undefined || body[name] === '');
    if (missing.length > 0) {
      throw new RegistryError('invalid-input', undefined, {
        details: missing.map((name) => ({ path: `/${name}`, rule: 'required', message: 'is needed' })),
      });
    }
    return Object.fromEntries(names.map((name) => [name, body[name]]));
  },

  succeed: (route, output) => answerOf(successOf(route), output),

  fail(_route, error) {
    switch (error.code) {
      case 'invalid-credentials':
        return failure(401, 'AUTH_1001', 'Invalid credentials');
      case 'mfa-required':
        return failure(401, 'AUTH_1003', 'Multi-factor authentication required');
      case 'unauthenticated':
        return failure(401, 'AUTH_1002', 'Invalid token');
      case 'banned':
      case 'rate':
        return failure(429, 'AUTH_1004', 'Account is temporarily locked', { 'retry-after': retryAfterOf(error) });
      case 'invalid-input':
        return wrongInput(error);
      case 'unsupported-media-type':
        return failure(415, 'GEN_1003', 'Malformed request');
      case 'too-large':
        // Nothing but a value can be that large.
        return failure(400, 'GEN_1002', 'Invalid parameter: password');
      default:
        return failure(error.status, 'GEN_1500', 'Internal error');
    }
  },

  notAllowed: (methods) => failure(405, 'GEN_1005', 'Method not allowed', { allow: methods.join(', ') }),

  form: (route, row) => ({
    parameters: [],
    ...bodyForm(route, row),
    answers: [
      ...successForms(successOf(route), row),
      ...failuresOf(row, (error) => authToken.fail(route, error), envelope(empty, empty)),
    ],
  }),
};
