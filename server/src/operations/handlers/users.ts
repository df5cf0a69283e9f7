import { RegistryError, type ErrorDetail, type Input, type users as rows } from '@rollcall/client/contract';
import { withoutMfa } from '../../domain/mfa.ts';
import { passwordProblems } from '../../domain/password-policy.ts';
import { isGroup } from '../../domain/device.ts';
import { readFingerprint } from '../../domain/fingerprint.ts';
import { numbered, pageOf } from '../../domain/role.ts';
import { resourceProblems } from '../../domain/permissions.ts';
import {
  isAdministrator,
  loginNameOf,
  permissionsOf,
  prefixProblems,
  refuseProblems,
  roleIdsOf,
  takesPassword,
  usernameProblems,
} from '../../domain/user.ts';
import type { Actor, Revocation } from '../../domain/actor.ts';
import type { Implementation, Services } from '../handler.ts';
import { inParallel } from '../../common/in-parallel.ts';
import type { PrincipalPlan } from '../../identity/accounts/principals.ts';
import { passwordId } from '../../identity/passwords/passwords.ts';
import { opensGroup } from './groups.ts';
import { assertMayGrant } from './grant-checks.ts';
import { notDeleted } from '../../domain/tombstone.ts';
import type { RequestId } from '../../domain/revision.ts';
import type { CertificateBinding } from '../../domain/documents/certificate.ts';
import type { PrincipalDocument } from '../../domain/documents/principal.ts';
import type { RoleDocument } from '../../domain/documents/role.ts';

/** Number of users of a batch that are checked concurrently. */
const maxReads = 16;

type NewUser = Input<typeof rows.create>;
type Change = Omit<Input<typeof rows.update>, 'id'>;
type Called = Services & { readonly actor: Actor; readonly request: RequestId | null };

/** Refuses to require multi-factor authentication of a user while it is switched off. */
const checkEnforced = (enforced: boolean | undefined, { mfa }: Services): void => {
  if (enforced === true && !mfa.canEnrol) throw new RegistryError('not-supported', 'Multi-factor authentication is switched off');
};

const passwordOnly: PrincipalDocument['grantTypes'] = [{ method: 'password', isRequired: true }];

/** A user, whether or not they may log in. Fails with `not-found`. */
const userOf = async (id: string, { principals }: Services): Promise<PrincipalDocument> => {
  const found = (await principals.get(id)) ?? (await principals.getFresh(id));
  if (found === null || found.kind !== 'user' || found.state === 'creating') throw new RegistryError('not-found');
  return found;
};

/** The roles with these ids. Fails with `invalid-input` if one does not exist. */
const rolesOf = async (ids: readonly string[], path: string, { roles }: Services): Promise<readonly RoleDocument[]> => {
  const found = await Promise.all(ids.map((id) => roles.getFresh(id)));
  refuseProblems(
    found.flatMap((role, index) =>
      role === null ? [{ path: `${path}/${index}`, rule: 'exists', message: 'there is no role with this id' }] : [],
    ),
  );
  return found.filter((role) => role !== null);
};

/**
 * Checks that a role that is not shared goes to a single user only. Fails with `conflict`.
 * Must run while no other call on this node changes role assignments.
 */
const checkShared = async (given: readonly Pick<PrincipalDocument, '_id' | 'roleIds'>[], { roles, store }: Services) => {
  for (const id of new Set(given.flatMap(({ roleIds }) => roleIds))) {
    const role = await roles.getFresh(id);
    if (role === null || role.isShared) continue;
    const uuids = given.filter(({ roleIds }) => roleIds.includes(id)).map(({ _id }) => _id);
    const isOwn = role.ownerUuid !== undefined && uuids.every((uuid) => uuid === role.ownerUuid);
    const holder = await store.collection('principals').findOne({ roleIds: id, ...notDeleted, _id: { $nin: uuids } });
    if (!isOwn && (role.ownerUuid !== undefined || uuids.length > 1 || holder !== null))
      throw new RegistryError('conflict', 'A role that is not shared belongs to a single user');
  }
};

const problemsOf = (input: NewUser | Change, path: string, { config }: Services): readonly ErrorDetail[] => {
  const { username, password, mqttPublishPrefix, initialPermissions } = input;
  const permissions = 'permissions' in input ? input.permissions : undefined;
  return [
    ...(username === undefined ? [] : usernameProblems(username, `${path}/username`)),
    ...(password === undefined ? [] : passwordProblems(config.passwordPolicy, password, `${path}/password`)),
    ...(mqttPublishPrefix === undefined ? [] : prefixProblems(mqttPublishPrefix, `${path}/mqttPublishPrefix`)),
    ...resourceProblems(initialPermissions ?? [], `${path}/initialPermissions`),
    ...resourceProblems(permissions ?? [], `${path}/permissions`),
  ];
};

