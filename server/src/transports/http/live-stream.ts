import type { ClientAddress } from '../../common/client-address.ts';
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { RegistryError } from '@rollcall/client/contract';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Authenticate } from '../../identity/authenticate.ts';
import type { Connection, Connections, FanOut } from '../../realtime/connections.ts';
import type { PageForm } from '../../operations/describe/openapi.ts';
import type { Actor } from '../../operations/handler.ts';
import type { Result } from '../../operations/handler.ts';
import type { Call } from '../../operations/pipeline.ts';
import type { TableOperation } from '../../operations/operation-table.ts';
import { credentialsOf } from '../dialects/meshblu-credentials.ts';
import { readJson } from '../../common/json/read.ts';

/** What live queries over HTTP need from the rest of the server. */
export interface LiveHttpKit {
  readonly clientAddress: ClientAddress;
  readonly operations: ReadonlyMap<string, TableOperation>;
  readonly authenticate: Authenticate;
  readonly connections: Connections;
  dispatch(operation: TableOperation, call: Call): Promise<Result<unknown>>;
  toRegistryError(error: unknown): RegistryError;
}

const inJson = { type: 'string', contentMediaType: 'application/json' } as const;
const failure = (status: number) => ({ status, schema: { type: 'object', required: ['error', 'status', 'code'] } });

/** JSON Schema description of the route. */
export const liveForm: PageForm = {
  path: '/live',
  summary: 'Follow the devices that match a filter, as server-sent events.',
  parameters: [
    { name: 'filter', in: 'query', description: 'As the field of live:open, in JSON; default {}.', schema: inJson },
    { name: 'sort', in: 'query', description: 'The same.', schema: inJson },
    { name: 'limit', in: 'query', description: 'The same.', schema: inJson },
  ],
  answers: [
    { status: 200, type: 'text/event-stream', schema: { type: 'string' } },
    ...[401, 403, 422, 429, 500, 503, 504].map(failure),
  ],
  guarded: true,
};

/** Open streams that one device may have. */
const maxOfDevice = 32;
/** Bytes that a stream may leave unread before it is cut. */
const maxUnread = 1_048_576;
/**
 * Interval of keep-alive events, in milliseconds. A stream that reads nothing for one interval is
 * cut.
 */
const beatMs = 10_000;

/** A server-sent event stream, as a connection that live queries send their changes to. */
interface Stream {
  readonly connection: Connection;
  readonly response: ServerResponse;
  /** Events that wait for the first result; null once it was sent. */
  early: string[] | null;
  /** Was the last keep-alive event still unread? */
  stalled: boolean;
}

const eventText = (event: string, data: unknown): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

const jsonParameter = (query: Readonly<Record<string, unknown>>, name: string): unknown => {
  const text = query[name];
  if (text === undefined) return undefined;
  if (typeof text !== 'string') {
    throw new RegistryError('invalid-input', undefined, {
      details: [{ path: `/${name}`, rule: 'type', message: 'given once, as JSON' }],
    });
  }
  return readJson(text);
};

const names: ReadonlySet<string> = new Set(['filter', 'sort', 'limit']);

/** `filter`, `sort` and `limit` of the request, each as JSON; without a filter everything. */
const inputOf = ({ query }: FastifyRequest): object => {
  const given = query as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(given)) {
    if (!names.has(name)) {
      throw new RegistryError('invalid-input', undefined, {
        details: [{ path: `/${name}`, rule: 'additionalProperties', message: 'there is no such parameter' }],
      });
    }
  }
  const [sort, limit] = [jsonParameter(given, 'sort'), jsonParameter(given, 'limit')];
  return {
    filter: jsonParameter(given, 'filter') ?? {},
    ...(sort !== undefined && { sort }),
    ...(limit !== undefined && { limit }),
  };
};

/**
 * Serves `GET /live?filter=…&sort=…&limit=…` as server-sent events: `live:opened` with the first result, then `live:changed`, as over Socket.IO;
 * `closed` with the failure when the credential ends. Credentials are the headers of every other route.
 */
