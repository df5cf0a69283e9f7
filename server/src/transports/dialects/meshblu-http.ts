import { STATUS_CODES } from 'node:http';
import { errors, RegistryError } from '@rollcall/client/contract';
import { compileProjection } from '../../documents/index.ts';
import { isProperties } from '../../domain/properties.ts';
import { mergedInput, objectOf as object, type Answer, type Asked, type Properties } from './dialect.ts';

/** How Meshblu's HTTP routes take arguments and answer (reference, section 2.21). */

/** One route of Meshblu: how its input is made of the request, and its answer of the output. */
export interface MeshbluRoute {
  input?(asked: Asked): unknown;
  success?: Success;
  failure?: Failing;
}

type Success = (output: Properties, asked: Asked) => Answer;
type Failing = (error: RegistryError) => Answer | undefined;

const done: Success = () => ({ status: 204 });

const notFound: Failing = ({ code }) =>
  code === 'forbidden' ? { status: 404, body: { code: 404, message: 'Devices not found' } } : undefined;

const changes = ({ params, body }: Asked): unknown => {
  if (!isProperties(body)) throw new RegistryError('invalid-input', 'Invalid Request');
  const { uuid: _uuid, token: _token, ...rest } = body;
  return { ...rest, ...params };
};

const invalidBody: Failing = ({ message }) => (message === 'Invalid Request' ? { status: 422, body: { message } } : undefined);

const operators = ({ params, body }: Asked): unknown => ({ uuid: params['uuid'], update: object(body) });

const list =
  (name: string): Success =>
  (output, asked) => ({ status: 200, body: projected(output[name], asked) });

/** The keys of each found document that `X-Meshblu-Projection` asks for; without the header all of them. */
const projected = (found: unknown, { headers }: Asked): unknown => {
  const text = headers['x-meshblu-projection'];
  if (typeof text !== 'string') return found;
  try {
    const project = compileProjection(JSON.parse(text) as Record<string, 0 | 1>);
    const one = (document: unknown): unknown => {
      const { _id, ...rest } = project(object(document) as Record<string, unknown>);
      return rest;
    };
    return Array.isArray(found) ? found.map(one) : one(found);
  } catch (error) {
    throw new RegistryError('invalid-input', 'X-Meshblu-Projection cannot be read', { cause: error });
  }
};

/** What differs from route to route; a route that is not here answers 200 with the output. */
export const routes: Readonly<Record<string, MeshbluRoute>> = {
  'POST /authenticate': {
    success: (output) => (output['authentication'] === true ? { status: 204 } : { status: 403, body: { error: 'Forbidden' } }),
  },
  'GET /authenticate/:uuid': {
    success: (output) =>
      output['authentication'] === true ? { status: 200, body: output } : { status: 403, body: { error: 'Forbidden' } },
  },
  'GET /v3/devices/:uuid': { success: list('device') },
  'GET /v2/devices/:uuid': { success: list('device'), failure: notFound },
  'GET /devices/:uuid': { success: (output) => ({ status: 200, body: { devices: [output['device']] } }), failure: notFound },
  'POST /search/devices': { success: list('devices') },
  'GET /v2/devices': { success: list('devices') },
  'POST /devices': { input: ({ body }) => object(body), success: (output) => ({ status: 201, body: output }) },
  'PATCH /v2/devices/:uuid': { input: changes, success: done, failure: invalidBody },
  'PUT /devices/:uuid': { input: changes, success: done, failure: invalidBody },
  'PUT /v2/devices/:uuid': { input: operators, success: done },
  'PUT /v2/devices/:uuid/find-and-update': { input: operators, success: list('document') },
  'POST /claimdevice/:uuid': { success: done },
  'GET /devices/:uuid/publickey': { success: ({ publicKey }) => ({ status: 200, body: { publicKey } }) },
  'POST /devices/:uuid/token': { success: ({ uuid, token }) => ({ status: 200, body: { uuid, token } }) },
  'POST /devices/:uuid/tokens': {
    input: ({ params, body }) => ({ ...object(body), ...params }),
    success: (output) => ({ status: 201, body: output }),
  },
  'DELETE /devices/:uuid/tokens': { success: done },
  'DELETE /devices/:uuid/tokens/:token': { success: done },
  'POST /search/tokens': { success: list('tokens') },
  'POST /messages': { input: ({ body }) => object(body), success: done },
  'POST /broadcasts': { input: ({ body }) => ({ ...object(body), devices: ['*'] }), success: done },
  'GET /v2/devices/:uuid/subscriptions': { success: list('subscriptions') },
  'POST /v2/devices/:subscriberUuid/subscriptions/:emitterUuid/:type': { success: done },
  'DELETE /v2/devices/:subscriberUuid/subscriptions/:emitterUuid/:type': { success: done },
  'DELETE /v2/devices/:subscriberUuid/subscriptions': { success: done },
  'POST /data/:uuid': { success: done },
  'GET /status': { success: () => ({ status: 200, body: { online: true } }) },
};

/** The input of a call by this route. */
export const inputOf = (route: string, asked: Asked): unknown => (routes[route]?.input ?? mergedInput)(asked);

/** The answer of a success. */
export const succeed = (route: string, output: unknown, asked: Asked): Answer =>
  coded(routes[route]?.success?.(object(output), asked) ?? { status: 200, body: output });

/** The answer of a failure: the status and its phrase; for 422 a header with the sentence. */
export const fail = (route: string, error: RegistryError): Answer => coded(routes[route]?.failure?.(error) ?? failed(error));

/** Meshblu's answers name their status once more in headers. */
const coded = (answer: Answer): Answer => ({
  ...answer,
  headers: {
    ...answer.headers,
    'x-meshblu-code': String(answer.status),
    'x-meshblu-status': STATUS_CODES[answer.status] ?? '',
  },
});

const failed = (error: RegistryError): Answer => {
  const phrase = errors[error.code].message;
  if (error.code === 'rate') return { status: 429, body: { message: phrase } };
  if (error.status !== 422) return { status: error.status, body: { error: phrase } };
  const [first] = error.details ?? [];
  const message = error.message === phrase && first !== undefined ? `${first.path} ${first.message}`.trim() : error.message;
  return { status: 422, headers: { 'x-meshblu-error': asciiJson({ message }) }, body: { error: phrase } };
};

/** JSON that may stand in a header. */
const asciiJson = (value: unknown): string =>
  JSON.stringify(value).replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
