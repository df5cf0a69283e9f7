import { RegistryError } from '@rollcall/client/contract';
import { permissionsOf } from '../domain/user.ts';
import type { Implementation } from '../implement.ts';

const hourMs = 3_600_000;

export const session: Implementation['session'] = {
  async login({ username, password, expireTimeInHours = 24, label = '' }, { logins, sessions, authorities, address }) {
    const proved = await logins.check(username, password, address);
    const { id, token, expiresAt } = await sessions.open(proved.principal, { label, lifetimeMs: expireTimeInHours * hourMs });
    if (!(await logins.stillHolds(proved))) {
      await sessions.close({ uuid: proved.principal._id, credentialId: id, method: 'access' });
      throw new RegistryError('invalid-credentials');
    }
    const permissions = permissionsOf(await authorities.rolesOf(proved.principal));
    return {
      output: { token, expiresAt: expiresAt.toISOString(), permissions, needsMfa: false, enforceMFAEnrollment: false },
    };
  },

  async get(_input, { actor, authorities, sessions }) {
    const authority = (await authorities.of(actor.uuid)) ?? (await authorities.fresh(actor.uuid));
    if (authority === null || authority.principal.kind !== 'user')
      throw new RegistryError('not-found', 'Only a user has a session');
    return {
      output: {
        username: authority.principal.username ?? '',
        expiresAt: (await sessions.expiresAt(actor))?.toISOString() ?? null,
        permissions: permissionsOf(authority.roles),
        mfa: { enabled: false, enforced: false },
      },
    };
  },

  async logout(_input, { actor, sessions }) {
    const ends = await sessions.close(actor);
    if (ends === null) throw new RegistryError('conflict', 'Only a login can be ended');
    return { output: {}, ends };
  },
};
