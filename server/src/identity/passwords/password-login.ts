import { createHmac } from 'node:crypto';
import { RegistryError } from '@rollcall/client/contract';
import { LRUCache } from 'lru-cache';
import { isEnrolled, missingFactor } from '../../domain/mfa.ts';
import { isLive, isNamed, loginNameOf, takesPassword } from '../../domain/user.ts';
import type { Lockout } from './lockout.ts';
import type { Passwords } from './passwords.ts';
import { createKeyedQueue } from '../../common/keyed-queue.ts';
import type { PrincipalDocument } from '../../domain/documents/principal.ts';

/** A user who has shown his password, and the stored hash that it fitted. */
export interface PasswordMatch {
  readonly principal: PrincipalDocument;
  readonly hash: string;
}

/** A user who has shown all that he has to. */
export interface Verified extends PasswordMatch {
  readonly missingFactor: null;
  /** Did that include a code of the second factor? */
  readonly withCode: boolean;
}

/**
 * A user whose password is right, and who has still to show a code, or to enrol. The password alone opens no door to him; a door that cannot
 * ask for more refuses, or says in its own words why it goes on with `byPassword`.
 */
export interface PartiallyVerified<M extends 'code' | 'enrolment' = 'code' | 'enrolment'> {
  readonly missingFactor: M;
  readonly passwordMatch: PasswordMatch;
}

/** What has come of name and password. Only what `missing` says tells whether they are enough. */
export type PasswordCheck = Verified | PartiallyVerified<'code'> | PartiallyVerified<'enrolment'>;

/** Who logs in by name and password. Every door that takes a password asks here. */
export interface PasswordLogins {
  /**
   * The user with this name and password, and which factor he has still to show.
   *
   * Fails with `invalid-credentials`, whatever is wrong: name, password, a user who is disabled or may not use a password; with `banned` after
   * too many failures, `busy` if too many wait. The work is the same for a name that does not exist.
   */
  check(username: string, password: string, address: string): Promise<PasswordCheck>;
  /** Is it still so, now that something was made of it? Otherwise what was made has to be ended. */
  stillHolds(checked: PasswordCheck): Promise<boolean>;
  /** The same for whoever shows his password with each request: it is compared once, and for a minute by a keyed hash. Null if it is wrong. `beside`: he has shown his certificate too. */
  checkAgain(username: string, password: string, address: string, beside?: 'certificate'): Promise<PasswordCheck | null>;
}

const rememberedMs = 60_000;
const maxRemembered = 5_000;

/** Opens them. `key`: 32 secret bytes. */
export const createPasswordLogins = (options: {
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
}): PasswordLogins => {
  const { byLoginName, hashOf, passwords, lockout, now } = options;
  const line = createKeyedQueue();
  const remembered = new LRUCache<string, string>({ max: maxRemembered, ttl: rememberedMs });

  const find = async (username: string, beside?: 'certificate'): Promise<PrincipalDocument | null> => {
    const principal = await byLoginName(loginNameOf(username));
    if (principal === null || principal.kind !== 'user' || !isNamed(principal, username)) return null;
    return isLive(principal, now()) && takesPassword(principal, beside) ? principal : null;
  };

  const checkedOf = (passwordMatch: PasswordMatch): PasswordCheck => {
    const missing = missingFactor(passwordMatch.principal, options.canEnrol);
    if (missing === null) return { missingFactor: missing, withCode: false, ...passwordMatch };
    return missing === 'code' ? { missingFactor: missing, passwordMatch } : { missingFactor: missing, passwordMatch };
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
      const { principal, hash } = checked.missingFactor === null ? checked : checked.passwordMatch;
      const present = await find(principal.username ?? '');
      if (present?._id !== principal._id || (await hashOf(principal._id)) !== hash) return false;
      const missing = missingFactor(present, options.canEnrol);
      return (
        missing === null ||
        missing === checked.missingFactor ||
        (missing === 'code' && checked.missingFactor === null && checked.withCode)
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
