import Type from 'typebox';
import { Time, Uuid } from './models.ts';

/** One thing that somebody did or tried. */
export const AuditEntry = Type.Object({
  /** `<chain>:<number>`. */
  id: Type.String(),
  at: Time,
  /** The event of the call, or what happened beside a call. */
  action: Type.String(),
  /** `ok`, the code of the failure, or `begun` as long as the outcome is not known. */
  outcome: Type.String(),
  /** Who, and by which credential; null for somebody who has not proved who he is. */
  actor: Type.Union([
    Type.Object({
      uuid: Uuid,
      username: Type.Optional(Type.String()),
      credential: Type.Optional(Type.String()),
      method: Type.Optional(Type.String()),
    }),
    Type.Null(),
  ]),
  /** Whom or what it was done to: ids of users, roles, devices. */
  targets: Type.Array(Type.String()),
  /** The network address that it came from; empty if from none. */
  address: Type.String(),
  /** What was asked for: the names of all fields that were given, and the values of those that can hold no secret. */
  details: Type.Record(Type.String(), Type.Unknown()),
});

/** Something that is wrong with the audit: where, and which kind of change it shows. */
export const AuditProblem = Type.Object({
  kind: Type.Enum(['changed', 'removed', 'reordered', 'forged']),
  chain: Type.String(),
  /** The number of the entry in its chain. */
  number: Type.Integer(),
  message: Type.String(),
});
