import { RegistryError, type Permission } from '@rollcall/client/contract';
import { isSame, numbered, pageOf, removedRole, roleNameKey, roleView } from '../../domain/role.ts';
import { resourceProblems, type Grant } from '../../domain/permissions.ts';
import { isAdministrator, refuseProblems, roleIdsOf } from '../../domain/user.ts';
import type { Actor } from '../../domain/actor.ts';
import type { Implementation, Services } from '../handler.ts';
import { assertMayGrant } from './grant-checks.ts';
import { notDeleted } from '../../domain/tombstone.ts';
import { ignoreError } from '../../common/ignore-error.ts';
import type { RequestId } from '../../domain/revision.ts';
import type { PrincipalDocument } from '../../domain/documents/principal.ts';
import type { RoleDocument } from '../../domain/documents/role.ts';

type Called = Services & { readonly actor: Actor; readonly request: RequestId | null };

const roleOf = async (id: string, { roles }: Services): Promise<RoleDocument> => {
  const role = (await roles.get(id)) ?? (await roles.getFresh(id));
  if (role === null) throw new RegistryError('not-found');
  return role;
};

const permissionOf = (role: RoleDocument, id: string): Permission => {
  const permission = role.permissions.find((one) => one.id === id);
  if (permission === undefined) throw new RegistryError('not-found');
  return permission;
};

/** The users that hold a role, without removed ones. */
const holdersOf = ({ _id, ownerUuid }: RoleDocument, { store }: Services): Promise<PrincipalDocument[]> =>
  store
    .collection('principals')
    .find({ ...notDeleted, $or: [{ roleIds: _id }, ...(ownerUuid === undefined ? [] : [{ _id: ownerUuid }])] })
    .toArray();

/**
 * Updates a role with a revision check, together with the list of administrators.
 * `compute` returns null to remove the role, and may throw to refuse.
 * Added permissions must be covered by the caller's own.
 */
const revise = async (
  id: string,
  compute: (before: RoleDocument, holders: readonly PrincipalDocument[]) => RoleDocument | null,
  call: Called,
): Promise<RoleDocument> => {
  const { users, roles, effectivePermissions } = call;
  let holders: readonly PrincipalDocument[] = [];
  return users.changing(
    async () => {
      const before = await roles.getFresh(id);
      if (before === null) throw new RegistryError('not-found');
      holders = await holdersOf(before, call);
      const next = compute(before, holders);
      const lost = await Promise.all(
        holders.map(async (holder) => {
          const others = (await effectivePermissions.rolesOf(holder, true)).filter(({ _id }) => _id !== id);
          return isAdministrator(holder, next === null ? others : [...others, next]) ? [] : [holder._id];
        }),
      );
      return { losing: lost.flat(), affected: holders.map(({ _id }) => _id) };
    },
    async () => {
      const { document } = await roles.update(id, null, (before) => {
        if (before === null) throw new RegistryError('not-found');
        const next = compute(before, holders);
        if (next !== null) return { next, visible: true };
        return removedRole(before, call.actor.uuid, call.now());
      });
      return document;
    },
  );
};

/** Removes a role, and takes it from every user who holds it. */
const drop = async (role: RoleDocument, call: Called): Promise<void> => {
  const { _id: id } = role;
  const holders = await holdersOf(role, call);
  await revise(id, () => null, call);
  for (const { _id } of holders) {
    await call.principals.update(_id, null, (before) => {
      if (before === null || !roleIdsOf(before).includes(id)) return null;
      const { privateRoleId, ...rest } = before;
      const roleIds = before.roleIds.filter((one) => one !== id);
      return {
        next: {
          ...rest,
          roleIds,
          ...(privateRoleId !== id && privateRoleId !== undefined && { privateRoleId }),
        } as PrincipalDocument,
        visible: true,
      };
    });
  }
};

/** Removes a user's own role that has no permissions left (AC-5.4). */
const dropEmpty = async (role: RoleDocument, call: Called): Promise<void> => {
  if (role.ownerUuid !== undefined && role.permissions.length === 0) await ignoreError('not-found', drop(role, call));
};

/** The role with these permissions. Permissions it has already keep their ids. */
const withPermissions =
  (wanted: readonly Grant[], { ids }: Called) =>
  (before: RoleDocument): RoleDocument => ({
    ...before,
    permissions: numbered(wanted, before.permissions, () => ids.uuid('permission', null)),
  });

const nameTaken = (): RegistryError =>
  new RegistryError('conflict', 'This name is taken', {
    details: [{ path: '/name', rule: 'unique', message: 'this name is taken' }],
  });

const unlessNamed = async <T>(work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    throw error instanceof RegistryError && error.code === 'conflict' && error.message === 'Conflict' ? nameTaken() : error;
  }
};

