import Type from 'typebox';
import { Time, Uuid } from './models.ts';
import { operation } from './operation.ts';

const Failure = Type.Object({
  at: Time,
  url: Type.String(),
  status: Type.Optional(Type.Integer()),
  reason: Type.String(),
  nextTryAt: Type.Union([Time, Type.Null()]),
});

/**
 * The last 100 failed requests of a device's webhooks, newest first: when, where to (without the query), with which status, and when the next
 * try is; null if that was the last.
 */
export const failures = operation({
  http: ['GET /webhooks/:uuid/failures'],
  summary: "The last failed requests of a device's webhooks.",
  access: { whitelist: 'configure.update', target: 'uuid' },
  mutates: false,
  input: Type.Object({ uuid: Uuid }),
  output: Type.Object({ failures: Type.Array(Failure) }),
  errors: [],
});