/** Parses a fingerprint into its stored form. Fails with `invalid-input`. */
const fingerprintOf = (text: string, path = '/fingerprint'): string => {
  const fingerprint = readFingerprint(text);
  if (fingerprint !== undefined) return fingerprint;
  const details = [{ path, rule: 'fingerprint', message: 'a SHA-1 or SHA-256 fingerprint in hex' }];
  throw new RegistryError('invalid-input', undefined, { details });
};

/** Certificates in their stored form, without duplicates. Fails with `invalid-input`. */
const pinsOf = (given: NewUser['certificates'] = [], path: string, now: number): readonly CertificateBinding[] => {
  const pins = new Map<string, CertificateBinding>();
  for (const [index, { fingerprint: text, createdAt, expiresAt }] of given.entries()) {
    const fingerprint = fingerprintOf(text, `${path}/${index}/fingerprint`);
    pins.set(fingerprint, {
      fingerprint,
      createdAt: new Date(createdAt ?? now),
      ...(expiresAt != null && { expiresAt: new Date(expiresAt) }),
    });
  }
  return [...pins.values()];
};

const nameTaken = (path: string): RegistryError =>
  new RegistryError('conflict', 'This name is taken', {
    details: [{ path: `${path}/username`, rule: 'unique', message: 'this name is taken' }],
  });

/**
 * The group a user is put into.
 * The caller must be allowed to change it, because access lists that name the group apply to all
 * its members.
 */
const groupOf = async (uuid: string | undefined, path: string, call: Called): Promise<string> => {
  if (uuid === undefined || uuid === call.rootGroup) return call.rootGroup;
  const group = await call.devices.getFresh(uuid);
  const sees = group !== null && isGroup(group) && (await opensGroup(group, ['write'], call));
  if (!sees) refuseProblems([{ path: `${path}/group`, rule: 'exists', message: 'there is no such group that you may change' }]);
  return uuid;
};

/** What is already known of a user before their creation: the id and their credentials. */
type Known = Pick<PrincipalPlan, 'passwordHash' | 'certificates'> & { readonly id: string };

/** A plan whose password, if there is one, has still to be hashed. */
type Unhashed = PrincipalPlan & { readonly password?: string };

/** Checks everything about a new user that can be checked before the password is hashed. */
const planOf = async (input: NewUser, index: number, path: string, call: Called, known?: Known): Promise<Unhashed> => {
  const { username, password, grantTypes = passwordOnly, initialPermissions = [], roles: roleIds = [] } = input;
  checkEnforced(input.enforceMFAEnrollment, call);
  const takes = grantTypes.some(({ method }) => method === 'password');
  const missing = takes && password === undefined && known?.passwordHash === undefined;
  refuseProblems([
    ...problemsOf(input, path, call),
    ...(missing ? [{ path: `${path}/password`, rule: 'required', message: 'these grant types need a password' }] : []),
  ]);
  const certificates = known?.certificates ?? pinsOf(input.certificates, `${path}/certificates`, call.now());
  const held = await rolesOf(roleIds, `${path}/roles`, call);
  await assertMayGrant(call, [...permissionsOf(held), ...initialPermissions]);
  const _id = known?.id ?? call.ids.uuid('users:create', call.request, index);
  const other = await call.users.byLoginName(username);
  if (other !== null && other._id !== _id) throw nameTaken(path);
  const at = new Date(call.now());
  return {
    principal: {
      _id,
      kind: 'user',
      state: 'creating',
      username,
      loginName: loginNameOf(username),
      tenant: await groupOf(input.group, path, call),
      autoGenerated: input.autoGenerated ?? false,
      identityProvider: 'local',
      grantTypes,
      roleIds: [...new Set(roleIds)],
      mqttPublishPrefix: input.mqttPublishPrefix ?? '',
      ...(input.enforceMFAEnrollment === true && { enforceMfa: true as const }),
      createdBy: call.actor.uuid,
      createdAt: at,
      updatedAt: at,
      ...(initialPermissions.length > 0 && { privateRoleId: call.ids.uuid('own role', call.request, index) }),
    },
    permissions: numbered(initialPermissions, [], () => call.ids.uuid('permission', null)),
    ...(certificates.length > 0 && { certificates }),
    ...(takes && known?.passwordHash !== undefined && { passwordHash: known.passwordHash }),
    ...(takes && known?.passwordHash === undefined && { password: password ?? '' }),
  };
};

