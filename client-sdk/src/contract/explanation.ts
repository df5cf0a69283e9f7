import Type, { type Static } from 'typebox';
import { Uuid } from './models.ts';
import { whitelistNames } from './operation.ts';
import { Id, Permission, PermissionContext, PermissionOperation, Resource } from './user-models.ts';

/**
 * What lets somebody do something.
 *
 * - `public`: anybody may. `identity`: whoever has proved who he is may. `self`: it is himself.
 * - `whitelist`: an entry of a list of the target: the path of the list (or `owner`) and what stands there: his uuid, his group's, or `*`.
 * - `role`: a permission of one of his roles.
 */
const By = Type.Union([
  Type.Object({ kind: Type.Enum(['public', 'identity', 'self']) }),
  Type.Object({
    kind: Type.Literal('whitelist'),
    list: Type.Enum([...whitelistNames]),
    path: Type.String(),
    entry: Type.String(),
  }),
  Type.Object({ kind: Type.Literal('role'), roleId: Id, roleName: Type.String(), permission: Permission }),
]);

/** One step of a change that would turn an answer. */
const Step = Type.Union([
  /** Put `entry` into the list at this path of the device, or take it out wherever it stands there. */
  Type.Object({ kind: Type.Enum(['add-entry', 'remove-entry']), device: Uuid, path: Type.String(), entry: Type.String() }),
  /** Give the user this permission of his own. */
  Type.Object({
    kind: Type.Literal('add-permission'),
    user: Uuid,
    permission: Type.Object({ context: PermissionContext, resource: Resource, operation: PermissionOperation }),
  }),
  /** Take a permission from his own role. */
  Type.Object({ kind: Type.Literal('remove-permission'), roleId: Id, permissionId: Id }),
  /** Take a shared role from him. */
  Type.Object({ kind: Type.Literal('take-role'), user: Uuid, roleId: Id }),
  /** Let him log in again: he is disabled, or his time is over. */
  Type.Object({ kind: Type.Literal('enable'), user: Uuid }),
]);

/** Whether somebody may do something, by what, and the steps that together would turn the answer; null if nothing would. */
export const Explanation = Type.Object({
  allowed: Type.Boolean(),
  by: Type.Union([By, Type.Null()]),
  change: Type.Union([Type.Array(Step), Type.Null()]),
});

/** Whether somebody may do something, by what, and what would turn the answer. */
export type Explanation = Static<typeof Explanation>;
