import Type, { type Static } from 'typebox';
import { Time, Uuid } from './models.ts';

/** How a token is made (MT-2): name and secret chosen, name chosen, or made for a serial number. */
const AuthType = Type.Enum(['U', 'S', 'SN']);

/** An MQTT token without its secret: `token` is the first level of its topics, `username` what it logs in with. */
export const MqttToken = Type.Object({
  uuid: Uuid,
  authType: AuthType,
  token: Type.String(),
  username: Type.String(),
  description: Type.Optional(Type.String()),
  serialNumber: Type.Optional(Type.String()),
  createdAt: Time,
});

/** An MQTT token without its secret. */
export type MqttToken = Static<typeof MqttToken>;

/** What an MQTT client logs in with, without its key (MC-1.1). */
export const MqttClient = Type.Object({
  id: Type.String(),
  uuid: Uuid,
  /** The name of the account. */
  owner: Type.String(),
  name: Type.String(),
  description: Type.Optional(Type.String()),
  clientId: Type.String(),
  createdAt: Time,
  updatedAt: Time,
  /** Only of a temporary one. */
  expiresAt: Type.Optional(Time),
});
