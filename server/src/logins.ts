import { createHmac } from 'node:crypto';
import { RegistryError } from '@rollcall/client/contract';
import { LRUCache } from 'lru-cache';
import { isLive, isNamed, loginNameOf, takesPassword } from './domain/user.ts';
import type { Lockout } from './lockout.ts';
import type { Passwords } from './passwords.ts';
import { openQueue } from './queue.ts';
import type { PrincipalDocument } from './store/collections.ts';

/** A user who has shown his password, and the stored hash that it fitted. */
export interface Proved {
  readonly principal: PrincipalDocument;
  readonly hash: string;
}

/** Who logs in by name and password. Every door that takes a password asks here. */
export interface Logins {
  /**
   * The user with this name and password.
   *
   * Fails with `invalid-credentials`, whatever is wrong: name, password, a user who is disabled or may not use a password; with `banned` after
   * too many failures, `busy` if too many wait. The work is the same for a name that does not exist.
   */
  check(username: string, password: string, address: string): Promise<Proved>;
  /** Is it still so, now that something was made of it? Otherwise what was made has to be ended. */
  stillHolds(proved: Proved): Promise<boolean>;
  /** The same for whoever shows his password with each request: it is compared once, and for a minute by a keyed hash. Null if it is wrong. */
  checkAgain(username: string, password: string, address: string): Promise<Proved | null>;
}

const rememberedMs = 60_000;
const mostRemembered = 5_000;

/** Opens them. `key`: 32 secret bytes. */
export const openLogins = (options: {
  /** The principal of any kind with this login name, as the store has it now. */
  readonly byLoginName: (loginName: string) => Promise<PrincipalDocument | null>;
  /** The stored hash of somebody's password. */
  readonly hashOf: (uuid: string) => Promise<string | undefined>;
  readonly passwords: Passwords;
  readonly lockout: Lockout;
  readonly key: Buffer;
  readonly now: () => number;
}): Logins => {
  const { byLoginName, hashOf, passwords, lockout, now } = options;
  const line = openQueue();
  const remembered = new LRUCache<string, string>({ max: mostRemembered, ttl: rememberedMs });

  const find = async (username: string): Promise<PrincipalDocument | null> => {
    const principal = await byLoginName(loginNameOf(username));
    if (principal === null || principal.kind !== 'user' || !isNamed(principal, username)) return null;
    return isLive(principal, now()) && takesPassword(principal) ? principal : null;
  };

  // One at a time for each name and address: otherwise many guesses at once would be counted too late.
  const verify = (username: string, password: string, address: string) =>
    line(JSON.stringify([username, address]), async () => {
      const name = loginNameOf(username);
      lockout.check(name, address);
      const principal = await find(username);
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
      return found;
    },
    async stillHolds({ principal, hash }) {
      const present = await find(principal.username ?? '');
      return present?._id === principal._id && (await hashOf(principal._id)) === hash;
    },
    async checkAgain(username, password, address) {
      const shown = createHmac('sha256', options.key)
        .update(JSON.stringify([username, password]))
        .digest('base64');
      const known = remembered.get(shown);
      if (known !== undefined) {
        const principal = await find(username);
        if (principal !== null && (await hashOf(principal._id)) === known) return { principal, hash: known };
        remembered.delete(shown);
      }
      const found = await verify(username, password, address);
      if (found !== null) remembered.set(shown, found.hash);
      return found;
    },
  };
};
