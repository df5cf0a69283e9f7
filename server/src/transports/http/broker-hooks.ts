import type { ClientAddress } from '../../common/client-address.ts';
import { createHash, timingSafeEqual } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import { RegistryError } from '@rollcall/client/contract';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { PageForm } from '../../operations/describe/openapi.ts';
import { isPlainObject } from '../../common/plain-object.ts';
import type { ExternalBrokerChecks } from './broker-checks.ts';
import { credentialsOf } from '../dialects/meshblu-credentials.ts';
import { readJson } from '../../common/json/read.ts';

/**
 * HTTP hooks for external MQTT brokers: VerneMQ's webhooks, EMQX's authenticator and authorizer,
 * and the HTTP back end of Mosquitto's go-auth plugin (AC-5.9; DM-7.2).
 *
 * Answers must not be cached, so no cache header is sent. Bodies are never logged.
 */
export interface BrokerHooks {
  readonly questions: ExternalBrokerChecks;
  readonly secret: string | undefined;
  /** Addresses of the brokers. Undefined: only this machine, or with a secret any address. */
  readonly addresses: readonly string[] | undefined;
  readonly clientAddress: ClientAddress;
  /** Counts one request of this address. Fails with `rate`. */
  spend(address: string): void;
  readonly toRegistryError: (error: unknown) => RegistryError;
}

type Body = Readonly<Record<string, unknown>>;

/** The parts of a request that an answer depends on. */
interface Asked {
  readonly body: Body;
  /** VerneMQ's name of the hook. */
  readonly hook: string;
  /** The network address of the broker. */
  readonly address: string;
}

interface Answer {
  readonly status?: number;
  readonly body: Body;
}

/** One kind of request: its answer, and the reply to an unreadable one. */
interface Question {
  readonly path: string;
  readonly summary: string;
  readonly refusal: Answer;
  answer(asked: Asked, questions: ExternalBrokerChecks): Promise<Answer>;
}

const thisMachine = ['127.0.0.0/8', '::1'];
/** Largest body, in bytes. VerneMQ sends the whole message with its publish hook. */
const maxBytes = 1_048_576;

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Names of a client in VerneMQ's requests. */
const verneClient = ({ client_id: clientId, username }: Body) => ({
  clientId: textOf(clientId) ?? '',
  username: textOf(username),
});
/**
 * Names of a client in other brokers' requests. amqtt asks like go-auth but names clients like
 * VerneMQ.
 */
const otherClient = ({ client_id: alias, clientid: clientId = alias, username }: Body) => ({
  clientId: textOf(clientId) ?? '',
  username: textOf(username),
});

const isFive = (hook: string): boolean => hook.endsWith('_m5');

const notAllowed: Answer = { body: { result: { error: 'not_allowed' } } };
const ok: Answer = { body: { result: 'ok' } };

/** MQTT's codes of a refused subscription. */
const refusedQos = (hook: string): number => (isFive(hook) ? 135 : 128);

const token = (data: unknown): string | undefined =>
  typeof data === 'string' ? Buffer.from(data.replaceAll(/\s/g, ''), 'base64').toString('utf8') : undefined;