export const serveLive = (app: FastifyInstance, kit: LiveHttpKit): void => {
  const { connections } = kit;
  const open = kit.operations.get('live:open');
  const streams = new Map<string, Stream>();

  const write = (stream: Stream, text: string): void => {
    if (stream.early !== null) return void stream.early.push(text);
    if (stream.response.writableLength > maxUnread) stream.response.destroy();
    else stream.response.write(text);
  };

  const fanOut: FanOut = {
    send(to, event, data) {
      if (!event.startsWith('live:')) return;
      const text = eventText(event, data);
      for (const { id } of to) {
        const stream = streams.get(id);
        if (stream !== undefined) write(stream, text);
      }
    },
  };

  /** A credential that is revoked while it is checked is checked again, as for sockets. */
  const identify = async (request: FastifyRequest): Promise<Actor> => {
    const shown = credentialsOf(request.headers);
    for (;;) {
      const before = connections.revocations;
      const actor =
        shown === undefined
          ? null
          : await kit.authenticate({ ...shown, enrolling: true, address: kit.clientAddress(request.raw) });
      if (connections.revocations !== before) continue;
      if (actor === null) throw new RegistryError('unauthenticated');
      return actor;
    }
  };

  const openStream = (actor: Actor, response: ServerResponse): Stream => {
    const releases: (() => void)[] = [];
    const connection: Connection = {
      actor,
      id: randomUUID(),
      takesMetadata: false,
      fanOut,
      end() {
        leave();
        if (response.headersSent) response.end(eventText('closed', new RegistryError('unauthenticated').toFailure()));
        return undefined;
      },
      onLeave: (release) => releases.push(release),
    };
    const takeOut = connections.add(connection);
    const stream: Stream = { connection, response, early: [], stalled: false };
    streams.set(connection.id, stream);
    const leave = (): void => {
      if (!streams.delete(connection.id)) return;
      takeOut();
      for (const release of releases.splice(0)) release();
    };
    response.once('close', leave);
    return stream;
  };

  const begin = ({ response }: Stream, reply: FastifyReply): void => {
    reply.hijack();
    const headers = Object.entries(reply.getHeaders()).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
    response.writeHead(200, {
      ...(Object.fromEntries(headers) as Record<string, string>),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
  };

  const head = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    try {
      inputOf(request);
      await identify(request);
      return await reply.code(200).type('text/event-stream; charset=utf-8').send();
    } catch (error) {
      const failure = kit.toRegistryError(error);
      return reply.code(failure.status).type('application/json; charset=utf-8').send(JSON.stringify(failure.toFailure()));
    }
  };
  app.head('/live', head);
  app.get('/live', { exposeHeadRoute: false }, async (request, reply) => {
    let stream: Stream | undefined;
    try {
      if (open === undefined) throw new RegistryError('not-found');
      const input = inputOf(request);
      const actor = await identify(request);
      const siblings = [...connections.of(actor.uuid)].filter((connection) => connection.fanOut === fanOut);
      if (siblings.length >= maxOfDevice) throw new RegistryError('busy');
      stream = openStream(actor, reply.raw);
      const { connection } = stream;
      const { output } = await kit.dispatch(open, { actor, from: actor.uuid, input, connection });
      if (!streams.has(connection.id)) throw new RegistryError('unauthenticated');
      begin(stream, reply);
      stream.response.write(eventText('live:opened', output));
      const { early } = stream;
      stream.early = null;
      for (const text of early ?? []) write(stream, text);
    } catch (error) {
      if (stream !== undefined) void stream.connection.end();
      const failure = kit.toRegistryError(error);
      void reply.code(failure.status).type('application/json; charset=utf-8').send(JSON.stringify(failure.toFailure()));
    }
    return reply;
  });

  const beat = setInterval(() => {
    for (const stream of streams.values()) {
      const { response } = stream;
      if (stream.stalled && response.writableLength > 0) {
        response.destroy();
        continue;
      }
      write(stream, ':\n\n');
      stream.stalled = response.writableLength > 0;
    }
  }, beatMs);
  beat.unref();
  app.addHook('onClose', (_app, done) => {
    clearInterval(beat);
    for (const { response } of streams.values()) response.destroy();
    done();
  });
};
