import { RegistryError } from '@rollcall/client/contract';
import {
  isEnrolled,
  refuseBanned,
  withCodeTried,
  withoutMfa,
  withRightCode,
  type Code,
  type CodeRules,
} from '../../domain/mfa.ts';
import { isLive, isNamed } from '../../domain/user.ts';
import { issuedTo, replaces } from '../../data/repository/one-time-secret.ts';
import type { PasswordMatch, PasswordLogins, Verified, PartiallyVerified } from '../passwords/password-login.ts';
import { backupCodeHash, newBackupCodes } from './backup-codes.ts';
import type { Challenges, Wish } from './challenges.ts';
import type { Seeds } from './seeds.ts';
import { newSeed, stepOf, uriOf } from './totp.ts';
import type { RequestId, UpdateOutcome } from '../../domain/revision.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { MfaPart, PrincipalDocument } from '../../domain/documents/principal.ts';

/** The second factor of users: a code that their device shows, or one of their backup codes (AC-5.7). */
export interface Mfa {
  /** Can users enrol? */
  readonly canEnrol: boolean;
  /**
   * Begins an enrolment, in the place of one that was not finished; answers what the user's device has to read. Fails with `conflict` if he has
   * a second factor, `not-supported` where it is switched off.
   */
  enable(uuid: string, request: RequestId | null): Promise<string>;
  /** Finishes it with a first code; answers the backup codes, once. Fails with `conflict`, `invalid-input` for a wrong code, `banned`. */
  validate(uuid: string, otp: string, request: RequestId | null): Promise<string[]>;
  /** Fails with `forbidden` if he must have it, `conflict` if he has none, `invalid-credentials` for a wrong code, `banned`. */
  disable(uuid: string, code: Code, request: RequestId | null): Promise<void>;
  /** Other backup codes in the place of all there are. Fails as `disable` does. */
  regenerate(uuid: string, code: Code, request: RequestId | null): Promise<string[]>;
  /** What somebody who has shown his password gets to show with a code. */
  challenge(shown: PasswordMatch, wish: Wish): Promise<string>;
  /**
   * Finishes a login. Fails with `invalid-credentials` if anything is wrong (name, challenge, code, or the password is another one meanwhile),
   * `banned`. `request`: the caller's number, under which the rest of the login goes on.
   */
  finish(
    shown: { readonly username: string; readonly secret: string; readonly code: Code },
    numbered: Omit<RequestId, 'actor'> | null,
  ): Promise<{ readonly proved: Verified; readonly wish: Wish; readonly request: RequestId | null }>;
}

const wrongCode = (): RegistryError => new RegistryError('invalid-credentials', 'Wrong code');
const wrongFirstCode = (): RegistryError =>
  new RegistryError('invalid-input', 'Wrong code', {
    details: [{ path: '/otp', rule: 'code', message: 'is not the code of now' }],
  });
const notEnrolled = (): RegistryError => new RegistryError('conflict', 'Multi-factor authentication is not enabled');
const enrolledAlready = (): RegistryError => new RegistryError('conflict', 'Multi-factor authentication is enabled already');

/** What a code is for. */
interface Purpose {
  /** Fails if it cannot be asked for at all: then no code is counted. */
  check(before: PrincipalDocument): void;
  /** The principal after it, null if the code is wrong. Pure. */
  apply(before: PrincipalDocument): PrincipalDocument | null;
  readonly wrong: () => RegistryError;
  /** May clients see that something has changed? */
  readonly shown: boolean;
}

