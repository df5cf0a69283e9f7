import type { Permission } from '@rollcall/client/contract';
import { pageOf } from '../../domain/role.ts';
import type { Implementation, Services } from '../handler.ts';
import { explainHandlers } from './explain.ts';
import { notDeleted } from '../../domain/tombstone.ts';
import type { RoleDocument } from '../../domain/documents/role.ts';

interface Held {
  readonly role: RoleDocument;
  readonly permission: Permission;
}

/** Every permission of every role. */
const all = async ({ store }: Services): Promise<readonly Held[]> => {
  const roles = await store.collection('roles').find(notDeleted).sort({ name: 1, _id: 1 }).toArray();
  return roles.flatMap((role) => role.permissions.map((permission) => ({ role, permission })));
};

/** Groups permissions by key, in the order of the resource. */
const grouped = (held: readonly Held[], key: (permission: Permission) => readonly string[]): readonly (readonly Held[])[] => {
  const groups = new Map<string, Held[]>();
  for (const one of held) {
    const name = JSON.stringify(key(one.permission));
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  return [...groups].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, group]) => group);
};

export const permissions: Implementation['permissions'] = {
  explain: explainHandlers,

  async page({ ids, ...asked }, call) {
    const groups = grouped(await all(call), ({ resource, context }) => [resource, context]).filter(
      (group) => ids === undefined || group.some(({ permission }) => ids.includes(permission.id)),
    );
    const { pagination, skip, limit } = pageOf(groups.length, asked);
    const shown = groups.slice(skip, skip + limit);
    const owners = new Set(shown.flat().flatMap(({ role }) => (role.ownerUuid === undefined ? [] : [role.ownerUuid])));
    const named = await call.store
      .collection('principals')
      .find({ _id: { $in: [...owners] } })
      .toArray();
    const names = new Map(named.map(({ _id, username }) => [_id, username ?? null] as const));
    const usageOf = ({ role, permission }: Held) => ({
      roleName: role.name,
      roleId: role._id,
      isRoleShared: role.isShared,
      username: role.ownerUuid === undefined ? null : (names.get(role.ownerUuid) ?? null),
      userId: role.ownerUuid ?? null,
      operation: permission.operation,
    });
    return {
      output: {
        permissions: shown.flatMap((group) => {
          const [first] = group;
          if (first === undefined) return [];
          const { resource, context } = first.permission;
          return [{ resource, context, usage: group.map(usageOf) }];
        }),
        pagination,
      },
    };
  },

  async ids(_input, call) {
    const groups = grouped(await all(call), ({ resource, operation, context }) => [resource, operation, context]);
    return {
      output: {
        permissions: groups.flatMap((group) => {
          const [first] = group;
          if (first === undefined) return [];
          const { resource, operation, context } = first.permission;
          return [{ resource, operation, context, ids: group.map(({ permission }) => permission.id) }];
        }),
      },
    };
  },
};