const verneMq: readonly Question[] = [
  {
    path: '/api/broker/auth/enhanced',
    summary: "VerneMQ's on_auth_m5: may a client come in by this token?",
    refusal: notAllowed,
    async answer({ body, address }, questions) {
      const properties = isPlainObject(body['properties']) ? body['properties'] : {};
      const shown = properties['p_authentication_method'] === 'TOKEN' ? token(properties['p_authentication_data']) : undefined;
      if (shown === undefined || shown === '') return notAllowed;
      return (await questions.connectByToken({ ...verneClient(body), token: shown, address })) ? ok : notAllowed;
    },
  },
  {
    path: '/api/broker/auth/register',
    summary: "VerneMQ's auth_on_register: may a client come in by name and password?",
    refusal: notAllowed,
    async answer({ body, address }, questions) {
      const peer = textOf(body['peer_addr']) ?? address;
      const attempt = { ...verneClient(body), password: textOf(body['password']), address: peer };
      return (await questions.connect(attempt)) === null ? notAllowed : ok;
    },
  },
  {
    path: '/api/broker/auth/publish',
    summary: "VerneMQ's auth_on_publish: may a client publish to this topic, and to which does it go?",
    refusal: notAllowed,
    async answer({ body }, questions) {
      const topic = textOf(body['topic']) ?? '';
      const whole = await questions.publish(verneClient(body), topic);
      if (whole === null) return notAllowed;
      return whole === topic ? ok : { body: { result: 'ok', modifiers: { topic: whole } } };
    },
  },
  {
    path: '/api/broker/auth/subscribe',
    summary: "VerneMQ's auth_on_subscribe: which of these filters may a client subscribe to?",
    refusal: notAllowed,
    async answer({ body, hook }, questions) {
      const asked = Array.isArray(body['topics']) ? (body['topics'] as readonly unknown[]) : [];
      const client = verneClient(body);
      const topics: Body[] = [];
      for (const one of asked) {
        const { topic, qos } = isPlainObject(one) ? one : {};
        if (typeof topic !== 'string') return notAllowed;
        topics.push({ topic, qos: (await questions.subscribe(client, topic)) ? qos : refusedQos(hook) });
      }
      if (topics.length === 0) return notAllowed;
      if (topics.every(({ qos }) => qos !== refusedQos(hook))) return ok;
      return { body: isFive(hook) ? { result: 'ok', modifiers: { topics } } : { result: 'ok', topics } };
    },
  },
];

const deny: Answer = { body: { result: 'deny' } };

const emqx: readonly Question[] = [
  {
    path: '/api/broker/emqx/authentication',
    summary: "EMQX's HTTP authenticator: may a client come in by name and password?",
    refusal: deny,
    async answer({ body, address }, questions) {
      const peer = textOf(body['peerhost']) ?? address;
      const found = await questions.connect({ ...otherClient(body), password: textOf(body['password']), address: peer });
      if (found === null) return deny;
      const until = found.expiresAt === null ? {} : { expire_at: Math.floor(found.expiresAt / 1000) };
      return { body: { result: 'allow', is_superuser: false, ...until } };
    },
  },
  {
    path: '/api/broker/emqx/authorization',
    summary: "EMQX's HTTP authorizer: may a client publish to this topic, or subscribe to this filter?",
    refusal: deny,
    async answer({ body }, questions) {
      const topic = textOf(body['topic']) ?? '';
      const client = otherClient(body);
      const isAllowed =
        body['action'] === 'publish'
          ? await questions.publishAsItStands(client, topic)
          : body['action'] === 'subscribe' && (await questions.subscribe(client, topic));
      return isAllowed ? { body: { result: 'allow' } } : deny;
    },
  },
];

const yes: Answer = { body: { ok: true, error: '' } };
const no: Answer = { status: 403, body: { ok: false, error: 'not allowed' } };

/** Access codes of the plugin: read, write, both, subscribe. */
const accesses: Readonly<Record<string, readonly ('read' | 'write')[]>> = {
  1: ['read'],
  2: ['write'],
  3: ['read', 'write'],
  4: ['read'],
};

const mosquitto: readonly Question[] = [
  {
    path: '/api/broker/mosquitto/user',
    summary: "Mosquitto's go-auth: may a client come in by name and password?",
    refusal: no,
    async answer({ body, address }, questions) {
      const attempt = { ...otherClient(body), password: textOf(body['password']), address };
      return (await questions.connect(attempt)) === null ? no : yes;
    },
  },
  {
    path: '/api/broker/mosquitto/superuser',
    summary: "Mosquitto's go-auth: is a client above all rules? Nobody is.",
    refusal: no,
    answer: () => Promise.resolve(no),
  },
  {
    path: '/api/broker/mosquitto/acl',
    summary: "Mosquitto's go-auth: may a client read, write or subscribe to this topic?",
    refusal: no,
    async answer({ body }, questions) {
      const topic = textOf(body['topic']) ?? '';
      const wanted = accesses[String(body['acc'])] ?? [];
      const client = otherClient(body);
      for (const access of wanted) {
        const isAllowed =
          access === 'read' ? await questions.subscribe(client, topic) : await questions.publishAsItStands(client, topic);
        if (!isAllowed) return no;
      }
      return wanted.length > 0 ? yes : no;
    },
  },
];

