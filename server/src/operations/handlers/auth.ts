import { RegistryError } from '@rollcall/client/contract';
import type { Implementation } from '../handler.ts';
import { accessMs, type TokenPair } from '../../identity/tokens/login-sessions.ts';

const answer = ({ token, refreshToken, expiresAt }: TokenPair) => ({
  token,
  refreshToken,
  validityTime: accessMs / 1000,
  expiresAt: expiresAt.toISOString(),
});

const invalid = (): RegistryError => new RegistryError('unauthenticated', 'Invalid token');

export const auth: Implementation['auth'] = {
  async token({ username, password }, { logins, sessions, address, rootGroup }) {
    const proved = await logins.check(username, password, address);
    // This login has no field for a code.
    if (proved.missingFactor !== null) throw new RegistryError('mfa-required');
    const pair = await sessions.openPair(proved);
    if (!(await logins.stillHolds(proved))) {
      await sessions.close({ uuid: proved.principal._id, credentialId: pair.id, method: 'access' });
      throw new RegistryError('invalid-credentials');
    }
    return { output: { customerId: proved.principal.tenant ?? rootGroup, ...answer(pair) } };
  },

  async refresh({ token, refreshToken }, { sessions, numbered, revoke }) {
    const outcome = await sessions.refresh(token, refreshToken, numbered);
    if ('pair' in outcome) {
      const whose = await sessions.verify(outcome.pair.token);
      return { output: answer(outcome.pair), auditTargets: whose === null ? [] : [whose.uuid] };
    }
    await revoke(outcome.ended);
    throw invalid();
  },

  async revoke({ token }, { sessions, actor }) {
    const shown = token === undefined ? actor : await sessions.verify(token);
    const revokes = shown === null ? null : await sessions.close(shown);
    if (shown === null || revokes === null) throw invalid();
    return { output: {}, revokes, auditTargets: [shown.uuid] };
  },
};
