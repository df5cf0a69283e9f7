import { errors, RegistryError } from '@rollcall/client/contract';
import { callHeaders, failuresOf, inBody, inQuery } from '../../operations/describe/form.ts';
import type { Json } from '../../operations/describe/schema.ts';
import { found, mergedInput, queriedFields, successForms, type Dialect } from './dialect.ts';

const failure: Json = {
  title: 'Failure',
  type: 'object',
  required: ['error', 'status', 'code'],
  properties: {
    error: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(errors) },
    details: {
      type: 'array',
      items: {
        type: 'object',
        required: ['path', 'rule', 'message'],
        properties: { path: { type: 'string' }, rule: { type: 'string' }, message: { type: 'string' } },
      },
    },
    id: { type: 'string' },
  },
};

const isRead = (route: string): boolean => route.startsWith('GET ');

/** Our own wire: the fields of the input from path, query and body, and the answers of ME-3. */
export const ours: Dialect = {
  inputOf: (_route, asked, row) => ({
    ...mergedInput({ ...asked, query: { ...asked.query, ...queriedFields(row, asked.query) } }),
  }),
  succeed: (_route, output) => ({ status: 200, body: output }),
  fail: (_route, error) => ({ status: error.status, body: error.toFailure() }),
  notAllowed(methods) {
    const { status, body } = ours.fail('', new RegistryError('method-not-allowed'));
    return { status, headers: { allow: methods.join(', ') }, body };
  },
  form(route, row) {
    const body = isRead(route) ? undefined : inBody(row, route);
    return {
      parameters: [...(isRead(route) ? inQuery(row, route) : []), ...callHeaders(row)],
      ...(body !== undefined && { body }),
      answers: [...successForms(found(), row), ...failuresOf(row, (error) => ours.fail(route, error), failure)],
    };
  },
};
