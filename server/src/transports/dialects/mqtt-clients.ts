import { errors, RegistryError, type ErrorDetail } from '@rollcall/client/contract';
import { failuresOf, inBody, inQuery } from '../../operations/describe/form.ts';
import { objectSchemaOf as schemaOf, type Json } from '../../operations/describe/schema.ts';
import { isPlainObject } from '../../common/plain-object.ts';
import { readJson } from '../../common/json/read.ts';
import { loginHtml } from '../http/login-page.ts';
import {
  answerOf,
  found,
  objectOf,
  queriedFields,
  retryAfterOf,
  successForms,
  type DialectAnswer,
  type Dialect,
  type Properties,
  type Success,
} from './dialect.ts';
import { eachOf, only, picked } from './shape.ts';

/** How `/api/client` takes arguments and answers (MC-1, MC-2, MC-3). */

const noStore = { 'cache-control': 'no-store' } as const;
const record = picked('id', 'owner', 'name', 'description', 'clientId', 'key', 'createdAt', 'updatedAt', 'expiresAt');
const successes: Readonly<Record<string, Success>> = { 'GET /api/client': found(only('clients', eachOf(record))) };
const successOf = (route: string): Success => ({ ...(successes[route] ?? found(record)), headers: noStore });

/** The fields of a body. Other names are ignored. */
const written: Readonly<Record<string, readonly string[]>> = {
  'POST /api/client': ['name', 'description', 'clientId', 'key'],
  'PUT /api/client/:id': ['name', 'description', 'clientId', 'key'],
};

const wrongBody = (message: string): RegistryError =>
  new RegistryError('invalid-input', message, { details: [{ path: '', rule: 'type', message }] });

/** A field that occurs twice in a form is not text. */
const readForm = (text: string): Properties => {
  const form = new URLSearchParams(text);
  return Object.fromEntries(
    [...new Set(form.keys())].map((name) => {
      const values = form.getAll(name);
      return [name, values.length === 1 ? values[0] : values];
    }),
  );
};

const readBody = (text: string, contentType = 'application/json'): unknown => {
  if (/^application\/x-www-form-urlencoded\b/i.test(contentType)) return readForm(text);
  if (/^application\/json\b/i.test(contentType)) return readJson(text);
  throw wrongBody('The body must be JSON or a form');
};

/** The reference's names of rules. */
const rules: Readonly<Record<string, string>> = { type: 'string' };

const byAttribute = (details: readonly ErrorDetail[]): Properties => {
  const attributes = new Map<string, { rule: string; message: string }[]>();
  for (const { path, rule, message } of details) {
    const name = path.split('/')[1] ?? '';
    if (name !== '') attributes.set(name, [...(attributes.get(name) ?? []), { rule: rules[rule] ?? rule, message }]);
  }
  return Object.fromEntries(attributes);
};

const failure = (
  status: number,
  error: string,
  summary: string,
  more: Partial<DialectAnswer> & { readonly rest?: Properties } = {},
): DialectAnswer => ({
  status,
  headers: { ...noStore, ...more.headers },
  body: { status, error, summary, ...more.rest },
});
const text: Json = { type: 'string' };
const failureSchema = schemaOf({
  properties: { status: { type: 'integer' }, error: text, summary: text, invalidAttributes: { type: 'object' }, id: text },
  required: ['status', 'error', 'summary'],
  open: false,
});

/** Redirects a client that is not logged in to the login page, with the address to return to. */
const redirected = (url: string): DialectAnswer => ({
  status: 302,
  headers: { ...noStore, location: `/login?return=${encodeURIComponent(url.split('?', 1)[0] ?? '')}` },
  html: loginHtml,
});

/**
 * The client record API's wire.
 * `redirects`: a client that is not logged in is sent to the login page, otherwise answered 401.
 */
export const mqttClientDialect = (redirects: boolean): Dialect => {
  const fail: Dialect['fail'] = (_route, error, url = '') => {
    const { code, status, message, details = [], id } = error;
    if (code === 'invalid-input') {
      const summary = message === errors['invalid-input'].message ? (details[0]?.message ?? 'Bad Request') : message;
      return failure(400, 'E_VALIDATION', summary, { rest: { invalidAttributes: byAttribute(details) } });
    }
    if (status === 401) {
      if (redirects) return redirected(url);
      return failure(401, 'E_UNAUTHENTICATED', 'Not logged in');
    }
    return failure(status, `E_${code.toUpperCase().replaceAll('-', '_')}`, message, {
      ...(status === 429 && { headers: { 'retry-after': retryAfterOf(error) } }),
      ...(id !== undefined && { rest: { id } }),
    });
  };

  return {
    late: { read: readBody },

    inputOf(route, { params, query, body = {} }, row) {
      if (route.startsWith('GET ')) return { ...queriedFields(row, query), ...params };
      if (!isPlainObject(body)) throw wrongBody('The body must be an object');
      const given = objectOf(body);
      const fields = (written[route] ?? []).filter((name) => given[name] !== undefined);
      return { ...Object.fromEntries(fields.map((name) => [name, given[name]])), ...params };
    },

    succeed: (route, output) => answerOf(successOf(route), output),

    fail,

    notAllowed: (methods) =>
      failure(405, 'E_METHOD_NOT_ALLOWED', 'Method not allowed', { headers: { allow: methods.join(', ') } }),

    form(route, row) {
      const body = written[route] === undefined ? undefined : inBody(row, route);
      return {
        parameters: route.startsWith('GET ') ? inQuery(row, route) : [],
        ...(body !== undefined && { body: { ...body, required: false, types: ['application/x-www-form-urlencoded'] } }),
        answers: [
          ...successForms(successOf(route), row),
          ...failuresOf(row, (error) => mqttClientDialect(false).fail(route, error), failureSchema),
          {
            status: 302,
            description: '`unauthenticated`',
            type: 'text/html',
            schema: text,
            headers: ['location', 'cache-control'],
          },
        ],
      };
    },
  };
};