/** The plans with the hashes of their passwords. */
const withHashes = async (plans: readonly Unhashed[], { passwords }: Called): Promise<PrincipalPlan[]> => {
  const hashes = await passwords.hashAll(plans.flatMap(({ password }) => (password === undefined ? [] : [password])));
  const next = hashes.values();
  return plans.map(({ password, ...plan }) =>
    password === undefined ? plan : { ...plan, passwordHash: next.next().value ?? '' },
  );
};

const create = async (plans: readonly PrincipalPlan[], call: Called): Promise<readonly PrincipalDocument[]> => {
  const affected = plans.map(({ principal }) => principal._id);
  return call.users.changing(
    async () => {
      await checkShared(
        plans.map(({ principal }) => principal),
        call,
      );
      return { losing: [], affected };
    },
    () => call.users.create(plans, call.request),
  );
};

/** Puts the path of the item into the details of a `conflict`, which tells which name was taken. */
const within = async <T>(path: string, work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof RegistryError) || error.details === undefined || error.code !== 'conflict') throw error;
    const details = error.details.map((one) => ({
      ...one,
      path: path + (path === '' ? one.path.replace(/^\/\d+/, '') : one.path),
    }));
    throw new RegistryError(error.code, error.message, { details });
  }
};

/** A user as callers with access see them. */
export const one = async (principal: PrincipalDocument, { users }: Services) => {
  const [view] = await users.view([principal]);
  if (view === undefined) throw new RegistryError('not-found');
  return view;
};

/** Creates one user. The caller must be allowed to grant everything the user is given. */
export const makeUser = async (input: NewUser, call: Called, known?: Known): Promise<PrincipalDocument> => {
  const plan = await planOf(input, 0, '', call, known);
  const [made] = await within('', create(await withHashes([plan], call), call));
  if (made === undefined) throw new RegistryError('not-found');
  return made;
};

/** Updates a principal with a revision check. Nothing changes if `compute` returns null. */
const revise = async (
  id: string,
  compute: (before: PrincipalDocument) => PrincipalDocument | null,
  { principals, now, request }: Called,
): Promise<PrincipalDocument> => {
  try {
    const { document } = await principals.update(id, request, (before) => {
      if (before === null || before.kind !== 'user') throw new RegistryError('not-found');
      const next = compute(before);
      return next === null ? null : { next: { ...next, updatedAt: new Date(now()) }, visible: true };
    });
    return document;
  } catch (error) {
    throw error instanceof RegistryError && error.code === 'conflict' && error.details === undefined ? nameTaken('') : error;
  }
};

/** The administrators that lose that right by this change. */
const losing = async (next: PrincipalDocument, roles: readonly RoleDocument[]): Promise<readonly string[]> =>
  isAdministrator(next, roles) ? [] : [next._id];

