import { RegistryError, type Permission, type User } from '@rollcall/client/contract';
import type { Administrators } from './administrators.ts';
import type { Authorities } from './authorities.ts';
import type { DerivedIds } from './derived-ids.ts';
import { newDevice } from './domain/device.ts';
import { isAdministrator, loginNameOf, removedPrincipal, roleIdsOf, userView } from './domain/user.ts';
import type { Documents, RequestId } from './door.ts';
import type { Passwords } from './passwords.ts';
import { openQueue } from './queue.ts';
import type { Sessions } from './sessions.ts';
import type { DeviceDocument, PrincipalDocument, RecordOfRegistry, RoleDocument } from './store/collections.ts';
import type { Store } from './store/port.ts';
import type { Tokens } from './tokens.ts';

/** What a user is made of: the principal, and what else is written for him. */
export interface Plan {
  readonly principal: PrincipalDocument;
  readonly passwordHash?: string;
  /** What a role of his own allows; empty if there is none. */
  readonly permissions: readonly Permission[];
}

/** Users as a whole: principal, device, password, own role (domain model, section 2). */
export interface Users {
  /** The principal of any kind with this login name, in any case. */
  byLoginName(loginName: string): Promise<PrincipalDocument | null>;
  /**
   * Makes users: principal `creating`, device, password, own role, principal `active`. Several are made all or none. A crash in between is
   * finished by `finish`. Fails with `conflict` if a name is taken, naming its index.
   */
  create(plans: readonly Plan[], request: RequestId | null): Promise<readonly PrincipalDocument[]>;
  /** Removes a user with everything that is his; only the uuids in whitelists and `owner` of others stay. */
  remove(uuid: string, by: string): Promise<void>;
  /** Puts a list of permissions in the place of those of his own role, which is made, changed or removed; answers its id. */
  setOwnPermissions(principal: PrincipalDocument, permissions: readonly Permission[]): Promise<string | undefined>;
  /** The same users as those see them who may. */
  view(principals: readonly PrincipalDocument[], options?: { readonly withoutOwn?: boolean }): Promise<readonly User[]>;
  /**
   * Carries out a change of who may do what, one at a time on this node. `losing` are those who will not be administrators by it; everybody in
   * `affected` who is one afterwards is put on their list. Fails with `conflict` if nobody would be left.
   */
  changing<T>(
    plan: () => Promise<{ readonly losing: readonly string[]; readonly affected: readonly string[] }>,
    apply: () => Promise<T>,
  ): Promise<T>;
  /** Goes on with what a crash left. */
  finish(): Promise<void>;
}

/** How old unfinished work must be before somebody else takes it up, in milliseconds. */
const abandonedMs = 60_000;

