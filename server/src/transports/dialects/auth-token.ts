import { RegistryError } from '@rollcall/client/contract';
import { isProperties } from '../../domain/properties.ts';
import { objectOf, retryAfterOf, type Answer, type Dialect } from './dialect.ts';

/** How `/api/v2/auth/token` takes arguments and answers: always in its envelope (access token reference, sections 1 and 2). */

const noStore = { 'cache-control': 'no-store' } as const;

/** What each route needs. */
const needed: Readonly<Record<string, readonly string[]>> = {
  'POST /api/v2/auth/token': ['username', 'password'],
  'PUT /api/v2/auth/token': ['token', 'refreshToken'],
};

const failure = (status: number, errorCode: string, errorMessage: string, headers: Answer['headers'] = {}): Answer => ({
  status,
  headers: { ...noStore, ...headers },
  body: { errorCode, errorMessage, content: '', pageable: '' },
});

const success = (content: readonly unknown[], totals: number): Answer => ({
  status: 200,
  headers: noStore,
  body: {
    errorCode: '',
    errorMessage: '',
    content,
    pageable: { page: 0, size: totals === 0 ? 0 : 10, totalPages: totals, totalElements: totals },
  },
});

const malformed = (): RegistryError =>
  new RegistryError('invalid-input', undefined, { details: [{ path: '', rule: 'json', message: 'a JSON object' }] });

const wrongInput = ({ details }: RegistryError): Answer => {
  const [first] = details ?? [];
  const name = first?.path.replace(/^\//, '') ?? '';
  if (first === undefined || name === '') return failure(400, 'GEN_1003', 'Malformed request');
  return first.rule === 'required'
    ? failure(400, 'GEN_1001', `Missing mandatory parameter: ${name}`)
    : failure(400, 'GEN_1002', `Invalid parameter: ${name}`);
};

/** The access token API's wire. */
export const authToken: Dialect = {
  inputOf(route, { body }) {
    const names = needed[route];
    if (names === undefined) return {};
    if (!isProperties(body)) throw malformed();
    const missing = names.filter((name) => body[name] === undefined || body[name] === '');
    if (missing.length > 0) {
      throw new RegistryError('invalid-input', undefined, {
        details: missing.map((name) => ({ path: `/${name}`, rule: 'required', message: 'is needed' })),
      });
    }
    return Object.fromEntries(names.map((name) => [name, body[name]]));
  },

  succeed(route, output) {
    const { customerId, token, refreshToken, validityTime } = objectOf(output);
    if (needed[route] === undefined) return success([], 0);
    return success([{ ...(customerId !== undefined && { customerId }), token, refreshToken, validityTime }], 1);
  },

  fail(_route, error) {
    switch (error.code) {
      case 'invalid-credentials':
        return failure(401, 'AUTH_1001', 'Invalid credentials');
      case 'unauthenticated':
        return failure(401, 'AUTH_1002', 'Invalid token');
      case 'banned':
      case 'rate':
        return failure(429, 'AUTH_1004', 'Account is temporarily locked', { 'retry-after': retryAfterOf(error) });
      case 'invalid-input':
        return wrongInput(error);
      case 'too-large':
        // Nothing but a value can be that large.
        return failure(400, 'GEN_1002', 'Invalid parameter: password');
      default:
        return failure(error.status, 'GEN_1500', 'Internal error');
    }
  },

  notAllowed: (methods) => failure(405, 'GEN_1005', 'Method not allowed', { allow: methods.join(', ') }),
};
