import { RegistryError, type LoginResult } from '@rollcall/client/contract';
import { permissionsOf } from '../../domain/user.ts';
import type { Services } from '../handler.ts';
import type { Verified, PartiallyVerified } from '../../identity/passwords/password-login.ts';
import type { Wish } from '../../identity/mfa/challenges.ts';
import type { RequestId } from '../../domain/revision.ts';

/**
 * Opens a session for a checked login: a full one, or one for enrolling a second factor only.
 * Fails with `invalid-credentials` if the user may not log in any more.
 */
export const createLoginSession = async (
  checked: Verified | PartiallyVerified<'enrolment'>,
  wish: Wish,
  request: RequestId | null,
  { sessions, logins, effectivePermissions }: Services,
): Promise<LoginResult> => {
  const { principal } = checked.missingFactor === null ? checked : checked.passwordMatch;
  const { id, token, expiresAt } = await sessions.open(checked, { ...wish, request });
  if (!(await logins.stillHolds(checked))) {
    await sessions.close({ uuid: principal._id, credentialId: id, method: 'access' });
    throw new RegistryError('invalid-credentials');
  }
  const isFull = checked.missingFactor === null;
  const permissions = isFull ? permissionsOf(await effectivePermissions.rolesOf(principal)) : [];
  return { token, expiresAt: expiresAt.toISOString(), permissions, needsMfa: false, enforceMFAEnrollment: !isFull };
};