/** Opens the users of a store. */
export const openUsers = (options: {
  readonly store: Store;
  readonly principals: Documents<PrincipalDocument>;
  readonly roles: Documents<RoleDocument>;
  readonly records: Documents<RecordOfRegistry>;
  readonly devices: Documents<DeviceDocument>;
  readonly authorities: Authorities;
  readonly administrators: Administrators;
  readonly passwords: Passwords;
  readonly sessions: Sessions;
  readonly tokens: Tokens;
  readonly ids: DerivedIds;
  readonly now: () => number;
}): Users => {
  const { store, principals, roles, records, devices, authorities, administrators, passwords, sessions, tokens, ids, now } =
    options;
  const serially = openQueue();
  const rows = store.collection('principals');

  const taken = (index: number): never => {
    throw new RegistryError('conflict', 'This name is taken', {
      details: [{ path: `/${index}/username`, rule: 'unique', message: 'this name is taken' }],
    });
  };

  const unlessGone = async (work: Promise<unknown>): Promise<void> => {
    try {
      await work;
    } catch (error) {
      if (!(error instanceof RegistryError) || error.code !== 'not-found') throw error;
    }
  };

  const insertOnce = async <D>(work: Promise<D>): Promise<void> => {
    try {
      await work;
    } catch (error) {
      if (!(error instanceof RegistryError) || error.code !== 'conflict') throw error;
    }
  };

  /** Does what is left after the principal was written; each step may be repeated. */
  const complete = async (principal: PrincipalDocument): Promise<PrincipalDocument> => {
    const { _id: uuid, unfinished, privateRoleId } = principal;
    if (unfinished === undefined) return principal;
    const device = newDevice({ type: principal.kind, meshblu: { version: '2.0.0', whitelists: {} } }, uuid, principal.createdAt);
    await insertOnce(devices.insert({ ...device, _rollcall: { rev: 0, shown: 0, principal: true } }));
    if (unfinished.passwordHash !== undefined) await passwords.set(uuid, unfinished.passwordHash, null);
    if (privateRoleId !== undefined) await insertOnce(roles.insert(ownRole(uuid, privateRoleId, unfinished.permissions ?? [])));
    const { document } = await principals.revise(uuid, null, (before) => {
      if (before === null || before.unfinished === undefined) return null;
      const { unfinished: _done, ...next } = before;
      return { next: { ...next, state: 'active' } as PrincipalDocument, shown: true };
    });
    return document;
  };

  const ownRole = (uuid: string, id: string, permissions: readonly Permission[]): RoleDocument => ({
    _id: id,
    name: `user:${uuid}`,
    isShared: false,
    autoGenerated: true,
    ownerUuid: uuid,
    permissions: [...permissions],
  });

  const dropRole = (id: string, by: string): Promise<void> =>
    unlessGone(
      roles.revise(id, null, (before) => {
        if (before === null) return null;
        const { nameLower: _name, ...rest } = before;
        const hidden = { rev: 0, shown: 0, ...before._rollcall, gone: { at: now(), by } };
        return { next: { ...rest, _rollcall: hidden } as RoleDocument, shown: true };
      }),
    );

  /** Removes what hangs on a principal that is gone; each step may be repeated. */
  const clear = async ({ _id: uuid, privateRoleId }: PrincipalDocument, by: string): Promise<void> => {
    await sessions.forget(uuid);
    await unlessGone(
      devices.revise(uuid, null, (before) =>
        before === null
          ? null
          : { next: { ...before, _rollcall: { rev: 0, shown: 0, ...before._rollcall, gone: { at: now(), by } } }, shown: true },
      ),
    );
    await tokens.removeAll(uuid);
    if (privateRoleId !== undefined) await dropRole(privateRoleId, by);
    const row = await rows.findOne({ _id: uuid, unfinished: { $exists: true }, '_rollcall.gone': { $exists: true } });
    if (row?._rollcall === undefined) return;
    const { unfinished: _done, ...rest } = row;
    const { rev } = row._rollcall;
    await rows.replaceOne({ _id: uuid, '_rollcall.rev': rev }, {
      ...rest,
      _rollcall: { ...row._rollcall, rev: rev + 1 },
    } as PrincipalDocument);
  };

  const begin = async (plan: Plan, index: number, work: string | null, request: RequestId | null): Promise<PrincipalDocument> => {
    const { principal, passwordHash, permissions } = plan;
    const unfinished = {
      since: new Date(now()),
      permissions: [...permissions],
      ...(passwordHash !== undefined && { passwordHash }),
      ...(work !== null && { work }),
    };
    try {
      return await principals.insert({ ...principal, state: 'creating', unfinished }, request ?? undefined);
    } catch (error) {
      return error instanceof RegistryError && error.code === 'conflict' ? taken(index) : Promise.reject(error);
    }
  };

  const decide = async (work: string, state: 'decided' | 'abandoned'): Promise<boolean> => {
    const { document } = await records.revise(work, null, (before) =>
      before === null || before.state !== 'open' ? null : { next: { ...before, state }, shown: true },
    );
    return document.state === 'decided';
  };

  const abandon = async (begun: readonly PrincipalDocument[]): Promise<void> => {
    for (const { _id } of begun) {
      await unlessGone(principals.revise(_id, null, (before) => (before === null ? null : removedPrincipal(before, _id, now()))));
    }
  };

  const create: Users['create'] = async (plans, request) => {
    if (plans.length === 1 && plans[0] !== undefined) return [await complete(await begin(plans[0], 0, null, request))];
    const work = `work:${ids.uuid('users:createBatch', request)}`;
    await insertOnce(records.insert({ _id: work, uuids: plans.map(({ principal }) => principal._id), state: 'open' }));
    const begun: PrincipalDocument[] = [];
    try {
      for (const [index, plan] of plans.entries()) begun.push(await begin(plan, index, work, request));
    } catch (error) {
      if (!(await decide(work, 'abandoned'))) await abandon(begun);
      throw error;
    }
    if (!(await decide(work, 'decided'))) throw new RegistryError('outcome-unknown');
    const made: PrincipalDocument[] = [];
    for (const principal of begun) made.push(await complete(principal));
    return made;
  };

  const isOne = async (uuid: string): Promise<boolean> => {
    const principal = await principals.fresh(uuid);
    return principal !== null && isAdministrator(principal, await authorities.rolesOf(principal, true));
  };

  return {
    create,

    byLoginName: (loginName) => rows.findOne({ loginName: loginNameOf(loginName), '_rollcall.gone': { $exists: false } }),

    async remove(uuid, by) {
      const { document } = await principals.revise(uuid, null, (before) => {
        if (before === null) throw new RegistryError('not-found');
        return removedPrincipal(before, by, now());
      });
      await clear(document, by);
    },

    async setOwnPermissions({ _id: uuid, privateRoleId }, permissions) {
      if (privateRoleId !== undefined && permissions.length > 0) {
        await roles.revise(privateRoleId, null, (before) =>
          before === null ? null : { next: { ...before, permissions: [...permissions] }, shown: true },
        );
        return privateRoleId;
      }
      if (privateRoleId !== undefined) await dropRole(privateRoleId, uuid);
      if (permissions.length === 0) return undefined;
      const id = ids.uuid('own role', null);
      await roles.insert(ownRole(uuid, id, permissions));
      return id;
    },

    async view(found, { withoutOwn = false } = {}) {
      const lists = await sessions.list(found.map(({ _id }) => _id));
      const wanted = [...new Set(found.flatMap((principal) => roleIdsOf(principal)))];
      const held = new Map((await Promise.all(wanted.map((id) => roles.find(id)))).map((role) => [role?._id, role] as const));
      return found.map((principal) => {
        const own = roleIdsOf(principal)
          .map((id) => held.get(id) ?? null)
          .filter((role) => role !== null);
        return userView(
          principal,
          withoutOwn ? own.filter(({ autoGenerated }) => !autoGenerated) : own,
          lists.get(principal._id) ?? [],
        );
      });
    },

    changing: (plan, apply) =>
      serially('administration', async () => {
        const { losing, affected } = await plan();
        await administrators.remove(losing);
        try {
          return await apply();
        } finally {
          const now = await Promise.all(affected.map(async (uuid) => ((await isOne(uuid)) ? [uuid] : [])));
          await administrators.add(now.flat());
        }
      }),

    async finish() {
      const before = new Date(now() - abandonedMs);
      for (const principal of await rows
        .find({ 'unfinished.since': { $lt: before } })
        .limit(100)
        .toArray()) {
        if (principal._rollcall?.gone !== undefined) await clear(principal, principal._rollcall.gone.by);
        else if (principal.unfinished?.work === undefined) await complete(principal);
        else if (await decide(principal.unfinished.work, 'abandoned')) await complete(principal);
        else await abandon([principal]);
      }
    },
  };
};
