import Type from 'typebox';
import { Explanation } from './explanation.ts';
import { Uuid } from './models.ts';
import { operation } from './operation.ts';
import { Id, Pagination, pageFields, PermissionContext, PermissionOperation } from './user-models.ts';

const closed = { additionalProperties: false } as const;

/**
 * Every resource that some role allows, by its text, and by which roles; a page at a time.
 *
 * Of a role that belongs to one user, `username` and `userId` name him; of a shared one both are null. `ids` narrows it to the resources of
 * these permissions. AC-3.4.
 */
export const page = operation({
  http: ['GET /api/permissions/page'],
  dialect: 'accessControl',
  summary: 'Every resource that some role allows, and by which roles.',
  access: { permission: '/api/permissions/page', operation: 'read' },
  mutates: false,
  input: Type.Object({ ids: Type.Optional(Type.Array(Id, { maxItems: 1000 })), ...pageFields }, closed),
  output: Type.Object({
    permissions: Type.Array(
      Type.Object({
        resource: Type.String(),
        context: PermissionContext,
        usage: Type.Array(
          Type.Object({
            roleName: Type.String(),
            roleId: Id,
            isRoleShared: Type.Boolean(),
            username: Type.Union([Type.String(), Type.Null()]),
            userId: Type.Union([Uuid, Type.Null()]),
            operation: PermissionOperation,
          }),
        ),
      }),
    ),
    pagination: Pagination,
  }),
  errors: [],
});

/** The ids of all permissions, together where resource, operation and context are the same. AC-3.4. */
export const ids = operation({
  http: ['GET /api/permissions/ids'],
  dialect: 'accessControl',
  summary: 'The ids of all permissions, together where they allow the same.',
  access: { permission: '/api/permissions/ids', operation: 'read' },
  mutates: false,
  input: Type.Object({}, closed),
  output: Type.Object({
    permissions: Type.Array(
      Type.Object({
        resource: Type.String(),
        operation: PermissionOperation,
        context: PermissionContext,
        ids: Type.Array(Id),
      }),
    ),
  }),
  errors: [],
});

/**
 * May somebody do something, by exactly what, and what is the smallest change that would turn the answer? The answer is that of the policy itself, as
 * things are now. What depends on more than who asks for what is no part of it: that nobody gives what he has not, and that a token of a user's device needs
 * what that user may do (AC-5.13).
 *
 * `actor`: a uuid, or the login name of a user. `action`: one of the whitelists (`configure.update`), asked of the device `target`; or a method and a path
 * (`POST /devices/<uuid>/tokens`), where `target` is the device that the body would name.
 */
export const explain = operation({
  http: ['GET /api/permissions/explain'],
  dialect: 'accessControl',
  summary: 'May somebody do something, by what, and what would turn the answer?',
  access: { permission: '/api/permissions/explain', operation: 'read' },
  mutates: false,
  input: Type.Object(
    {
      actor: Type.String({ minLength: 1, maxLength: 256 }),
      action: Type.String({ minLength: 1, maxLength: 2048, examples: ['configure.update', 'GET /api/listUsers'] }),
      target: Type.Optional(Uuid),
    },
    closed,
  ),
  output: Explanation,
  errors: ['not-found'],
});