export const users: Implementation['users'] = {
  async create(input, call) {
    return { output: await one(await makeUser(input, call), call) };
  },

  async createBatch({ users: inputs }, call) {
    const names = inputs.map(({ username }) => loginNameOf(username));
    const twice = names.findIndex((name, index) => names.indexOf(name) < index);
    if (twice >= 0) throw nameTaken(`/users/${twice}`);
    const plans = await inParallel(inputs, maxReads, (input, index) => planOf(input, index, `/users/${index}`, call));
    const made = await within('/users', create(await withHashes(plans, call), call));
    return { output: { ids: made.map(({ _id }) => _id) } };
  },

  async list({ usernames, excludeAutoGeneratedRoles = false, ...asked }, { store, users }) {
    const filter = {
      kind: 'user' as const,
      state: { $ne: 'creating' as const },
      ...notDeleted,
      ...(usernames !== undefined && { loginName: { $in: usernames.map(loginNameOf) } }),
    };
    const rows = store.collection('principals');
    const { pagination, skip, limit } = pageOf(await rows.countDocuments(filter), asked);
    const found = await rows.find(filter).sort({ loginName: 1, _id: 1 }).skip(skip).limit(limit).toArray();
    return { output: { users: [...(await users.view(found, { withoutOwn: excludeAutoGeneratedRoles }))], pagination } };
  },

  async get({ id }, call) {
    return { output: call.users.known(id) ?? (await one(await userOf(id, call), call)) };
  },

  async update({ id, ...input }, call) {
    const before = await userOf(id, call);
    refuseProblems(problemsOf(input, '', call));
    const { username, password, mqttPublishPrefix, grantTypes, disabled, disableMfa, enforceMFAEnrollment: enforced } = input;
    checkEnforced(enforced, call);
    const wanted = input.permissions ?? input.initialPermissions;
    const shared = input.roles === undefined ? undefined : await rolesOf([...new Set(input.roles)], '/roles', call);
    const given = [
      ...(shared ?? []).filter(({ _id }) => !before.roleIds.includes(_id)),
      ...(wanted === undefined ? [] : [{ permissions: wanted }]),
    ];
    await assertMayGrant(
      call,
      given.flatMap(({ permissions }) => permissions),
    );
    // A caller who sets how a user logs in can log in as that user.
    const held = await call.effectivePermissions.rolesOf(before, true);
    const weakens = disabled === false || disableMfa === true || enforced === false;
    if (password !== undefined || grantTypes !== undefined || username !== undefined || weakens)
      await assertMayGrant(call, permissionsOf(held));
    const tenant = input.group === undefined ? before.tenant : await groupOf(input.group, '', call);
    const moves = tenant !== before.tenant && tenant !== undefined;
    const passwordHash = password === undefined ? undefined : await call.passwords.hash(password);
    if (grantTypes !== undefined && passwordHash === undefined && takesPassword({ grantTypes }) && !takesPassword(before)) {
      refuseProblems([{ path: '/password', rule: 'required', message: 'these grant types need a password' }]);
    }

    const changed = (principal: PrincipalDocument, privateRoleId: string | undefined): PrincipalDocument => {
      const { privateRoleId: _own, enforceMfa, ...rest } = disableMfa === true ? withoutMfa(principal) : principal;
      return {
        ...rest,
        ...(username !== undefined && { username, loginName: loginNameOf(username) }),
        ...((enforced ?? enforceMfa) === true && { enforceMfa: true }),
        ...(mqttPublishPrefix !== undefined && { mqttPublishPrefix }),
        ...(grantTypes !== undefined && { grantTypes }),
        ...(disabled !== undefined && { state: disabled ? ('disabled' as const) : ('active' as const) }),
        ...(shared !== undefined && { roleIds: shared.filter(({ ownerUuid }) => ownerUuid === undefined).map(({ _id }) => _id) }),
        ...(moves && { tenant }),
        ...(privateRoleId !== undefined && { privateRoleId }),
      } as PrincipalDocument;
    };
    const after = await call.users.changing(
      async () => {
        const now = await userOf(id, call);
        if (shared !== undefined) await checkShared([{ _id: id, roleIds: shared.map(({ _id }) => _id) }], call);
        const roles = await call.effectivePermissions.rolesOf(changed(now, now.privateRoleId), true);
        const own = wanted === undefined ? undefined : { permissions: numbered(wanted, [], () => '') };
        const next = roles.flatMap((role) => (role._id === now.privateRoleId && own !== undefined ? [] : [role]));
        const all = own === undefined ? next : [...next, { ...own } as RoleDocument];
        return { losing: await losing(changed(now, now.privateRoleId), all), affected: [id] };
      },
      async () => {
        const now = await userOf(id, call);
        const name = username === undefined ? null : await call.users.byLoginName(username);
        if (name !== null && name._id !== id) throw nameTaken('');
        const own = held.find(({ _id }) => _id === now.privateRoleId)?.permissions ?? [];
        const permissions = wanted === undefined ? undefined : numbered(wanted, own, () => call.ids.uuid('permission', null));
        const privateRoleId =
          permissions === undefined ? now.privateRoleId : await call.users.setOwnPermissions(now, permissions);
        return revise(id, (principal) => changed(principal, privateRoleId), call);
      },
    );
    const revokes: Revocation[] = [];
    if (passwordHash !== undefined) {
      await call.passwords.set(id, passwordHash, null);
      const kept = id === call.actor.uuid ? call.actor : undefined;
      for (const ended of await call.sessions.revokeAll(id, kept)) revokes.push(ended);
      await call.firstPasswordChanged(id);
    }
    if (moves) {
      await call.devices.update(id, null, (device) =>
        device === null
          ? null
          : { next: { ...device, _rollcall: { rev: 0, shown: 0, ...device._rollcall, tenant } }, visible: false },
      );
      revokes.push({ device: id });
    }
    if (grantTypes !== undefined && !takesPassword(after, 'certificate')) revokes.push({ uuid: id, credential: passwordId(id) });
    if (disabled === true) {
      revokes.push({ device: id });
      for (const { _id } of await call.users.ownedBy(id)) revokes.push({ device: _id });
    }
    return { output: await one(after, call), revokes };
  },

  async delete({ id }, call) {
    await userOf(id, call);
    const ended = await call.users.changing(
      async () => ({ losing: [id], affected: [] }),
      () => call.users.remove(id, call.actor.uuid),
    );
    return { output: {}, revokes: ended.map((device) => ({ device })) };
  },

  async deleteBatch({ ids }, call) {
    const unique = [...new Set(ids)];
    for (const id of unique) await userOf(id, call);
    const ended = await call.users.changing(
      async () => ({ losing: unique, affected: [] }),
      async () => {
        const removed: string[] = [];
        for (const id of unique) for (const one of await call.users.remove(id, call.actor.uuid)) removed.push(one);
        return removed;
      },
    );
    return { output: {}, revokes: ended.map((device) => ({ device })) };
  },

  async changePassword({ password, newPassword }, call) {
    const user = await userOf(call.actor.uuid, call);
    await call.logins.check(user.username ?? '', password, call.address);
    refuseProblems(passwordProblems(call.config.passwordPolicy, newPassword, '/newPassword'));
    await call.passwords.set(user._id, await call.passwords.hash(newPassword), call.request);
    const revokes = await call.sessions.revokeAll(user._id, call.actor);
    await call.firstPasswordChanged(user._id);
    return { output: {}, revokes };
  },

  async listTokens({ id }, call) {
    await userOf(id, call);
    return { output: { tokens: [...((await call.sessions.list([id])).get(id) ?? [])] } };
  },

  async revokeTokens({ id, tokenId }, call) {
    await userOf(id, call);
    const revokes = tokenId === undefined ? await call.sessions.revokeAll(id) : await call.sessions.revoke(id, tokenId);
    if (tokenId !== undefined && revokes.length === 0) throw new RegistryError('not-found');
    const recheck = async (): Promise<boolean> => (await call.sessions.revokeAll(id)).length > 0;
    return { output: { revoked: revokes.length }, revokes, ...(revokes.length === 0 && { recheck }) };
  },

  async addCertificate({ id, fingerprint: text }, call) {
    const user = await userOf(id, call);
    const fingerprint = fingerprintOf(text);
    await assertMayGrant(call, permissionsOf(await call.effectivePermissions.rolesOf(user, true)));
    await call.certificateBindings.add(id, { fingerprint, createdAt: new Date(call.now()) }, call.request);
    // Connections with other certificates are closed when the change is applied, and the answer
    // waits for that.
    return { output: {}, revokes: [] };
  },

  async removeCertificate({ id, fingerprint: text }, call) {
    const user = await userOf(id, call);
    const fingerprint = fingerprintOf(text);
    // A user without certificate bindings can log in with every certificate that has their name.
    await assertMayGrant(call, permissionsOf(await call.effectivePermissions.rolesOf(user, true)));
    const revokes = await call.certificateBindings.remove(id, fingerprint);
    if (revokes.length === 0) throw new RegistryError('not-found');
    return { output: {}, revokes };
  },

  async addRole({ id, roleId }, call) {
    await userOf(id, call);
    const role = await call.roles.getFresh(roleId);
    if (role === null) throw new RegistryError('not-found');
    await assertMayGrant(call, role.permissions);
    await call.users.changing(
      async () => {
        await checkShared([{ _id: id, roleIds: [roleId] }], call);
        return { losing: [], affected: [id] };
      },
      () =>
        revise(
          id,
          (before) => (roleIdsOf(before).includes(roleId) ? null : { ...before, roleIds: [...before.roleIds, roleId] }),
          call,
        ),
    );
    return { output: {} };
  },

  async removeRole({ id, roleId }, call) {
    await call.users.changing(
      async () => {
        const before = await userOf(id, call);
        const next = { ...before, roleIds: before.roleIds.filter((one) => one !== roleId) };
        return { losing: await losing(next, await call.effectivePermissions.rolesOf(next, true)), affected: [id] };
      },
      () =>
        revise(
          id,
          (before) => {
            if (!before.roleIds.includes(roleId)) throw new RegistryError('not-found');
            return { ...before, roleIds: before.roleIds.filter((one) => one !== roleId) };
          },
          call,
        ),
    );
    return { output: {} };
  },
};
