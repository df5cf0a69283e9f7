import type { TSchema } from 'typebox';
import Type from 'typebox';
import { RegistrationRequest } from './certificate-models.ts';
import { LiveChange } from './live-change.ts';
import { MaintenanceStatus } from './maintenance-status.ts';
import { Device, Uuid } from './models.ts';
import { MqttToken } from './mqtt-models.ts';
import { open } from './operation.ts';
import { ResyncReason } from './resync.ts';
import { Id } from './user-models.ts';

/** An event that the server sends by itself. */
export interface Publication<P extends TSchema = TSchema> {
  readonly event: string;
  readonly summary: string;
  readonly payload: P;
}

const publication = <const E extends string, P extends TSchema>(event: E, summary: string, payload: P) => ({
  event,
  summary,
  payload,
});

const NotReady = Type.Object({
  api: Type.Literal('connect'),
  status: Type.Integer(),
  uuid: Type.Optional(Type.Unknown()),
  token: Type.Optional(Type.Unknown()),
  error: Type.Optional(Type.Object({ message: Type.String(), code: Type.Integer() })),
  /** When to come back, in milliseconds from now: too many want in just now. */
  retryAfterMs: Type.Optional(Type.Integer({ minimum: 0 })),
});

const Message = open({ devices: Type.Array(Uuid), fromUuid: Uuid });
/** Which client record, and the uuid of its device. */
const ClientRecord = Type.Object({ id: Type.String(), clientId: Type.String(), uuid: Uuid });
const Hop = Type.Object({ from: Uuid, to: Uuid, type: Type.String() });

/** What the server sends by itself (MS-2.2; AC-7). */
export const publications = {
  identify: publication('identify', 'The server asks who is there; the answer is `identity`.', Type.Null()),
  ready: publication(
    'ready',
    'The connection is that device from now on.',
    Type.Object({ api: Type.Literal('connect'), status: Type.Literal(201), uuid: Uuid, token: Type.String() }),
  ),
  notReady: publication('notReady', 'The connection is no device, or no longer.', NotReady),
  ratelimited: publication(
    'ratelimited',
    'Too many calls; the connection is closed.',
    Type.Object({ code: Type.Integer(), message: Type.String() }),
  ),
  config: publication('config', 'The own document after a change.', Device),
  message: publication('message', 'A message to this device, or one that it listens to.', Message),
  messageAck: publication('messageAck', 'The answer to a message that asked for it.', Message),
  data: publication('data', 'A record of a device that this connection listens to.', Type.Unknown()),
  firehose: publication(
    'firehose',
    'What reached the own device by its stored subscriptions, and on which way (MS-6.4).',
    Type.Object({
      metadata: Type.Object({ route: Type.Array(Hop), forwardedRoutes: Type.Optional(Type.Array(Type.Array(Hop))) }),
      rawData: Type.String(),
    }),
  ),
  resync: publication(
    'resync',
    'Events are missing that cannot be sent any more: what was made of earlier ones has to be read anew. A `config` with the own document follows.',
    Type.Object({ reason: ResyncReason }),
  ),
  'feed:moved': publication(
    'feed:moved',
    'Everything up to this position of the feed has been sent; for quiet clients, now and then.',
    Type.Object({ cursor: Type.String() }),
  ),
  'live:changed': publication('live:changed', 'What has become of the result of a live query.', LiveChange),
  'users:changed': publication(
    'users:changed',
    'A user that this connection may read was made, changed or removed; `id` is what `users:get` takes.',
    Type.Object({ id: Uuid, removed: Type.Boolean() }),
  ),
  'roles:changed': publication(
    'roles:changed',
    'A role that this connection may read was made, changed or removed; `id` is what `roles:get` takes.',
    Type.Object({ id: Id, removed: Type.Boolean() }),
  ),
  'session:revoked': publication(
    'session:revoked',
    'The login of this connection has ended: `notReady` with status 401 and the end follow.',
    Type.Object({ uuid: Uuid }),
  ),
  'clientRegistry:requested': publication(
    'clientRegistry:requested',
    'Somebody asks to become a user; for those who may read the requests, and for the connection that asked.',
    RegistrationRequest,
  ),
  'clientRegistry:granted': publication(
    'clientRegistry:granted',
    'A request was granted; for the same. Who asked fetches the outcome by `clientRegistry:register`.',
    Type.Object({ username: Type.String() }),
  ),
  'mqttTokens:created': publication(
    'mqttTokens:created',
    'A group that this connection may read has a new MQTT token.',
    Type.Object({ ...MqttToken.properties, group: Uuid }),
  ),
  'mqttTokens:revoked': publication(
    'mqttTokens:revoked',
    'An MQTT token of a group that this connection may read has ended.',
    Type.Object({ uuid: Uuid, token: Type.String(), group: Uuid }),
  ),
  'mqttClients:created': publication('mqttClients:created', 'The account has a new client record.', ClientRecord),
  'mqttClients:updated': publication('mqttClients:updated', 'A client record of the account was changed.', ClientRecord),
  'mqttClients:deleted': publication('mqttClients:deleted', 'A client record of the account was removed.', ClientRecord),
  'mqttClients:expired': publication('mqttClients:expired', 'A temporary client record of the account is over.', ClientRecord),
  'mqttClients:connected': publication('mqttClients:connected', 'The client of a record has connected.', ClientRecord),
  'mqttClients:disconnected': publication('mqttClients:disconnected', 'The client of a record has gone.', ClientRecord),
  'maintenance:progress': publication(
    'maintenance:progress',
    'How a backup or a restore stands now, as `maintenance:status` answers it. While a store is replaced nobody is connected.',
    MaintenanceStatus,
  ),
  unregistered: publication('unregistered', 'The own device was removed; its last document.', Device),
} as const;
