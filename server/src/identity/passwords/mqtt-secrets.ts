import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { RegistryError } from '@rollcall/client/contract';
import { issuedTo, replaces } from '../../data/repository/one-time-secret.ts';
import type { Lockout } from './lockout.ts';
import type { Passwords } from './passwords.ts';
import { createKeyedQueue } from '../../common/keyed-queue.ts';
import { tokenHash } from '../tokens/device-tokens.ts';
import type { RequestId } from '../../domain/revision.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { CredentialDocument, StoredSecret } from '../../domain/documents/credential.ts';

/** The secrets with which MQTT tokens and client records log in: one for each, in `credentials`. */
export interface MqttSecrets {
  /** What is stored of a secret that somebody chose: the slow hash. Fails with `busy` when too many wait. */
  chosen(secret: string): Promise<StoredSecret>;
  /** What is stored of a secret that was made here: the fast hash, with the request that it is handed out to. */
  made(uuid: string, secret: string, request: RequestId | null): StoredSecret;
  /** Puts a secret in the place of the one before. */
  set(uuid: string, stored: StoredSecret, request: RequestId | null): Promise<void>;
  /**
   * Sees to it that this secret, which is about to be handed out, is the one that counts: a repeat puts its own in the place of that of the
   * first sending, a lower sending never in that of a higher. Fails with `outcome-unknown`.
   */
  settle(uuid: string, stored: StoredSecret): Promise<void>;
  /**
   * The stored hash that this secret fits, null if none. For nobody (null) one slow comparison is made, so that time tells nothing.
   *
   * One that somebody chose can be guessed: too many failures from one address fail with `banned`.
   */
  verify(uuid: string | null, secret: string, address: string): Promise<string | null>;
}

/** The `_id` of the row with the secret of an MQTT token or client record. */
export const secretId = (uuid: string): string => `secret:${uuid}`;

const base36 = '0123456789abcdefghijklmnopqrstuvwxyz';

/** Random characters of base 36. */
export const randomBase36 = (length: number): string =>
  Array.from({ length }, () => base36.charAt(randomInt(base36.length))).join('');

/** 256 random bits in base64: 44 characters (MT-1.2). */
export const randomSecret = (): string => randomBytes(32).toString('base64');

/** A positive random number of 63 bits in base 36, of 12 or 13 characters (MT-1.2). */
export const randomTopicToken = (): string => {
  for (;;) {
    const text = (randomBytes(8).readBigUInt64BE() >> 1n).toString(36);
    if (text.length >= 12) return text;
  }
};

/** Opens them. `key`: 32 secret bytes that hide which request a secret was made for. */
export const createMqttSecrets = (options: {
  readonly credentials: Repository<CredentialDocument>;
  readonly passwords: Passwords;
  readonly lockout: Lockout;
  readonly pepper: string;
  readonly key: Buffer;
  readonly now: () => number;
}): MqttSecrets => {
  const { credentials, passwords, lockout, pepper, key, now } = options;
  const line = createKeyedQueue();

  // One at a time for each client and address: otherwise many guesses at once would be counted too late.
  const compareChosen = (uuid: string, stored: string | undefined, secret: string, address: string): Promise<string | null> =>
    line(JSON.stringify([uuid, address]), async () => {
      lockout.check(uuid, address);
      const hash = await passwords.compare(stored, secret);
      if (hash === null) lockout.fail(uuid, address);
      else lockout.succeed(uuid, address);
      return hash;
    });

  const row = (uuid: string, { alg, hash, secretFor }: StoredSecret, before: CredentialDocument | null): CredentialDocument => {
    const { secretFor: _earlier, ...hidden } = before?._rollcall ?? { rev: 0, shown: 0 };
    return {
      _id: secretId(uuid),
      uuid,
      kind: 'secret',
      alg,
      hash,
      label: '',
      createdAt: new Date(now()),
      _rollcall: { ...hidden, ...(secretFor !== undefined && { secretFor }) },
    };
  };

  return {
    chosen: async (secret) => ({ alg: 'bcrypt', hash: await passwords.hash(secret) }),

    made(uuid, secret, request) {
      const secretFor = issuedTo(key, request);
      return {
        alg: 'sha256-pepper',
        hash: tokenHash(secret, uuid, pepper),
        ...(secretFor !== undefined && { secretFor }),
      };
    },

    async set(uuid, stored, request) {
      await credentials.update(secretId(uuid), request, (before) => ({ next: row(uuid, stored, before), visible: true }));
    },

    async settle(uuid, stored) {
      await credentials.update(secretId(uuid), null, (before) => {
        if (before === null) throw new RegistryError('not-found');
        if (before.hash === stored.hash) return null;
        if (!replaces(stored.secretFor, before._rollcall?.secretFor)) throw new RegistryError('outcome-unknown');
        return { next: row(uuid, stored, before), visible: true };
      });
    },

    async verify(uuid, secret, address) {
      if (uuid === null) return passwords.compare(undefined, secret);
      const found = (await credentials.get(secretId(uuid))) ?? (await credentials.getFresh(secretId(uuid)));
      if (found?.alg !== 'sha256-pepper' || found.hash === undefined) return compareChosen(uuid, found?.hash, secret, address);
      const shown = Buffer.from(tokenHash(secret, found.uuid, pepper), 'base64');
      const stored = Buffer.from(found.hash, 'base64');
      return shown.length === stored.length && timingSafeEqual(shown, stored) ? found.hash : null;
    },
  };
};