/** Opens it. `key`: 32 secret bytes that hide to which request backup codes were handed out. */
export const createMfa = (options: {
  readonly principals: Repository<PrincipalDocument>;
  readonly challenges: Challenges;
  readonly logins: Pick<PasswordLogins, 'stillHolds'>;
  readonly seeds: Seeds;
  readonly canEnrol: boolean;
  readonly issuer: string;
  readonly rules: CodeRules;
  readonly pepper: string;
  readonly key: Buffer;
  /** The wall clock, that codes go by, in milliseconds since 1970. */
  readonly now: () => number;
  /** The feed's clock, that bans go by: the same on every node, and it never goes back. */
  readonly time: () => number;
}): Mfa => {
  const { principals, challenges, logins, seeds, canEnrol, issuer, rules, pepper, key, now, time } = options;

  /** A user who may be here; anybody else has no second factor. */
  const userOf = (principal: PrincipalDocument | null): PrincipalDocument => {
    if (principal === null || principal.kind !== 'user' || !isLive(principal, now()))
      throw new RegistryError('not-found', 'Only a user has a second factor');
    return principal;
  };

  /** What an earlier sending of this request made of the principal; null if it is not a repeat. */
  const earlierBy = async (uuid: string, request: RequestId | null): Promise<UpdateOutcome<PrincipalDocument> | null> => {
    if (request === null || request.again === 0) return null;
    const earlier = await principals.update(uuid, request, (before) => {
      userOf(before);
      return null;
    });
    return earlier.outcome === 'repeated' ? earlier : null;
  };

  /**
   * Changes a principal by a code. The try is counted first, by itself, and then the code is looked at: however many come at once, on however
   * many nodes, no more than the rules allow are looked at, and a code that counts once is accepted once, by the revision of the document.
   */
  const tryCode = async (
    uuid: string,
    request: RequestId | null,
    { check, apply, wrong, shown: visible }: Purpose,
  ): Promise<UpdateOutcome<PrincipalDocument>> => {
    await principals.update(uuid, null, (before) => {
      const user = userOf(before);
      check(user);
      return { next: withCodeTried(user, rules, time()), visible: false };
    });
    return principals.update(uuid, request, (before) => {
      const user = userOf(before);
      check(user);
      const next = apply(user);
      if (next === null) throw wrong();
      return { next: withRightCode(next), visible };
    });
  };

  const withCode = async (uuid: string, request: RequestId | null, purpose: Purpose): Promise<UpdateOutcome<PrincipalDocument>> =>
    (await earlierBy(uuid, request)) ?? (await tryCode(uuid, request, purpose));

  /** The second factor after this code was used up; null if the code is wrong. */
  const used = (uuid: string, mfa: MfaPart, code: Code): MfaPart | null => {
    if ('backupCode' in code) {
      const { backupCodes = [] } = mfa;
      const hash = backupCodeHash(code.backupCode, uuid, pepper);
      return backupCodes.includes(hash) ? { ...mfa, backupCodes: backupCodes.filter((other) => other !== hash) } : null;
    }
    const step = stepOf(seeds.open(uuid, mfa.seed), code.otp, now());
    return step === null || step <= (mfa.lastStep ?? -1) ? null : { ...mfa, lastStep: step };
  };

  const usedBy =
    (code: Code) =>
    (before: PrincipalDocument): PrincipalDocument | null => {
      const mfa = before.mfa === undefined ? null : used(before._id, before.mfa, code);
      return mfa === null ? null : { ...before, mfa };
    };

  const checkEnrolled = (before: PrincipalDocument): void => {
    if (!isEnrolled(before)) throw notEnrolled();
  };

  /**
   * Makes backup codes that are handed out by this change. A repeat puts fresh ones in the place of those of the first sending, whose answer
   * nobody may have got; a lower sending never in that of a higher.
   */
  const handOut = async (
    uuid: string,
    request: RequestId | null,
    change: (give: (next: PrincipalDocument) => PrincipalDocument) => Promise<UpdateOutcome<PrincipalDocument>>,
  ): Promise<string[]> => {
    const codes = newBackupCodes();
    const backupCodes = codes.map((code) => backupCodeHash(code, uuid, pepper));
    const secretFor = issuedTo(key, request);
    const give = (next: PrincipalDocument): PrincipalDocument => {
      if (next.mfa === undefined) return next;
      const { secretFor: _earlier, ...hidden } = next._rollcall ?? { rev: 0, shown: 0 };
      const _rollcall = { ...hidden, ...(secretFor !== undefined && { secretFor }) };
      return { ...next, mfa: { ...next.mfa, backupCodes }, _rollcall };
    };
    const { outcome } = await change(give);
    if (outcome !== 'repeated') return codes;
    await principals.update(uuid, null, (before) => {
      const user = userOf(before);
      if (!isEnrolled(user) || !replaces(secretFor, user._rollcall?.secretFor)) throw new RegistryError('outcome-unknown');
      return { next: give(user), visible: false };
    });
    return codes;
  };

  return {
    canEnrol,

    async enable(uuid, request) {
      if (!canEnrol) throw new RegistryError('not-supported', 'Multi-factor authentication is switched off');
      const seed = seeds.seal(uuid, newSeed());
      const { document } = await principals.update(uuid, request, (before) => {
        const user = userOf(before);
        if (isEnrolled(user)) throw enrolledAlready();
        return { next: { ...user, mfa: { state: 'pending', seed } }, visible: false };
      });
      if (document.mfa?.state !== 'pending') throw enrolledAlready();
      return uriOf(seeds.open(uuid, document.mfa.seed), issuer, document.username ?? '');
    },

    validate: (uuid, otp, request) =>
      handOut(uuid, request, (give) =>
        withCode(uuid, request, {
          check(before) {
            if (isEnrolled(before)) throw enrolledAlready();
            if (before.mfa === undefined) throw notEnrolled();
          },
          apply(before) {
            const { mfa, _rollcall: hidden } = usedBy({ otp })(before) ?? {};
            return mfa === undefined ? null : give({ ...before, mfa: { ...mfa, state: 'on', since: (hidden?.rev ?? 0) + 1 } });
          },
          wrong: wrongFirstCode,
          shown: true,
        }),
      ),

    async disable(uuid, code, request) {
      await withCode(uuid, request, {
        check(before) {
          checkEnrolled(before);
          if (before.enforceMfa === true) throw new RegistryError('forbidden', 'This user must have multi-factor authentication');
        },
        apply(before) {
          const next = usedBy(code)(before);
          return next === null ? null : withoutMfa(next);
        },
        wrong: wrongCode,
        shown: true,
      });
    },

    regenerate: (uuid, code, request) =>
      handOut(uuid, request, (give) =>
        withCode(uuid, request, {
          check: checkEnrolled,
          apply(before) {
            const next = usedBy(code)(before);
            return next === null ? null : give(next);
          },
          wrong: wrongCode,
          shown: false,
        }),
      ),

    challenge: (shown, wish) => challenges.open(shown, wish),

    async finish({ username, secret, code }, numbered) {
      const row = await challenges.find(secret);
      const principal = row === null ? null : await principals.getFresh(row.uuid);
      if (row === null || principal === null || !isNamed(principal, username)) throw new RegistryError('invalid-credentials');
      const { _id: uuid } = principal;
      const passwordMatch: PasswordMatch = { principal, hash: row.proof ?? '' };
      const unproved: PartiallyVerified<'code'> = { missingFactor: 'code', passwordMatch };
      if (!isEnrolled(principal) || !(await logins.stillHolds(unproved))) throw new RegistryError('invalid-credentials');
      const request = numbered === null ? null : { ...numbered, actor: uuid };
      if ((await earlierBy(uuid, request)) === null) {
        // Whoever is banned is told so, even if his tries are used up.
        refuseBanned(principal, rules, time());
        await challenges.count(row);
        await tryCode(uuid, request, { check: checkEnrolled, apply: usedBy(code), wrong: wrongCode, shown: false });
      }
      await challenges.use(row, request);
      const { label, lifetimeMs = 0 } = row;
      return { proved: { ...passwordMatch, missingFactor: null, withCode: true }, wish: { label, lifetimeMs }, request };
    },
  };
};
