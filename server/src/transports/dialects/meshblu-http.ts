import { STATUS_CODES, type IncomingHttpHeaders } from 'node:http';
import { errors, RegistryError, type Row } from '@rollcall/client/contract';
import { exampleOf } from '../../operations/describe/example.ts';
import {
  anyFurther,
  callHeaders,
  failuresOf,
  inBody,
  inQuery,
  type Body,
  type HttpForm,
  type Parameter,
} from '../../operations/describe/form.ts';
import { schemaFieldsOf, itemsOf, objectSchemaOf as schemaOf, type Json } from '../../operations/describe/schema.ts';
import { compileProjection } from '../../mql/index.ts';
import { isPlainObject } from '../../common/plain-object.ts';
import { entityTagOf, namesRevision } from '../http/entity-tags.ts';
import { readJson } from '../../common/json/read.ts';
import {
  answerOf,
  created,
  empty,
  found,
  mergedInput,
  objectOf as object,
  successForms,
  type DialectAnswer,
  type DialectRequest,
  type Success,
  type Successes,
} from './dialect.ts';
import { credentialsOf } from './meshblu-credentials.ts';
import { always, only, picked, type Shape } from './shape.ts';

/** How Meshblu's HTTP routes take arguments and answer (MS-2.21). */

/** One route of Meshblu: how its input is made of the request, and its answer of the output. */
export interface MeshbluRoute {
  input?(asked: DialectRequest): unknown;
  /** The field that the body holds, without an object around it. */
  readonly bare?: string;
  readonly success?: Success | Successes;
  failure?: Failing;
  /** Is each further name in the query a condition? Searches take conditions anyway. */
  readonly conditions?: true;
  /** May `X-Meshblu-Projection` say which keys of what was found are sent? */
  readonly projected?: true;
}

type Failing = (error: RegistryError) => DialectAnswer | undefined;

const notFound: Failing = ({ code }) =>
  code === 'forbidden' ? { status: 404, body: { code: 404, message: 'Devices not found' } } : undefined;

const changes = ({ params, body }: DialectRequest): unknown => {
  if (!isPlainObject(body)) throw new RegistryError('invalid-input', 'Invalid Request');
  const { uuid: _uuid, token: _token, ...rest } = body;
  return { ...rest, ...params };
};

const invalidBody: Failing = ({ message }) => (message === 'Invalid Request' ? { status: 422, body: { message } } : undefined);

const operators = ({ params, body }: DialectRequest): unknown => ({ uuid: params['uuid'], update: object(body) });

/** A text of the query string that is a number or a boolean finds that value, too: the query string has texts alone. */
const anyType = (text: unknown): unknown => {
  if (typeof text !== 'string') return text;
  if (text === 'true' || text === 'false') return { $in: [text, text === 'true'] };
  const number = Number(text);
  return text !== '' && Number.isFinite(number) && String(number) === text ? { $in: [text, number] } : text;
};

/** The conditions of a search in the query string, beside what body and path say. */
const conditions = ({ query, ...asked }: DialectRequest): unknown => {
  const typed = Object.entries(query).map(([name, text]) => [name, name === 'online' || name === 'uuid' ? text : anyType(text)]);
  return mergedInput({ ...asked, query: Object.fromEntries(typed) as DialectRequest['query'] });
};

/** `?cascade=true` says that what hangs on a group goes with it. */
const removed = (asked: DialectRequest): unknown => {
  const { cascade, ...rest } = mergedInput(asked);
  return { ...rest, ...(cascade !== undefined && { cascade: cascade === 'true' || (cascade === 'false' ? false : cascade) }) };
};

type Projection = ReturnType<typeof compileProjection>;

/** What `X-Meshblu-Projection` asks for; without the header undefined. Fails with `invalid-input`. */
const projectionOf = ({ headers }: DialectRequest): Projection | undefined => {
  const text = headers['x-meshblu-projection'];
  if (typeof text !== 'string') return undefined;
  try {
    const given = readJson(text);
    if (!isPlainObject(given)) throw new TypeError('a projection is an object');
    return compileProjection(given);
  } catch (error) {
    throw new RegistryError('invalid-input', 'X-Meshblu-Projection cannot be read', { cause: error });
  }
};

/** The keys of each found document that a projection keeps. */
const projected = (found: unknown, project: Projection): unknown => {
  const one = (document: unknown): unknown => {
    const { _id, ...rest } = project(object(document) as Record<string, unknown>);
    return rest;
  };
  return Array.isArray(found) ? found.map(one) : one(found);
};

