import Type from 'typebox';
import { Uuid } from '../models.ts';
import { open, operation } from '../operation.ts';
import { listeningTypes } from '../listening.ts';

const Listening = Type.Enum([...listeningTypes]);
const Topics = Type.Union([Type.String({ maxLength: 256 }), Type.Array(Type.String({ maxLength: 256 }), { maxItems: 100 })]);

const StoredSubscription = Type.Object({ subscriberUuid: Uuid, emitterUuid: Uuid, type: Type.String() });

/**
 * Listen to a device, for as long as this connection lives.
 *
 * Without `types`: broadcast, received and sent; config and data are always added. What is not permitted is left out, and asked again at
 * each delivery. `topics` filters messages: `*` matches anything, a leading `-` excludes. MS-2.17.
 */
export const subscribe = operation({
  http: [],
  summary: 'Listen to a device.',
  access: { self: true },
  credentials: true,
  mutates: false,
  input: open({ uuid: Uuid, types: Type.Optional(Type.Array(Type.Unknown(), { maxItems: 16 })), topics: Type.Optional(Topics) }),
  output: Type.Object({
    api: Type.Literal('subscribe'),
    socketid: Type.String(),
    toUuid: Uuid,
    result: Type.Literal(true),
    types: Type.Array(Listening),
  }),
  errors: [],
});

/** Stop listening to a device; without `types` to everything of it. MS-2.17. */
export const unsubscribe = operation({
  http: [],
  summary: 'Stop listening to a device.',
  access: { self: true },
  mutates: false,
  input: open({ uuid: Uuid, types: Type.Optional(Type.Array(Type.Unknown(), { maxItems: 16 })) }),
  output: Type.Object({ api: Type.Literal('unsubscribe'), uuid: Uuid }),
  errors: [],
});

const pair = { subscriberUuid: Uuid, emitterUuid: Uuid, type: Type.String({ maxLength: 64 }) };

/** Subscribe a device to another one for good: works for devices that are not connected. The emitter's lists are asked at delivery. A device has at most 10000: beyond that the call fails with `conflict`. MS-2.18. */
export const createSubscription = operation({
  http: ['POST /v2/devices/:subscriberUuid/subscriptions/:emitterUuid/:type'],
  summary: 'Subscribe a device to another one for good.',
  access: { whitelist: 'configure.update', target: 'subscriberUuid' },
  mutates: true,
  input: Type.Object(pair),
  output: StoredSubscription,
  errors: ['conflict'],
});

/** End a stored subscription; one that is not there is a success. MS-2.18. */
export const deleteSubscription = operation({
  http: ['DELETE /v2/devices/:subscriberUuid/subscriptions/:emitterUuid/:type'],
  summary: 'End a stored subscription.',
  access: { whitelist: 'configure.update', target: 'subscriberUuid' },
  mutates: true,
  input: Type.Object(pair),
  output: StoredSubscription,
  errors: [],
});

/** End all stored subscriptions of a device, or those to one emitter or of one type. MS-2.21. */
export const deleteSubscriptions = operation({
  http: ['DELETE /v2/devices/:subscriberUuid/subscriptions'],
  summary: 'End several stored subscriptions of a device.',
  access: { whitelist: 'configure.update', target: 'subscriberUuid' },
  mutates: true,
  // Closed: a misspelt name would end more than was meant.
  input: Type.Object(
    { subscriberUuid: Uuid, emitterUuid: Type.Optional(Uuid), type: Type.Optional(Type.String({ maxLength: 64 })) },
    { additionalProperties: false },
  ),
  output: Type.Object({ subscriberUuid: Uuid }),
  errors: [],
});

/** The stored subscriptions of a device, without `uuid` of the caller. MS-2.18. */
export const subscriptions = operation({
  http: ['GET /v2/devices/:uuid/subscriptions'],
  summary: 'The stored subscriptions of a device.',
  access: { whitelist: 'configure.update', target: 'uuid' },
  mutates: false,
  input: Type.Object({ uuid: Type.Optional(Uuid) }),
  output: Type.Object({ subscriptions: Type.Array(StoredSubscription) }),
  errors: [],
});
