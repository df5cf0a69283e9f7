import { createHmac, randomBytes } from 'node:crypto';
import { inParallel } from '../../common/in-parallel.ts';
import type { BcryptPool } from './bcrypt-pool.ts';
import type { RequestId } from '../../domain/revision.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { CredentialDocument } from '../../domain/documents/credential.ts';

/**
 * Secrets that people choose: bcrypt over HMAC-SHA-256 of their Unicode form NFC, with the pepper. Keyboards differ in the form
 * that they give the same characters.
 */
export interface Passwords {
  hash(password: string): Promise<string>;
  /** The hashes of many passwords, as many at once as threads allow; other hashes get their turn between them. */
  hashAll(passwords: readonly string[]): Promise<string[]>;
  /**
   * The stored hash that this password fits, null if none. One comparison is made in any case, also for nobody (`uuid` null) and for whoever
   * has no password, so that time tells nothing. Fails with `busy` when too many wait.
   */
  verify(uuid: string | null, password: string): Promise<string | null>;
  /** The same for a hash that was read before: the hash itself if the password fits it. */
  compare(stored: string | undefined, password: string): Promise<string | null>;
  /** Puts a hash in the place of the one before. */
  set(uuid: string, hash: string, request: RequestId | null): Promise<void>;
}

/** The `_id` of the row with somebody's password. */
export const passwordId = (uuid: string): string => `password:${uuid}`;

/** Opens the passwords in `credentials`. */
export const createPasswords = (options: {
  readonly credentials: Repository<CredentialDocument>;
  readonly slowHash: BcryptPool;
  readonly pepper: string;
  readonly now: () => number;
}): Passwords => {
  const { credentials, slowHash, pepper, now } = options;
  const keyed = (password: string): string => createHmac('sha256', pepper).update(password, 'utf8').digest('base64');
  const hash = (password: string): Promise<string> => slowHash.hash(keyed(password.normalize('NFC')));
  let nobodys: Promise<string> | undefined;

  const compare = async (stored: string | undefined, password: string): Promise<string | null> => {
    const against = stored ?? (await (nobodys ??= hash(randomBytes(32).toString('base64'))));
    const normal = password.normalize('NFC');
    const fits = await slowHash.compare(keyed(normal), against);
    // Older hashes are of the password as it was given. How often is compared depends on what was shown alone.
    const fitsAsGiven = normal !== password && (await slowHash.compare(keyed(password), against));
    return (fits || fitsAsGiven) && stored !== undefined ? stored : null;
  };

  return {
    hash,
    hashAll: (passwords) => inParallel(passwords, slowHash.parallel, hash),
    compare,
    verify: async (uuid, password) =>
      compare(uuid === null ? undefined : (await credentials.getFresh(passwordId(uuid)))?.hash, password),
    async set(uuid, hashed, request) {
      const at = new Date(now());
      await credentials.update(passwordId(uuid), request, (before) => ({
        next: {
          ...before,
          _id: passwordId(uuid),
          uuid,
          kind: 'password',
          alg: 'bcrypt',
          hash: hashed,
          label: '',
          createdAt: at,
        },
        visible: true,
      }));
    },
  };
};