const forbidden: Success = {
  status: 403,
  shape: always({ error: 'Forbidden' }, { type: 'object', required: ['error'], properties: { error: { const: 'Forbidden' } } }),
};

/** Whether a token is one of a device: `fitting` if it is. */
const authenticated = (fitting: Success): Successes => ({
  all: [fitting, forbidden],
  of: ({ authentication }) => (authentication === true ? fitting : forbidden),
});

/** Does the request show credentials in its headers alone, as the published client does? */
const isShown = ({ body, headers }: DialectRequest): boolean =>
  Object.keys(object(body)).length === 0 && credentialsOf(headers as IncomingHttpHeaders) !== undefined;

/** What `POST /authenticate` asks about: its body, or the credentials in the headers, which have been checked already. */
const proof = (asked: DialectRequest): unknown => {
  if (!isShown(asked)) return mergedInput(asked);
  if (asked.caller === undefined) throw new RegistryError('unauthenticated');
  return { uuid: asked.caller, token: 'shown' };
};

/** One document as the list that an old route answers. */
const listed: Shape = {
  value: (output) => ({ devices: [object(output)['device']] }),
  schema: (output) => ({
    type: 'object',
    required: ['devices'],
    properties: { devices: { type: 'array', items: schemaFieldsOf(output).properties['device'] ?? {} } },
  }),
};

const online = always(
  { online: true },
  { type: 'object', required: ['online'], properties: { online: { type: 'boolean', const: true } } },
);

/** What differs from route to route; a route that is not here answers 200 with the output. */
export const routes: Readonly<Record<string, MeshbluRoute>> = {
  'POST /authenticate': { input: proof, success: authenticated(empty) },
  'GET /authenticate/:uuid': { success: authenticated(found()) },
  'GET /v3/devices/:uuid': { success: found(only('device')), projected: true },
  'GET /v2/devices/:uuid': { success: found(only('device')), projected: true, failure: notFound },
  'GET /devices/:uuid': { success: found(listed), failure: notFound },
  'POST /search/devices': { success: found(only('devices')), projected: true },
  'GET /v2/devices': { input: conditions, success: found(only('devices')), projected: true },
  'POST /devices': { input: ({ body }) => object(body), success: created() },
  'PATCH /v2/devices/:uuid': { input: changes, success: empty, failure: invalidBody },
  'PUT /devices/:uuid': { input: changes, success: empty, failure: invalidBody },
  'PUT /v2/devices/:uuid': { input: operators, bare: 'update', success: empty },
  'PUT /v2/devices/:uuid/find-and-update': {
    input: operators,
    bare: 'update',
    success: found(only('document')),
    projected: true,
  },
  'DELETE /devices/:uuid': { input: removed },
  'POST /claimdevice/:uuid': { success: empty },
  'GET /devices/:uuid/publickey': { success: found(picked('publicKey')) },
  'POST /devices/:uuid/token': { success: found(picked('uuid', 'token')) },
  'POST /devices/:uuid/tokens': { input: ({ params, body }) => ({ ...object(body), ...params }), success: created() },
  'GET /devices': { input: conditions },
  'GET /mydevices': { input: conditions },
  'DELETE /devices/:uuid/tokens': { conditions: true, input: conditions, success: empty },
  'DELETE /devices/:uuid/tokens/:token': { success: empty },
  'POST /search/tokens': { success: found(only('tokens')), projected: true },
  'POST /messages': { input: ({ body }) => object(body), success: empty },
  'POST /broadcasts': { input: ({ body }) => ({ ...object(body), devices: ['*'] }), success: empty },
  'GET /v2/devices/:uuid/subscriptions': { success: found(only('subscriptions')), projected: true },
  'POST /v2/devices/:subscriberUuid/subscriptions/:emitterUuid/:type': { success: empty },
  'DELETE /v2/devices/:subscriberUuid/subscriptions/:emitterUuid/:type': { success: empty },
  'DELETE /v2/devices/:subscriberUuid/subscriptions': { success: empty },
  'POST /data/:uuid': { success: empty },
  'GET /status': { success: found(online) },
};

const successOf = (route: string): Success | Successes => routes[route]?.success ?? found();

/** The input of a call by this route. Fails with `invalid-input`, also for a projection of the answer that cannot be read. */
export const inputOf = (route: string, asked: DialectRequest): unknown => {
  const { projected: isProjected, input = mergedInput } = routes[route] ?? {};
  if (isProjected === true) projectionOf(asked);
  return input(asked);
};

/** Routes that answer one document, which then has an entity tag. */
const tagged: ReadonlySet<string> = new Set([
  'GET /v3/devices/:uuid',
  'GET /v2/devices/:uuid',
  'GET /devices/:uuid',
  'GET /v2/whoami',
  'PUT /v2/devices/:uuid/find-and-update',
]);

