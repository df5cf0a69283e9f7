import Type from 'typebox';
import type { ErrorDetail } from './errors.ts';
import { MqttClient } from './mqtt-models.ts';
import { operation } from './operation.ts';

const Name = Type.String({ minLength: 1, maxLength: 100 });
const Description = Type.String({ maxLength: 1000 });
const ClientId = Type.String({ minLength: 1, maxLength: 64, pattern: '^[A-Za-z0-9_.-]*$' });
const Key = Type.String({ minLength: 5, maxLength: 128 });
/** 24 hex digits; whatever has another form names nothing. */
const RecordId = Type.String({ maxLength: 1024 });

/** The reference's sentence for values that break the rules. */
const refusal = (details: readonly ErrorDetail[]): string => {
  const names = new Set(details.map(({ path }) => path.split('/')[1] ?? '').filter((name) => name !== ''));
  if (names.size === 0) return 'The input must be an object';
  return names.size === 1 ? '1 attribute is invalid' : `${names.size} attributes are invalid`;
};

const common = { dialect: 'mqttClients', access: { self: true }, refusal } as const;

/**
 * Make a client record: what one MQTT client logs in with, beside the name of the account, which is the caller's.
 *
 * Without name, client id or key it is temporary and expires; what is missing is made. A key that was made is in the answer, this once. MC-1, MC-2.
 */
export const create = operation({
  ...common,
  http: ['POST /api/client'],
  summary: 'Make what an MQTT client logs in with.',
  mutates: true,
  credential: 'grants',
  input: Type.Object({
    name: Type.Optional(Name),
    description: Type.Optional(Description),
    clientId: Type.Optional(ClientId),
    key: Type.Optional(Key),
  }),
  output: Type.Object({ ...MqttClient.properties, key: Type.Optional(Type.String()) }),
  errors: [],
});

/** The caller's client records, oldest first; with the permission to read `/api/client/#` those of all accounts. */
export const list = operation({
  ...common,
  http: ['GET /api/client'],
  summary: "The caller's MQTT client records.",
  mutates: false,
  input: Type.Object({
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    skip: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000_000 })),
  }),
  output: Type.Object({ clients: Type.Array(MqttClient) }),
  errors: ['too-large'],
});

/** One client record of the caller. Those of others are not there. */
export const get = operation({
  ...common,
  http: ['GET /api/client/:id'],
  summary: 'One MQTT client record.',
  mutates: false,
  input: Type.Object({ id: RecordId }),
  output: MqttClient,
  errors: ['not-found'],
});

/**
 * Change a client record; what is absent stays as it is, a description that is null goes. With a new key the old one ends at once, and its
 * connections with it. A temporary record that has a name and a key of the caller's choice stays for good. MC-2, MC-3.
 */
export const update = operation({
  ...common,
  http: ['PUT /api/client/:id'],
  summary: 'Change an MQTT client record.',
  mutates: true,
  credential: 'grants',
  input: Type.Object({
    id: RecordId,
    name: Type.Optional(Name),
    description: Type.Optional(Type.Unsafe<string | null>({ type: ['string', 'null'], maxLength: 1000 })),
    key: Type.Optional(Key),
    clientId: Type.Optional(Type.Unknown()),
  }),
  output: MqttClient,
  errors: ['not-found'],
});

/** Remove a client record; its connection is closed. The answer is the record as it was. */
const remove = operation({
  ...common,
  http: ['DELETE /api/client/:id'],
  summary: 'Remove an MQTT client record.',
  mutates: true,
  input: Type.Object({ id: RecordId }),
  output: MqttClient,
  errors: ['not-found'],
});

export { remove as delete };
