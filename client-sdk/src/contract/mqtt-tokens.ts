import Type from 'typebox';
import type { ErrorDetail } from './errors.ts';
import { MqttToken } from './mqtt-models.ts';
import { operation } from './operation.ts';

/** Which of several mistakes is named follows the reference (section 3); here only the types are checked. */
const Text = Type.Union([Type.String(), Type.Null()]);
const texts = (...names: readonly string[]) => Type.Object(Object.fromEntries(names.map((name) => [name, Type.Optional(Text)])));

/** The reference's sentence for a value of the wrong type. */
const refusal = (details: readonly ErrorDetail[]): string => {
  const name = details.find(({ path }) => path !== '')?.path.split('/')[1];
  return name === undefined ? 'The input must be an object' : `'${name}' must be a string`;
};

interface NewToken {
  readonly groupName: string;
  readonly username: string;
  readonly secret?: string | null;
  readonly password?: string | null;
  readonly description?: string | null;
}

interface TokensOf {
  readonly groupName: string;
  readonly token?: string | null;
}

/**
 * Make an MQTT token in a group: a login for a broker, and the first level of its topics.
 *
 * `username` and `secret` are what is wanted; without a secret one is made, with `#SN#` and a serial number as name both are. The name is stored
 * in capitals. `password` is another name of `secret`. The secret is shown this once. Needs write on `/m2m/token/mqtt`, and to own the group, to
 * be in its `configure.update`, or write on `/groups/<groupName>`. MT-1, MT-2, MT-3.
 */
export const create = operation({
  http: ['PUT /m2m/token/mqtt'],
  dialect: 'mqttTokens',
  summary: 'Make an MQTT token in a group.',
  access: { self: true },
  mutates: true,
  credential: 'grants',
  input: Type.Unsafe<NewToken>(texts('groupName', 'username', 'secret', 'password', 'description')),
  output: Type.Object({ ...MqttToken.properties, secret: Type.String(), groupName: Type.String() }),
  errors: ['not-found', 'conflict'],
  refusal,
});

/** The MQTT tokens of a group, or the one with this topic token, without their secrets. MT-8. */
export const list = operation({
  http: ['GET /m2m/token'],
  dialect: 'mqttTokens',
  summary: 'The MQTT tokens of a group.',
  access: { self: true },
  mutates: false,
  input: Type.Unsafe<TokensOf>(texts('groupName', 'token')),
  output: Type.Object({ tokens: Type.Array(MqttToken) }),
  errors: ['not-found', 'too-large'],
  refusal,
});

/** End all MQTT tokens of a group, or the one with this topic token, and close their connections. MT-8. */
export const revoke = operation({
  http: ['DELETE /m2m/token'],
  dialect: 'mqttTokens',
  summary: 'End MQTT tokens of a group.',
  access: { self: true },
  mutates: true,
  input: Type.Unsafe<TokensOf>(texts('groupName', 'token')),
  output: Type.Object({ revoked: Type.Integer() }),
  errors: ['not-found'],
  refusal,
});
