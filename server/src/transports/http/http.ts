import type { Duplex } from 'node:stream';
import { createServer, type RequestListener, type IncomingMessage } from 'node:http';
import { RegistryError, type ErrorCode } from '@rollcall/client/contract';
import cors from '@fastify/cors';
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import type { Authenticate } from '../../identity/authenticate.ts';
import type { Connections } from '../../realtime/connections.ts';
import type { ClientAddress } from '../../common/client-address.ts';
import type { Actor } from '../../operations/handler.ts';
import type { Result } from '../../operations/handler.ts';
import type { Call } from '../../operations/pipeline.ts';
import { byRoute, type TableOperation } from '../../operations/operation-table.ts';
import type { Json } from '../../operations/describe/schema.ts';
import { maxFrameBytesOf, maxInputBytes, messageOperations } from '../../common/frame-limits.ts';
import { serveArchives, type Archives } from './archives.ts';
import { hookPaths, serveBrokerHooks, type BrokerHooks } from './broker-hooks.ts';
import { credentialsOf } from '../dialects/meshblu-credentials.ts';
import { accessControl } from '../dialects/access-control.ts';
import type { DialectAnswer, DialectRequest, Dialect } from '../dialects/dialect.ts';
import { dialectOf, queryCheckOf } from '../dialects/index.ts';
import { ours } from '../dialects/ours.ts';
import { serveDocs } from './docs-page.ts';
import { protectiveHeaders } from './security-headers.ts';
import { requestOfKey } from './idempotency-key.ts';
import type { Engines } from '../socketio/engines.ts';
import { preconditionOf } from './entity-tags.ts';
import { refuseForeignOrigin } from './foreign-origin.ts';
import { readJson } from '../../common/json/read.ts';
import type { Front } from '../listener.ts';
import { serveLive } from './live-stream.ts';
import { readText } from './request-text.ts';
import { openTurnEnds } from '../../common/end-of-turn.ts';
import type { Page } from './page.ts';

