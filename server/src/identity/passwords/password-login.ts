import { createHmac } from 'node:crypto';
import { RegistryError } from '@rollcall/client/contract';
import { LRUCache } from 'lru-cache';
import { isEnrolled, missingFactor } from '../../domain/mfa.ts';
import { isLive, isNamed, loginNameOf, takesPassword } from '../../domain/user.ts';
import type { Lockout } from './lockout.ts';
import type { Passwords } from './passwords.ts';
import { openQueue } from '../../common/keyed-queue.ts';
import type { PrincipalDocument } from '../../domain/documents/principal.ts';

/** A user who has shown his password, and the stored hash that it fitted. */
export interface ByPassword {
  readonly principal: PrincipalDocument;
  readonly hash: string;
}

/** A user who has shown all that he has to. */
export interface Proved extends ByPassword {
  readonly missing: null;
  /** Did that include a code of the second factor? */
  readonly withCode: boolean;
}

/**
 * A user whose password is right, and who has still to show a code, or to enrol. The password alone opens no door to him; a door that cannot
 * ask for more refuses, or says in its own words why it goes on with `byPassword`.
 */
export interface Unproved<M extends 'code' | 'enrolment' = 'code' | 'enrolment'> {
  readonly missing: M;
  readonly byPassword: ByPassword;
}

/** What has come of name and password. Only what `missing` says tells whether they are enough. */
export type Checked = Proved | Unproved<'code'> | Unproved<'enrolment'>;

/** Who logs in by name and password. Every door that takes a password asks here. */
export interface Logins {
  /**
   * The user with this name and password, and which factor he has still to show.
   *
   * Fails with `invalid-credentials`, whatever is wrong: name, password, a user who is disabled or may not use a password; with `banned` after
   * too many failures, `busy` if too many wait. The work is the same for a name that does not exist.
   */
  check(username: string, password: string, address: string): Promise<Checked>;
  /** Is it still so, now that something was made of it? Otherwise what was made has to be ended. */
  stillHolds(checked: Checked): Promise<boolean>;
  /** The same for whoever shows his password with each request: it is compared once, and for a minute by a keyed hash. Null if it is wrong. `beside`: he has shown his certificate too. */
  checkAgain(username: string, password: string, address: string, beside?: 'certificate'): Promise<Checked | null>;
}

const rememberedMs = 60_000;
const mostRemembered = 5_000;

/** Opens them. `key`: 32 secret bytes. */
export const openLogins = (options: {
  /** The principal of any kind with this login name, as the store has it now. */
  readonly byLoginName: (loginName: string) => Promise<PrincipalDocument | null>;
  /** The stored hash of somebody's password. */
  readonly hashOf: (uuid: string) => Promise<string | undefined>;
  readonly isAdministrator: (principal: PrincipalDocument) => Promise<boolean>;
  readonly passwords: Passwords;
  readonly lockout: Lockout;
  /** Can users enrol a second factor, and be held to it? */
  readonly canEnrol: boolean;
  readonly key: Buffer;
  readonly now: () => number;
}): Logins => {
  const { byLoginName, hashOf, passwords, lockout, now } = options;
  const line = openQueue();
  const remembered = new LRUCache<string, string>({ max: mostRemembered, ttl: rememberedMs });

  const find = async (username: string, beside?: 'certificate'): Promise<PrincipalDocument | null> => {
    const principal = await byLoginName(loginNameOf(username));
    if (principal === null || principal.kind !== 'user' || !isNamed(principal, username)) return null;
    return isLive(principal, now()) && takesPassword(principal, beside) ? principal : null;
  };

  const checkedOf = (byPassword: ByPassword): Checked => {
    const missing = missingFactor(byPassword.principal, options.canEnrol);
    if (missing === null) return { missing, withCode: false, ...byPassword };
    return missing === 'code' ? { missing, byPassword } : { missing, byPassword };
  };

  // One at a time for each name and address: otherwise many guesses at once would be counted too late.
  const verify = (username: string, password: string, address: string, beside?: 'certificate') =>
    line(JSON.stringify([loginNameOf(username), address]), async () => {
      const name = loginNameOf(username);
      const principal = await find(username, beside);
      lockout.check(name, address, {
        secondFactor: principal !== null && isEnrolled(principal),
        isAdministrator: principal !== null && (await options.isAdministrator(principal)),
      });
      const hash = await passwords.verify(principal?._id ?? null, password);
      if (principal === null || hash === null) {
        lockout.fail(name, address);
        return null;
      }
      lockout.succeed(name, address);
      return { principal, hash };
    });

  return {
    async check(username, password, address) {
      const found = await verify(username, password, address);
      if (found === null) throw new RegistryError('invalid-credentials');
      return checkedOf(found);
    },
    async stillHolds(checked) {
      const { principal, hash } = checked.missing === null ? checked : checked.byPassword;
      const present = await find(principal.username ?? '');
      if (present?._id !== principal._id || (await hashOf(principal._id)) !== hash) return false;
      const missing = missingFactor(present, options.canEnrol);
      return (
        missing === null || missing === checked.missing || (missing === 'code' && checked.missing === null && checked.withCode)
      );
    },
    async checkAgain(username, password, address, beside) {
      const shown = createHmac('sha256', options.key)
        .update(JSON.stringify([username, password]))
        .digest('base64');
      const known = remembered.get(shown);
      if (known !== undefined) {
        const principal = await find(username, beside);
        if (principal !== null && (await hashOf(principal._id)) === known) return checkedOf({ principal, hash: known });
        remembered.delete(shown);
      }
      const found = await verify(username, password, address, beside);
      if (found === null) return null;
      remembered.set(shown, found.hash);
      return checkedOf(found);
    },
  };
};
