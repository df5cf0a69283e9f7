import { RegistryError } from '@rollcall/client/contract';
import type { Code } from '../../domain/mfa.ts';
import type { Implementation } from '../handler.ts';
import { passwordId } from '../../identity/passwords/passwords.ts';
import { createLoginSession } from './open-session.ts';

/** The one code that the input contains. Fails with `invalid-input` if there are none or two. */
const codeOf = ({ otp, backupCode }: { readonly otp?: string; readonly backupCode?: string }): Code => {
  if (otp !== undefined && backupCode === undefined) return { otp };
  if (backupCode !== undefined && otp === undefined) return { backupCode };
  throw new RegistryError('invalid-input', undefined, {
    details: [{ path: '', rule: 'oneOf', message: 'either otp or backupCode' }],
  });
};

export const mfa: Implementation['mfa'] = {
  async enable(_input, { mfa: factors, actor, request }) {
    return { output: { uri: await factors.enable(actor.uuid, request) } };
  },

  async validate({ otp }, { mfa: factors, sessions, actor, request }) {
    const { uuid } = actor;
    const backupCodes = await factors.validate(uuid, otp, request);
    await sessions.enrolled(actor);
    // Connections that rest on the password alone do not meet the new requirement.
    return { output: { backupCodes }, revokes: [{ uuid, credential: passwordId(uuid), attended: true }] };
  },

  async login({ username, secret, ...shown }, call) {
    const { proved, wish, request } = await call.mfa.finish({ username, secret, code: codeOf(shown) }, call.numbered);
    return { output: await createLoginSession(proved, wish, request, call) };
  },

  async disable(input, { mfa: factors, actor, request }) {
    await factors.disable(actor.uuid, codeOf(input), request);
    return { output: {} };
  },

  async regenerateBackupCodes(input, { mfa: factors, actor, request }) {
    return { output: { backupCodes: await factors.regenerate(actor.uuid, codeOf(input), request) } };
  },
};
