import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import type { Secrets } from './secret-files.ts';
import { isDuplicateKey } from '../../store/duplicate-key.ts';
import type { Store } from '../../data/store.ts';

/** The registry's own keys: random, made at first need, sealed in the collection `keys` (ME-5). */
export interface KeyRing {
  /** The key of this name: 32 bytes, the same on every node. */
  key(name: string): Promise<Buffer>;
  /** The text of this name, made by `make` if it is not there yet: for keys of another form. */
  text(name: string, make: () => Promise<string>): Promise<string>;
  /** The key of this name with the form in which it is kept. */
  sealed(name: string): Promise<{ readonly key: Buffer; readonly sealed: string }>;
}

/** A node with another pepper or secret than its registry's does not start. */
export class WrongSecretError extends Error {
  override readonly name = 'WrongSecretError';
}

const algorithm = 'aes-256-gcm';

/** Seals what nobody may read in the store. Only under the same `name` can it be opened. `key`: 32 secret bytes. */
export const encrypt = (key: Buffer, plain: Buffer, name: string): string => {
  const nonce = randomBytes(12);
  const cipher = createCipheriv(algorithm, key, nonce).setAAD(Buffer.from(name));
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
};

/** Opens what was sealed. Fails if the key or the name is another one. */
export const decrypt = (key: Buffer, sealed: string, name: string): Buffer => {
  const bytes = Buffer.from(sealed, 'base64');
  const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, 12)).setAAD(Buffer.from(name));
  decipher.setAuthTag(bytes.subarray(12, 28));
  return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]);
};

const checkValue = (what: string, text: string): string =>
  createHmac('sha256', text).update(`rollcall check of the ${what}`).digest('base64');

/** The check value of a pepper. */
export const pepperCheck = ({ pepper }: Pick<Secrets, 'pepper'>): string => checkValue('pepper', pepper);

const sealingKey = ({ secret }: Pick<Secrets, 'secret'>): Buffer =>
  Buffer.from(hkdfSync('sha256', createHash('sha256').update(secret).digest(), '', 'rollcall key sealing', 32));

/** The key of this name out of the form in which it is kept, whatever store that is from; null if it was sealed with another secret. */
export const decryptKey = (secrets: Pick<Secrets, 'secret'>, name: string, sealed: string): Buffer | null => {
  try {
    return decrypt(sealingKey(secrets), sealed, name);
  } catch {
    return null;
  }
};

/** Opens the keys of a store, and holds pepper and secret to its check values: the first node's are the registry's. */
export const createKeyRing = async (store: Store, { pepper, secret }: Secrets): Promise<KeyRing> => {
  const rows = store.collection('keys');
  const sealing = sealingKey({ secret });

  const first = async (row: { _id: string; sealed?: string; check?: string }) => {
    const present = await rows.findOne({ _id: row._id });
    if (present !== null) return present;
    try {
      await rows.insertOne(row);
      return row;
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      return (await rows.findOne({ _id: row._id })) ?? row;
    }
  };

  for (const [what, text, variable] of [
    ['pepper', pepper, 'ROLLCALL_PEPPER'],
    ['secret', secret, 'ROLLCALL_SECRET'],
  ] as const) {
    const check = checkValue(what, text);
    const row = await first({ _id: `check:${what}`, check });
    if (row.check !== check) throw new WrongSecretError(`${variable} is not the one that this registry was started with`);
  }

  const kept = async (name: string, make: () => Promise<Buffer>) => {
    const present = await rows.findOne({ _id: name });
    const { sealed = '' } = present ?? (await first({ _id: name, sealed: encrypt(sealing, await make(), name) }));
    return { key: decrypt(sealing, sealed, name), sealed };
  };
  const random = (): Promise<Buffer> => Promise.resolve(randomBytes(32));

  return {
    key: async (name) => (await kept(name, random)).key,
    text: async (name, make) => (await kept(name, async () => Buffer.from(await make(), 'utf8'))).key.toString('utf8'),
    sealed: (name) => kept(name, random),
  };
};
