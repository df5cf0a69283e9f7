import { RegistryError } from '@rollcall/client/contract';
import { isEnrolled } from '../../domain/mfa.ts';
import { permissionsOf } from '../../domain/user.ts';
import type { Implementation } from '../handler.ts';
import { createLoginSession } from './open-session.ts';

const hourMs = 3_600_000;

export const session: Implementation['session'] = {
  async login({ username, password, expireTimeInHours = 24, label = '' }, call) {
    const checked = await call.logins.check(username, password, call.address);
    const wish = { label, lifetimeMs: expireTimeInHours * hourMs };
    if (checked.missingFactor === 'code') {
      const secret = await call.mfa.challenge(checked.passwordMatch, wish);
      return { output: { permissions: [], needsMfa: true, secret, enforceMFAEnrollment: false } };
    }
    const { principal } = checked.missingFactor === null ? checked : checked.passwordMatch;
    const request = call.numbered === null ? null : { ...call.numbered, actor: principal._id };
    return { output: await createLoginSession(checked, wish, request, call) };
  },

  async get(_input, { actor, effectivePermissions, sessions }) {
    const authority = (await effectivePermissions.of(actor.uuid)) ?? (await effectivePermissions.getFresh(actor.uuid));
    if (authority === null || authority.principal.kind !== 'user')
      throw new RegistryError('not-found', 'Only a user has a session');
    return {
      output: {
        username: authority.principal.username ?? '',
        expiresAt: (await sessions.expiresAt(actor))?.toISOString() ?? null,
        permissions: actor.scope === undefined ? permissionsOf(authority.roles) : [],
        mfa: { enabled: isEnrolled(authority.principal), enforced: authority.principal.enforceMfa === true },
      },
    };
  },

  async logout(_input, { actor, sessions }) {
    const revokes = await sessions.close(actor);
    if (revokes === null) throw new RegistryError('conflict', 'Only a login can be ended');
    return { output: {}, revokes };
  },
};
