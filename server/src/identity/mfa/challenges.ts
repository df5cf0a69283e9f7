import { randomBytes } from 'node:crypto';
import { RegistryError } from '@rollcall/client/contract';
import type { PasswordMatch } from '../passwords/password-login.ts';
import { tokenHash } from '../tokens/device-tokens.ts';
import type { RequestId } from '../../domain/revision.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { CredentialDocument } from '../../domain/documents/credential.ts';

/** The login that somebody asked for by his password. */
export interface Wish {
  readonly label: string;
  readonly lifetimeMs: number;
}

/** What a right code finishes, for whoever has shown his password: once, within five minutes and five tries, in `credentials`. */
export interface Challenges {
  /** Makes one; answers its secret, which is not stored. */
  open(shown: PasswordMatch, wish: Wish): Promise<string>;
  /** The row of this secret, used or not; null if there is none. */
  find(secret: string): Promise<CredentialDocument | null>;
  /** Counts a try, before the code is looked at. Fails with `invalid-credentials` if there is none left. */
  count(row: CredentialDocument): Promise<void>;
  /** Uses it up. Fails with `invalid-credentials` if somebody was faster; a repeat of the same request has used it itself. */
  use(row: CredentialDocument, request: RequestId | null): Promise<void>;
}

const lifeMs = 300_000;
const maxTries = 5;
/** For how long a repeat of the call that used it finds it, in milliseconds. */
const keptMs = 900_000;

/** Opens them. */
export const createChallenges = (options: {
  readonly credentials: Repository<CredentialDocument>;
  readonly pepper: string;
  readonly now: () => number;
}): Challenges => {
  const { credentials, pepper, now } = options;
  const idOf = (secret: string): string => `challenge:${tokenHash(secret, '', pepper)}`;

  const isOpen = ({ usedAt, expiresAt }: CredentialDocument): boolean =>
    usedAt === undefined && expiresAt !== undefined && expiresAt.getTime() > now();

  const revise = async (
    { _id }: CredentialDocument,
    request: RequestId | null,
    compute: (before: CredentialDocument) => CredentialDocument,
  ): Promise<void> => {
    await credentials.update(_id, request, (before) => {
      if (before === null || !isOpen(before)) throw new RegistryError('invalid-credentials');
      return { next: compute(before), visible: false };
    });
  };

  return {
    async open({ principal, hash }, { label, lifetimeMs }) {
      const secret = randomBytes(32).toString('base64url');
      const at = now();
      await credentials.insert({
        _id: idOf(secret),
        uuid: principal._id,
        kind: 'mfaChallenge',
        alg: 'sha256-pepper',
        label,
        lifetimeMs,
        proof: hash,
        createdAt: new Date(at),
        expiresAt: new Date(at + lifeMs),
        purgeAt: new Date(at + lifeMs + keptMs),
      });
      return secret;
    },
    async find(secret) {
      const row = await credentials.getFresh(idOf(secret));
      return row?.kind === 'mfaChallenge' ? row : null;
    },
    count: (row) =>
      revise(row, null, (before) => {
        const { tries = 0 } = before;
        if (tries >= maxTries) throw new RegistryError('invalid-credentials');
        return { ...before, tries: tries + 1 };
      }),
    use: (row, request) => revise(row, request, (before) => ({ ...before, usedAt: new Date(now()) })),
  };
};
