import { RegistryError } from '@rollcall/client/contract';
import type { Authenticate } from '../identity/authenticate.ts';
import type { MqttPrincipals } from '../identity/accounts/mqtt-logins.ts';
import { LoginRefused, type MqttIdentity, type MqttLogin, type Recognise } from './login.ts';
import type { TopicPermission } from './topic-authorization.ts';
import { filterOf, isTopic, publishedTopic } from '../domain/topic-rights.ts';

/** The names under which an external broker knows a client. */
export interface BrokerClientName {
  readonly clientId: string;
  readonly username: string | undefined;
}

/**
 * Answers the questions of external brokers (DM-7.2) as the internal broker would.
 * Any error is a refusal.
 */
export interface ExternalBrokers {
  /**
   * May a client connect with these credentials?
   * Null if not, otherwise until when, in milliseconds since 1970 (null: no known end).
   */
  connect(
    attempt: BrokerClientName & { readonly password: string | undefined; readonly address: string },
  ): Promise<{ readonly expiresAt: number | null } | null>;
  /**
   * May a client connect with a token by MQTT 5's enhanced authentication: an access token, or
   * `uuid:token`?
   * Its names must be its own: the broker sends nothing else later.
   */
  connectByToken(attempt: BrokerClientName & { readonly token: string; readonly address: string }): Promise<boolean>;
  /** The topic of a publish with its prefix added. Null if the client may not publish. */
  publish(client: BrokerClientName, topic: string): Promise<string | null>;
  /** May a client publish to exactly this topic? It has to include the prefix of its principal. */
  publishAsItStands(client: BrokerClientName, topic: string): Promise<boolean>;
  /** May the client subscribe to this filter, or receive a message on this topic? */
  subscribe(client: BrokerClientName, filter: string): Promise<boolean>;
}

const maxBytes = 65_535;

/** Spellings of a missing name by some brokers. */
const namesNothing = new Set(['', 'undefined', 'null']);

/** Creates the checks. */
export const createExternalBrokers = (kit: {
  readonly login: MqttLogin;
  readonly recognise: Recognise;
  readonly authenticate: Authenticate;
  readonly mqttPrincipals: Pick<MqttPrincipals, 'byClientId' | 'byUuid'>;
  readonly permission: TopicPermission;
  readonly report: (error: unknown) => void;
}): ExternalBrokers => {
  const { login, recognise, authenticate, mqttPrincipals, permission } = kit;

  const orNull = async <T>(work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof LoginRefused) && !(error instanceof RegistryError)) kit.report(error);
      return null;
    }
  };

  const isOwn = async ({ clientId, username }: BrokerClientName, uuid: string): Promise<boolean> => {
    const record = clientId === '' ? null : await mqttPrincipals.byClientId(clientId);
    if (record !== null && record.uuid !== uuid) return false;
    if (username === undefined) return true;
    const known = await recognise({ clientId, username });
    return known === null ? namesNothing.has(username) : known.uuid === uuid;
  };

  const publishing = async (client: BrokerClientName, topic: string, prefixed: boolean): Promise<string | null> => {
    if (!isTopic(topic, maxBytes) || /[+#]/.test(topic)) return null;
    const identity = await recognise(client);
    if (identity === null || (!prefixed && !topic.startsWith(identity.prefix))) return null;
    const whole = prefixed ? publishedTopic(identity.prefix, topic) : topic;
    return isTopic(whole, maxBytes) && (await permission.publish(identity, whole)) ? whole : null;
  };

  return {
    connect: (attempt) =>
      orNull(async () => {
        const { actor }: MqttIdentity = await login({ ...attempt, certificate: null });
        const expiresAt = actor.principal === true ? ((await mqttPrincipals.byUuid(actor.uuid))?.expiresAt ?? null) : null;
        return { expiresAt };
      }),

    connectByToken: async ({ token, address, ...client }) =>
      (await orNull(async () => {
        const [, uuid, secret = token] = /^([^:]+):(.+)$/.exec(token) ?? [];
        const actor = await authenticate({ uuid, token: secret, address });
        return actor !== null && (await isOwn(client, actor.uuid));
      })) === true,

    publish: (client, topic) => orNull(() => publishing(client, topic, true)),

    publishAsItStands: async (client, topic) => (await orNull(() => publishing(client, topic, false))) !== null,

    subscribe: async (client, subscription) =>
      (await orNull(async () => {
        const filter = filterOf(subscription);
        const identity = isTopic(filter, maxBytes) ? await recognise(client) : null;
        return identity !== null && (await permission.subscribe(identity, filter));
      })) === true,
  };
};