const all: readonly Question[] = [...verneMq, ...emqx, ...mosquitto];

/** The paths of the hooks. */
export const hookPaths: readonly string[] = all.map(({ path }) => path);

/** JSON Schema descriptions of the routes. */
export const hookForms: readonly PageForm[] = all.map(({ path, summary, refusal: { status = 200 } }) => ({
  path,
  method: 'post',
  summary,
  body: { required: true, schema: { type: 'object' }, types: ['application/x-www-form-urlencoded'] },
  answers: [...new Set([200, status, 403, 413, 415, 422, 429])].map((one) => ({ status: one, schema: { type: 'object' } })),
}));

const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest();

/** Checks that a request comes from a permitted broker. */
const openGuard = ({ secret, addresses, clientAddress }: Pick<BrokerHooks, 'secret' | 'addresses' | 'clientAddress'>) => {
  const allowed = new BlockList();
  for (const network of addresses ?? thisMachine) {
    const [address = '', bits] = network.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) allowed.addAddress(address, family);
    else allowed.addSubnet(address, Number(bits), family);
  }
  const known = secret === undefined ? undefined : digest(secret);
  const isNear = (ip: string): boolean => {
    const address = ip.replace(/^::ffff:(?=\d+\.)/i, '');
    return isIP(address) !== 0 && allowed.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  };

  return ({ headers, raw }: FastifyRequest): boolean => {
    if ((known === undefined || addresses !== undefined) && !isNear(clientAddress(raw))) return false;
    // A request through a proxy may come from anywhere, whatever the proxy's own address is.
    if (known === undefined) return headers['x-forwarded-for'] === undefined && headers.forwarded === undefined;
    const own = headers['x-rollcall-hook-secret'];
    const bearer = /^bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1];
    const shown = own ?? bearer ?? credentialsOf(headers)?.token;
    return typeof shown === 'string' && timingSafeEqual(digest(shown), known);
  };
};

/** A body, as JSON or as a form. */
const read = (text: string, contentType = 'application/json'): Body => {
  if (/^application\/x-www-form-urlencoded\b/i.test(contentType)) return Object.fromEntries(new URLSearchParams(text));
  const body = readJson(text, contentType);
  if (!isPlainObject(body)) throw new RegistryError('invalid-input');
  return body;
};

/** Serves the hooks. Bodies are passed as text. */
export const serveBrokerHooks = (app: FastifyInstance, hooks: BrokerHooks): void => {
  const { questions, toRegistryError } = hooks;
  const mayAsk = openGuard(hooks);

  const answered = async ({ answer, refusal }: Question, { body, headers, raw }: FastifyRequest): Promise<Answer> => {
    let asked: Body;
    try {
      asked = read(typeof body === 'string' ? body : '', headers['content-type']);
    } catch {
      return refusal;
    }
    const hook = headers['vernemq-hook'];
    return answer(
      { body: asked, hook: typeof hook === 'string' ? hook : '', address: hooks.clientAddress(raw) },
      questions,
    ).catch((error: unknown) => {
      toRegistryError(error);
      return refusal;
    });
  };

  const send = (reply: FastifyReply, status: number, body: unknown): FastifyReply =>
    reply.code(status).type('application/json; charset=utf-8').send(JSON.stringify(body));

  /** Decides before the body is read. */
  const admit = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    try {
      if (!mayAsk(request)) throw new RegistryError('forbidden');
      hooks.spend(hooks.clientAddress(request.raw));
      return undefined;
    } catch (error) {
      const failure = toRegistryError(error);
      return send(reply, failure.status, failure.toFailure());
    }
  };

  for (const question of all) {
    app.route({
      method: 'POST',
      url: question.path,
      bodyLimit: maxBytes,
      config: { isText: true } as object,
      onRequest: admit,
      async handler(request, reply) {
        const { status = 200, body } = await answered(question, request);
        return send(reply, status, body);
      },
    });
  }
};
