import Type from 'typebox';
import { AuditEntry, AuditProblem } from './audit-models.ts';
import { Time } from './models.ts';
import { operation } from './operation.ts';

const closed = { additionalProperties: false } as const;

/**
 * What was done and tried, newest first, 100 at a time: logins, credentials, administration. `cursor` of one answer asks for what is older; null at
 * the end.
 *
 * `from` and `to` are times, both inclusive; `actor` is a uuid or the name that he had then; `target` an id; `action` the name of an event.
 */
export const list = operation({
  http: ['GET /api/audit'],
  dialect: 'accessControl',
  summary: 'What was done and tried, newest first.',
  access: { permission: '/api/audit', operation: 'read' },
  mutates: false,
  input: Type.Object(
    {
      from: Type.Optional(Time),
      to: Type.Optional(Time),
      actor: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
      target: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
      action: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
      cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
    },
    closed,
  ),
  output: Type.Object({ entries: Type.Array(AuditEntry), cursor: Type.Union([Type.String(), Type.Null()]) }),
  errors: [],
});

/**
 * Reads the whole audit and says where it was changed, shortened or put into another order. At most the first hundred problems are told; one
 * examination at a time, others are told `busy`.
 */
export const verify = operation({
  http: ['GET /api/audit/verify'],
  dialect: 'accessControl',
  summary: 'Says where the audit was changed, shortened or put into another order.',
  access: { permission: '/api/audit/verify', operation: 'read' },
  mutates: false,
  input: Type.Object({}, closed),
  output: Type.Object({
    chains: Type.Integer({ minimum: 0 }),
    entries: Type.Integer({ minimum: 0 }),
    problems: Type.Array(AuditProblem),
  }),
  errors: ['busy'],
});
