import { createServer, type IncomingMessage, type Server as HttpServer } from 'node:http';
import { RegistryError } from '@rollcall/client/contract';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Authenticate } from '../authenticate.ts';
import type { Connections } from '../connections.ts';
import type { Actor } from '../actor.ts';
import type { Handled } from '../implement.ts';
import type { Call } from '../pipeline.ts';
import type { Operation } from '../registry.ts';
import { credentialsOf } from './dialects/meshblu-credentials.ts';
import * as meshblu from './dialects/meshblu-http.ts';
import { readRequestId } from './socket/call-options.ts';
import type { Engines } from './socket/engines.ts';
import { readJson } from './json-body.ts';
import { serveLive } from './live-http.ts';

/** What the HTTP side needs of the registry. */
export interface HttpKit {
  readonly operations: ReadonlyMap<string, Operation>;
  readonly engines: Engines;
  readonly authenticate: Authenticate;
  readonly connections: Connections;
  readonly origins: readonly string[];
  dispatch(operation: Operation, call: Call): Promise<Handled<unknown>>;
  carryOutEndings(handled: Handled<unknown>): Promise<unknown>;
  toRegistryError(error: unknown): RegistryError;
  /** What is served beside the operations: health, figures, written documents. */
  readonly pages: readonly Page[];
}

/** A page that is no operation. */
export interface Page {
  readonly path: string;
  readonly type: string;
  /** The text of the page; `status` default 200. */
  read(): Promise<{ readonly status?: number; readonly text: string }> | { readonly status?: number; readonly text: string };
}

const maxBodyBytes = 131_072;
const requestMs = 15_000;
const headersMs = 10_000;

const header = (request: FastifyRequest, name: string): string | undefined => {
  const value = request.headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
};

const expectedRevision = (request: FastifyRequest): number | undefined => {
  const text = header(request, 'if-match');
  if (text === undefined) return undefined;
  const [, digits] = /^"?(\d{1,15})"?$/.exec(text) ?? [];
  if (digits === undefined) {
    throw new RegistryError('invalid-input', 'If-Match must be a revision', {
      details: [{ path: '/if-match', rule: 'pattern', message: 'a visible revision' }],
    });
  }
  return Number(digits);
};

/** One answer per call, in the dialect of its route. */
const write = (reply: FastifyReply, { status, headers = {}, body }: meshblu.Answer): FastifyReply => {
  void reply.code(status).headers(headers);
  return body === undefined ? reply.send() : reply.type('application/json; charset=utf-8').send(JSON.stringify(body));
};

/** Serves every row's routes, and the pages, on one HTTP server beside the Socket.IO engines. */
export const openHttp = async (kit: HttpKit): Promise<FastifyInstance> => {
  const { engines } = kit;
  const app = Fastify({
    bodyLimit: maxBodyBytes,
    requestTimeout: requestMs,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 1024 },
    serverFactory(handler): HttpServer {
      const server = createServer({ headersTimeout: headersMs, requestTimeout: requestMs }, (request, response) => {
        if (!engines.handle(request, response)) handler(request, response);
      });
      server.on('upgrade', (request: IncomingMessage, socket, head) => {
        if (!engines.upgrade(request, socket, head)) socket.destroy();
      });
      return server;
    },
  });
  await app.register(helmet, { contentSecurityPolicy: false });
  await app.register(cors, { origin: [...kit.origins], credentials: false });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (request, body, done) => {
    try {
      done(null, readJson(String(body), request.headers['content-type']));
    } catch (error) {
      done(error as Error);
    }
  });

  const actorOf = async (request: FastifyRequest, operation: Operation): Promise<Actor | null> => {
    const shown = credentialsOf(request.headers);
    if (shown === undefined) return null;
    const actor = await kit.authenticate(shown);
    if (actor === null && !('public' in operation.access)) throw new RegistryError('unauthenticated');
    return actor;
  };

  const callOf = async (request: FastifyRequest, operation: Operation, input: unknown): Promise<Call> => {
    const key = header(request, 'idempotency-key');
    const rev = expectedRevision(request);
    const as = header(request, 'x-meshblu-as');
    const actor = await actorOf(request, operation);
    return {
      actor,
      from: actor?.uuid ?? request.ip,
      input,
      // A repeat over HTTP does not say which one it is; a later one counts higher.
      ...(key !== undefined && { request: { ...readRequestId(key, '/idempotency-key'), again: Date.now() } }),
      ...(rev !== undefined && { expectedRev: rev }),
      ...(as !== undefined && { as }),
    };
  };

  for (const operation of kit.operations.values()) {
    for (const route of operation.row.http) {
      const [method = '', url = ''] = route.split(' ');
      const ours = operation.name.includes(':') && !(route in meshblu.routes);
      app.route({
        method,
        url,
        async handler(request, reply) {
          try {
            const asked: meshblu.Asked = {
              params: request.params as Record<string, unknown>,
              query: request.query as Record<string, unknown>,
              body: request.body,
              headers: request.headers,
            };
            const call = await callOf(request, operation, meshblu.inputOf(route, asked));
            const handled = await kit.dispatch(operation, call);
            await kit.carryOutEndings(handled);
            const { output } = handled;
            return write(reply, ours ? { status: 200, body: output } : meshblu.succeed(route, output, asked));
          } catch (error) {
            const failure = kit.toRegistryError(error);
            return write(reply, ours ? { status: failure.status, body: failure.toFailure() } : meshblu.fail(route, failure));
          }
        },
      });
    }
  }

  serveLive(app, kit);
  for (const { path, type, read } of kit.pages) {
    app.get(path, async (_request, reply) => {
      const { status = 200, text } = await read();
      return reply.code(status).type(type).send(text);
    });
  }

  app.setNotFoundHandler((_request, reply) => write(reply, { status: 404, body: new RegistryError('not-found').toFailure() }));
  app.setErrorHandler((error, _request, reply) => {
    const failure = bodyError(error) ?? kit.toRegistryError(error);
    return write(reply, { status: failure.status, body: failure.toFailure() });
  });
  return app;
};

/** What Fastify says of a body that it does not take. */
const bodyError = (error: unknown): RegistryError | undefined => {
  const status = typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : undefined;
  if (status === 413) return new RegistryError('too-large');
  return typeof status === 'number' && status >= 400 && status < 500
    ? new RegistryError('invalid-input', undefined, { cause: error })
    : undefined;
};