/** Handles upgrades to a protocol other than Socket.IO. */
export interface UpgradeHandler {
  /** Takes the upgrade and returns true, or returns false if the path of the request is not its own. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean;
}

/** What the HTTP transport needs from the rest of the server. */
export interface HttpKit {
  readonly operations: ReadonlyMap<string, TableOperation>;
  readonly engines: Engines;
  readonly clientAddress: ClientAddress;
  /** MQTT over websocket. */
  readonly mqtt: UpgradeHandler;
  readonly authenticate: Authenticate;
  readonly connections: Connections;
  readonly origins: readonly string[];
  /** Does `/api/client` redirect clients that are not logged in to the login page? */
  readonly redirectsClients: boolean;
  /** Largest message to devices, in bytes. */
  readonly messageBytes: number;
  dispatch(operation: TableOperation, call: Call): Promise<Result<unknown>>;
  applyRevocations(handled: Result<unknown>): Promise<unknown>;
  toRegistryError(error: unknown): RegistryError;
  readonly archives: Archives;
  readonly brokerHooks: BrokerHooks;
  /** Pages in addition to the operations: health, metrics, documents. */
  readonly pages: readonly Page[];
  /** The OpenAPI document of all routes. */
  readonly document: Json;
}

const allMethods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** Response headers that a page of another origin may read. */
const exposedHeaders = [
  'allow',
  'etag',
  'retry-after',
  'www-authenticate',
  'x-meshblu-code',
  'x-meshblu-error',
  'x-meshblu-status',
];

/** Authentication schemes of every route (RFC 9110, section 11.6.1). */
const challenges = 'Bearer realm="registry", Basic realm="registry", charset="UTF-8"';

const header = (request: FastifyRequest, name: string): string | undefined => {
  const value = request.headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
};

/** What an error handler needs to know of its route. */
interface Spoken {
  /** Does the body come as text? */
  readonly isText?: true;
  readonly dialect?: Dialect;
  readonly route?: string;
}

/** Serialised answers that do not change. */
const texts = new WeakMap<DialectAnswer, string>();

const jsonOf = (answer: DialectAnswer): string => {
  const known = texts.get(answer);
  if (known !== undefined) return known;
  const text = JSON.stringify(answer.body);
  if (Object.isFrozen(answer)) texts.set(answer, text);
  return text;
};

/** Writes an answer in the dialect of its route. */
const write = (reply: FastifyReply, answer: DialectAnswer): FastifyReply => {
  const { status, headers, body, text, html } = answer;
  void reply.code(status);
  if (headers !== undefined) void reply.headers(headers);
  if (text !== undefined) return reply.type('text/plain; charset=utf-8').send(text);
  if (html !== undefined) return reply.type('text/html; charset=utf-8').send(html);
  return body === undefined ? reply.send() : reply.type('application/json; charset=utf-8').send(jsonOf(answer));
};

const pathOf = ({ url }: FastifyRequest): string => url.split('?', 1)[0] ?? '';

const isAccessControl = (request: FastifyRequest): boolean => /^\/+api\//.test(pathOf(request));

/** Is there a level in the path that no path of the access control API has (AC-5.2)? */
const isOdd = (request: FastifyRequest): boolean => {
  const levels = decodeURIComponent(pathOf(request).replaceAll(/%2f/gi, '+')).replace(/\/$/, '').split('/').slice(1);
  return (
    isAccessControl(request) && levels.some((level) => level === '' || level === '.' || level === '..' || /[+#]/.test(level))
  );
};

/** Answers a request without a route, in the dialect of similar paths. */
const answerUnknown = (request: FastifyRequest, reply: FastifyReply, code: ErrorCode): FastifyReply =>
  write(reply, (isAccessControl(request) ? accessControl : ours).fail('', new RegistryError(code)));

/** The HTTP transport. */
export interface Http {
  readonly front: Front;
  close(): Promise<void>;
}

/**
 * Serves the routes of all operations and the pages, next to the Socket.IO engines. It does not
 * listen itself.
 */
export const openHttp = async (kit: HttpKit): Promise<Http> => {
  const { engines } = kit;
  let routed: RequestListener = (_request, response) => void response.destroy();
  /** Fastify requires a server. The requests come from the shared listener. */
  const server = createServer();
  const app = Fastify({
    bodyLimit: maxInputBytes,
    frameworkErrors: (_error, request, reply) => {
      void answerUnknown(request, reply, 'invalid-input');
    },
    // How long a value in a path may be is the row's to say; the head of a request is bounded anyway.
    routerOptions: { maxParamLength: 16_384, ignoreTrailingSlash: true },
    serverFactory(handler) {
      routed = handler;
      return server;
    },
  });
  const atEndOfTurn = openTurnEnds();
  const protections = await protectiveHeaders();
  app.addHook('onRequest', (_request, reply, done) => {
    void reply.headers(protections);
    done();
  });
  await app.register(cors, { origin: [...kit.origins], credentials: false, methods: [...allMethods, 'HEAD'], exposedHeaders });
  const origins = new Set(kit.origins);
  app.addHook('onRequest', (request, reply, done) => {
    const { dialect, isText } = request.routeOptions.config as Spoken;
    const isAnswer = dialect !== undefined || (isText === undefined && credentialsOf(request.headers) !== undefined);
    if (isAnswer) void reply.header('cache-control', 'no-store');
    done(refuseForeignOrigin(request.raw, origins));
  });
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (reply.statusCode === 401) void reply.header('www-authenticate', challenges);
    done();
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    try {
      const { dialect, isText: raw, route = '' } = request.routeOptions.config as Spoken;
      const text = readText(body, request.headers);
      const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
      const isText = raw === true || dialect?.late !== undefined || dialect?.textTypes?.(route).includes(type) === true;
      done(null, isText ? text : readJson(text, request.headers['content-type']));
    } catch (error) {
      done(error as Error);
    }
  });

  // A route takes the handlers that there are when it is loaded.
  app.setNotFoundHandler((request, reply) => answerUnknown(request, reply, isOdd(request) ? 'invalid-input' : 'not-found'));
  // A fragment is no part of a request (RFC 9110, section 7.1); the router would take what stands before it.
  app.addHook('onRequest', (request, reply, done) => {
    if (request.url.includes('#')) void answerUnknown(request, reply, 'invalid-input');
    else done();
  });
  app.setErrorHandler((error, request, reply) => {
    const failure = bodyError(error) ?? kit.toRegistryError(error);
    const { dialect = ours, route = '' } = request.routeOptions.config as Spoken;
    return write(reply, dialect.fail(route, failure, request.url));
  });

  /** The body of a dialect with late reading is still text here. */
  const readLate = (body: unknown, { headers }: FastifyRequest, { late }: Dialect): unknown => {
    if (late === undefined) return body;
    return typeof body !== 'string' || body === '' ? undefined : late.read(body, headers['content-type']);
  };

  const callOf = (request: FastifyRequest, route: string, actor: Actor | null, input: unknown): Call => {
    const key = header(request, 'idempotency-key');
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const rev = isRead ? undefined : preconditionOf(header(request, 'if-match'), header(request, 'if-none-match'));
    const as = header(request, 'x-meshblu-as');
    const requestsLeft = header(request, 'x-rollcall-requests-left');
    return {
      actor,
      from: actor?.uuid ?? kit.clientAddress(request.raw),
      address: kit.clientAddress(request.raw),
      input,
      ...(key !== undefined && { request: requestOfKey(key, [route, as ?? null, input]) }),
      ...(rev !== undefined && { expectedRev: rev }),
      ...(as !== undefined && { as }),
      ...(requestsLeft !== undefined && { requestsLeft }),
    };
  };

  const taken = new Map<string, { readonly dialect: Dialect; readonly methods: readonly string[] }>();
  /** Registers a path once. Templates that differ only in parameter names are one path. */
  const take = (method: string, template: string, dialect: Dialect): void => {
    const url = template.replaceAll(/:\w+/g, ':any');
    taken.set(url, { dialect, methods: [...(taken.get(url)?.methods ?? []), method] });
  };
  for (const declared of kit.operations.values()) {
    for (const route of declared.row.http) {
      const operation = byRoute(declared, route);
      const [method = '', url = ''] = route.split(' ');
      const dialect = dialectOf(operation, route, kit.redirectsClients);
      take(method, url, dialect);
      const checkNames = queryCheckOf(operation, route);
      const respond = async (request: FastifyRequest, body: unknown): Promise<DialectAnswer> => {
        try {
          const { headers } = request;
          dialect.late?.admit?.(headers['content-type'], typeof body === 'string' && body !== '');
          const shown = credentialsOf(headers);
          const actor =
            shown === undefined
              ? null
              : await kit.authenticate({ ...shown, enrolling: true, address: kit.clientAddress(request.raw) });
          if (actor === null && !('public' in operation.access)) throw new RegistryError('unauthenticated');
          const asked: DialectRequest = {
            params: request.params as Record<string, unknown>,
            query: request.query as Record<string, unknown>,
            body: readLate(body, request, dialect),
            headers,
            ...(actor !== null && { caller: actor.uuid }),
          };
          checkNames(asked.query);
          const call = callOf(request, route, actor, dialect.inputOf(route, asked, operation.row));
          const handled = await kit.dispatch(operation, call);
          if (handled.revokes !== undefined) await kit.applyRevocations(handled);
          return dialect.succeed(route, handled.output, asked);
        } catch (error) {
          return dialect.fail(route, kit.toRegistryError(error), request.url);
        }
      };
      const config = { dialect, route } satisfies Spoken;
      if (operation.row.file !== undefined) {
        await serveArchives(app, { ...kit.archives, method, url, config, respond, write });
        continue;
      }
      app.route({
        method,
        url,
        config,
        ...(messageOperations.has(operation.name) && { bodyLimit: maxFrameBytesOf(kit.messageBytes) }),
        handler(request, reply) {
          const fail = (error: unknown): void => void reply.send(error);
          const send = (answer: DialectAnswer): void => {
            try {
              write(reply, answer);
            } catch (error) {
              fail(error);
            }
          };
          respond(request, request.body).then((answer) => atEndOfTurn(() => send(answer)), fail);
        },
      });
    }
  }

  serveLive(app, kit);
  take('GET', '/live', ours);
  serveBrokerHooks(app, kit.brokerHooks);
  for (const path of hookPaths) take('POST', path, ours);
  await serveDocs(app, kit.document);
  for (const { path, type, headers = {}, read } of kit.pages) {
    take('GET', path, ours);
    app.get(path, async (_request, reply) => {
      const { status = 200, text } = await read();
      return reply.code(status).headers(headers).type(type).send(text);
    });
  }

  for (const [url, { dialect, methods }] of taken) {
    // A client that may send GET may send HEAD.
    const others = [...allMethods, 'HEAD'].filter((method) => !methods.includes(method === 'HEAD' ? 'GET' : method));
    const answer = dialect.notAllowed(allMethods.filter((method) => methods.includes(method)));
    if (others.length > 0)
      app.route({
        method: others,
        url,
        exposeHeadRoute: false,
        config: { dialect } satisfies Spoken,
        // Before the body is read: what it says does not matter.
        onRequest: (request, reply) => {
          if (dialect === accessControl && isOdd(request)) void answerUnknown(request, reply, 'invalid-input');
          else void write(reply, answer);
        },
        handler: () => undefined,
      });
  }

  await app.ready();
  return {
    front: {
      request(request, response) {
        if (!engines.handle(request, response)) routed(request, response);
      },
      upgrade(request, socket, head) {
        if (!kit.mqtt.upgrade(request, socket, head) && !engines.upgrade(request, socket, head)) socket.destroy();
      },
    },
    async close() {
      await app.close();
      // It has never listened, but it has a timer.
      server.close();
    },
  };
};

/** Converts Fastify's error for a refused body. */
const bodyError = (error: unknown): RegistryError | undefined => {
  const status = typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : undefined;
  if (status === 413) return new RegistryError('too-large');
  return typeof status === 'number' && status >= 400 && status < 500
    ? new RegistryError('invalid-input', undefined, { cause: error })
    : undefined;
};