export const roles: Implementation['roles'] = {
  async create({ name, isShared = true, autoGenerated = false, permissions = [] }, call) {
    refuseProblems(resourceProblems(permissions, '/permissions'));
    await assertMayGrant(call, permissions);
    const _id = call.ids.uuid('roles:create', call.request);
    const role: RoleDocument = {
      _id,
      name,
      nameLower: roleNameKey(name),
      isShared,
      autoGenerated,
      permissions: numbered(permissions, [], () => call.ids.uuid('permission', null)),
    };
    return { output: roleView(await unlessNamed(call.roles.insert(role, call.request ?? undefined))) };
  },

  async list({ name }, { store }) {
    const filter = { ...notDeleted, ...(name !== undefined && { nameLower: roleNameKey(name) }) };
    const found = await store.collection('roles').find(filter).sort({ name: 1, _id: 1 }).toArray();
    return { output: { roles: found.map(roleView) } };
  },

  async page({ names, autoGenerated, isShared, ...asked }, { store }) {
    const filter = {
      ...notDeleted,
      ...(names !== undefined && { nameLower: { $in: names.map(roleNameKey) } }),
      ...(autoGenerated !== undefined && { autoGenerated }),
      ...(isShared !== undefined && { isShared }),
    };
    const rows = store.collection('roles');
    const { pagination, skip, limit } = pageOf(await rows.countDocuments(filter), asked);
    const found = await rows.find(filter).sort({ name: 1, _id: 1 }).skip(skip).limit(limit).toArray();
    const ids = found.map(({ _id }) => _id);
    const owners = found.flatMap(({ ownerUuid }) => (ownerUuid === undefined ? [] : [ownerUuid]));
    const holders = await store
      .collection('principals')
      .find({ ...notDeleted, $or: [{ roleIds: { $in: ids } }, { _id: { $in: owners } }] })
      .sort({ loginName: 1 })
      .toArray();
    return {
      output: {
        roles: found.map((role) => ({
          ...roleView(role),
          autoGenerated: role.autoGenerated,
          users: holders
            .filter((holder) => roleIdsOf(holder).includes(role._id))
            .map(({ _id, username = '' }) => ({ id: _id, username })),
        })),
        pagination,
      },
    };
  },

  async get({ id }, call) {
    return { output: roleView(await roleOf(id, call)) };
  },

  async update({ id, name, isShared, permissions }, call) {
    const role = await roleOf(id, call);
    if (role.ownerUuid !== undefined && ((name ?? role.name) !== role.name || isShared === true))
      throw new RegistryError('conflict', "A user's own role keeps its name, and is not shared");
    if (permissions !== undefined) {
      refuseProblems(resourceProblems(permissions, '/permissions'));
      await assertMayGrant(
        call,
        permissions.filter((wanted) => !role.permissions.some((has) => isSame(has, wanted))),
      );
    }
    const after = await unlessNamed(
      revise(
        id,
        (before, holders) => {
          if (isShared === false && before.isShared && holders.length > 1)
            throw new RegistryError('conflict', 'More than one user holds this role');
          return {
            ...(permissions === undefined ? before : withPermissions(permissions, call)(before)),
            ...(name !== undefined && { name, nameLower: roleNameKey(name) }),
            ...(isShared !== undefined && { isShared }),
          };
        },
        call,
      ),
    );
    await dropEmpty(after, call);
    return { output: roleView(after) };
  },

  async delete({ id }, call) {
    await drop(await roleOf(id, call), call);
    return { output: {} };
  },

  async listPermissions({ id }, call) {
    return { output: { permissions: (await roleOf(id, call)).permissions } };
  },

  async addPermission({ id, resource, operation, context, permissions }, call) {
    await roleOf(id, call);
    const single =
      resource === undefined || operation === undefined || context === undefined ? [] : [{ resource, operation, context }];
    const added = permissions ?? single;
    const lacks = Object.entries({ resource, operation, context }).filter(([, value]) => value === undefined);
    if (permissions === undefined) {
      refuseProblems(lacks.map(([field]) => ({ path: `/${field}`, rule: 'required', message: 'is needed' })));
    }
    const problems = resourceProblems(added, '/permissions');
    refuseProblems(permissions === undefined ? problems.map((one) => ({ ...one, path: '/resource' })) : problems);
    await assertMayGrant(call, added);
    const after = await revise(id, (before) => withPermissions([...before.permissions, ...added], call)(before), call);
    return { output: { permissions: after.permissions.filter((one) => added.some((wanted) => isSame(one, wanted))) } };
  },

  async getPermission({ id, permissionId }, call) {
    return { output: permissionOf(await roleOf(id, call), permissionId) };
  },

  async updatePermission({ id, permissionId, resource, operation }, call) {
    const before = permissionOf(await roleOf(id, call), permissionId);
    const changed = { ...before, ...(resource !== undefined && { resource }), ...(operation !== undefined && { operation }) };
    refuseProblems(resourceProblems([changed], '').map((one) => ({ ...one, path: '/resource' })));
    await assertMayGrant(call, [changed]);
    await revise(
      id,
      (role) => {
        permissionOf(role, permissionId);
        const others = role.permissions.filter((one) => one.id !== permissionId);
        if (others.some((one) => isSame(one, changed))) throw new RegistryError('conflict', 'The role allows this already');
        return { ...role, permissions: role.permissions.map((one) => (one.id === permissionId ? changed : one)) };
      },
      call,
    );
    return { output: {} };
  },

  async removePermission({ id, permissionId }, call) {
    const after = await revise(
      id,
      (role) => {
        permissionOf(role, permissionId);
        return { ...role, permissions: role.permissions.filter((one) => one.id !== permissionId) };
      },
      call,
    );
    await dropEmpty(after, call);
    return { output: {} };
  },
};