const revisionIn = (output: unknown): number | undefined => {
  const { device, document = device } = object(output);
  const { rev } = object(object(document ?? output)['meshblu']);
  return typeof rev === 'number' ? rev : undefined;
};

/** The answer of a success. */
export const succeed = (route: string, output: unknown, asked: DialectRequest): DialectAnswer => {
  const isProved = route === 'POST /authenticate' && isShown(asked);
  const answer = answerOf(isProved ? empty : successOf(route), output);
  const projection = routes[route]?.projected === true ? projectionOf(asked) : undefined;
  if (projection !== undefined) return coded({ ...answer, body: projected(answer.body, projection) });
  const rev = tagged.has(route) ? revisionIn(output) : undefined;
  if (rev === undefined) return coded(answer);
  const etag = entityTagOf(rev);
  const { 'if-none-match': known } = asked.headers;
  const isKnown = route.startsWith('GET ') && typeof known === 'string' && namesRevision(known, rev);
  return coded(isKnown ? { status: 304, headers: { etag } } : { ...answer, headers: { ...answer.headers, etag } });
};

/** The answer of a failure: the status and its phrase; for 422 a header with the sentence. */
export const fail = (route: string, error: RegistryError): DialectAnswer =>
  coded(routes[route]?.failure?.(error) ?? failed(error));

/** The answer to a method that the path does not take. */
export const notAllowed = (methods: readonly string[]): DialectAnswer => {
  const answer = failed(new RegistryError('method-not-allowed'));
  return coded({ ...answer, headers: { allow: methods.join(', ') } });
};

/** Meshblu's answers name their status once more in headers. */
const coded = (answer: DialectAnswer): DialectAnswer => ({
  ...answer,
  headers: {
    ...answer.headers,
    'x-meshblu-code': String(answer.status),
    'x-meshblu-status': STATUS_CODES[answer.status] ?? '',
  },
});

const failed = (error: RegistryError): DialectAnswer => {
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

/** What may be left out by a projection is not required. */
const loose = (schema: Json): Json =>
  schema['type'] === 'array'
    ? { ...schema, items: loose(itemsOf(schema)) }
    : schemaOf({ ...schemaFieldsOf(schema), required: [], open: true });

const projection: Parameter = {
  name: 'X-Meshblu-Projection',
  in: 'header',
  description: "MongoDB's projection of what was found, as JSON.",
  schema: { type: 'string' },
};

const bodyOf = (route: string, row: Row): Body | undefined => {
  const { bare } = routes[route] ?? {};
  if (route === 'POST /broadcasts') return { required: false, schema: { type: 'object' } };
  if (bare === undefined) return inBody(row, route);
  const schema = schemaFieldsOf(row.input).properties[bare] ?? {};
  return { required: false, schema, example: exampleOf(schema, bare) };
};

const tokenInQuery: Parameter = {
  name: 'token',
  in: 'query',
  description: 'A token of the device itself, which makes the call its own.',
  schema: { type: 'string' },
};

/** What the query of a route may say. */
const queryOf = (route: string, row: Row): readonly Parameter[] => {
  const { input, conditions = false } = routes[route] ?? {};
  const isRead = route.startsWith('GET ');
  const fields = isRead || route.startsWith('DELETE ') ? inQuery(row, route, isRead) : [];
  if (isRead || conditions) return fields;
  const takesToken = row.credentials === true && (input === undefined || input === removed);
  return [...fields.filter(({ name }) => name !== anyFurther), ...(takesToken ? [tokenInQuery] : [])];
};

/** The JSON Schema description of a route. */
export const form = (route: string, row: Row): HttpForm => {
  const isRead = route.startsWith('GET ');
  const query = queryOf(route, row);
  const isProjected = routes[route]?.projected === true;
  const body = isRead ? undefined : bodyOf(route, row);
  const answers = [...successForms(successOf(route), row), ...failuresOf(row, (error) => fail(route, error))];
  return {
    parameters: [...query, ...(isProjected ? [projection] : []), ...callHeaders(row)],
    ...(body !== undefined && { body: isRead || query.length > 0 ? { ...body, required: false } : body }),
    answers: answers.map((answer) => ({
      ...answer,
      headers: [...new Set([...(answer.headers ?? []), 'x-meshblu-code', 'x-meshblu-status'])],
      ...(isProjected && answer.status === 200 && answer.schema !== undefined && { schema: loose(answer.schema) }),
    })),
  };
};
