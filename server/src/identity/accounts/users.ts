import type { CertificateReference, Permission, TokenInfo, User } from '@rollcall/client/contract';
import type { Administrators } from './administrators.ts';
import type { EffectivePermissions } from '../effective-permissions.ts';
import type { CertificateBindings } from '../certificates/bindings.ts';
import type { IdempotentIds } from '../../data/repository/idempotent-ids.ts';
import { isAdministrator, roleIdsOf, userView } from '../../domain/user.ts';
import { ownRole, type Principals } from './principals.ts';
import { createKeyedQueue } from '../../common/keyed-queue.ts';
import type { LoginSessions } from '../tokens/login-sessions.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { PrincipalDocument } from '../../domain/documents/principal.ts';
import type { RoleDocument } from '../../domain/documents/role.ts';

/** Identities, and what only users have: roles of their own, and how they are shown. */
export interface Users extends Principals {
  /** Puts a list of permissions in the place of those of his own role, which is made, changed or removed; answers its id. */
  setOwnPermissions(principal: PrincipalDocument, permissions: readonly Permission[]): Promise<string | undefined>;
  /** A user as those see him who may, if nothing has to be read for it. */
  known(id: string): User | undefined;
  /** The same users as those see them who may. */
  view(principals: readonly PrincipalDocument[], options?: { readonly withoutOwn?: boolean }): Promise<readonly User[]>;
  /**
   * Carries out a change of who may do what, one at a time on this node. `losing` are those who will not be administrators by it; whoever of them and
   * of `affected` is one afterwards is put on their list. Fails with `conflict` if nobody would be left.
   */
  changing<T>(
    plan: () => Promise<{ readonly losing: readonly string[]; readonly affected: readonly string[] }>,
    apply: () => Promise<T>,
  ): Promise<T>;
}

const none: readonly never[] = [];

/** Is it a user whom others may see, and not one who is being made? */
const isShown = ({ kind, state }: PrincipalDocument): boolean => kind === 'user' && state !== 'creating';

/** Opens the users of a store. */
export const createUsers = (options: {
  readonly identities: Principals;
  readonly principals: Repository<PrincipalDocument>;
  readonly roles: Repository<RoleDocument>;
  readonly authorities: EffectivePermissions;
  readonly administrators: Administrators;
  readonly sessions: LoginSessions;
  readonly pins: CertificateBindings;
  readonly ids: IdempotentIds;
}): Users => {
  const { identities, principals, roles, authorities, administrators, sessions, pins, ids } = options;
  const serially = createKeyedQueue();

  const isOne = async (uuid: string): Promise<boolean> => {
    const principal = await principals.getFresh(uuid);
    return principal !== null && isAdministrator(principal, await authorities.rolesOf(principal, true));
  };

  /** What was shown last of a principal's document: as long as nothing of him changes it is the very same. */
  const lastShown = new WeakMap<PrincipalDocument, { readonly of: readonly unknown[]; readonly view: User }>();
  const shown = (
    principal: PrincipalDocument,
    held: readonly RoleDocument[],
    tokens: readonly TokenInfo[],
    certificates: readonly CertificateReference[],
  ): User => {
    const of = [tokens, certificates, ...held];
    const last = lastShown.get(principal);
    if (last !== undefined && of.length === last.of.length && of.every((one, index) => one === last.of[index])) return last.view;
    const view = Object.freeze(userView(principal, held, { tokens, certificates }));
    lastShown.set(principal, { of, view });
    return view;
  };

  return {
    ...identities,

    async setOwnPermissions({ _id: uuid, privateRoleId }, permissions) {
      if (privateRoleId !== undefined && permissions.length > 0) {
        await roles.update(privateRoleId, null, (before) =>
          before === null ? null : { next: { ...before, permissions: [...permissions] }, visible: true },
        );
        return privateRoleId;
      }
      if (privateRoleId !== undefined) await identities.dropRole(privateRoleId, uuid);
      if (permissions.length === 0) return undefined;
      const id = ids.uuid('own role', null);
      await roles.insert(ownRole(uuid, id, permissions));
      return id;
    },

    known(id) {
      const principal = principals.peek(id);
      if (principal === undefined || principal === null) return undefined;
      const tokens = sessions.listed(id);
      const certificates = pins.listed(id);
      const held = roleIdsOf(principal).map((role) => roles.peek(role));
      const own = held.filter((role) => role !== undefined && role !== null);
      if (tokens === undefined || certificates === undefined || own.length < held.length || !isShown(principal)) return undefined;
      return shown(principal, own, tokens, certificates);
    },

    async view(found, { withoutOwn = false } = {}) {
      const uuids = found.map(({ _id }) => _id);
      const [lists, bound] = await Promise.all([sessions.list(uuids), pins.list(uuids)]);
      const wanted = [...new Set(found.flatMap((principal) => roleIdsOf(principal)))];
      const held = new Map((await Promise.all(wanted.map((id) => roles.get(id)))).map((role) => [role?._id, role] as const));
      return found.map((principal) => {
        const own = roleIdsOf(principal)
          .map((id) => held.get(id) ?? null)
          .filter((role) => role !== null)
          .filter(({ autoGenerated }) => !(withoutOwn && autoGenerated));
        return shown(principal, own, lists.get(principal._id) ?? none, bound.get(principal._id) ?? none);
      });
    },

    changing: (plan, apply) =>
      serially('administration', async () => {
        const { losing, affected } = await plan();
        await administrators.remove(losing);
        try {
          return await apply();
        } finally {
          const looked = [...new Set([...losing, ...affected])];
          const now = await Promise.all(looked.map(async (uuid) => ((await isOne(uuid)) ? [uuid] : [])));
          await administrators.add(now.flat());
        }
      }),
  };
};
