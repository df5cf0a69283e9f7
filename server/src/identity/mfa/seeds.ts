import { encrypt, decrypt } from '../keys/key-ring.ts';
import type { Log } from '../../common/log.ts';
import type { Store } from '../../data/store.ts';
import { notDeleted } from '../../domain/tombstone.ts';

/** Keeps seeds from whoever reads the store: sealed with a key of the registry's own, each for its user alone. */
export interface Seeds {
  seal(uuid: string, seed: Uint8Array): string;
  /** Fails if it was sealed with another key, or for somebody else. */
  open(uuid: string, sealed: string): Uint8Array;
}

const nameOf = (uuid: string): string => `seed:${uuid}`;

/** `key`: 32 secret bytes, the same on every node. */
export const createSeeds = (key: Buffer): Seeds => ({
  seal: (uuid, seed) => encrypt(key, Buffer.from(seed), nameOf(uuid)),
  open: (uuid, sealed) => decrypt(key, sealed, nameOf(uuid)),
});

/** How many seeds are tried at a start. */
const maxTried = 100;

/**
 * Tries some of the stored seeds. If one cannot be opened the key is not the one that they were sealed with, and those users cannot log in with
 * a code any more: that is said at the start, not when the first of them stands before the door.
 */
export const checkSeeds = async (store: Store, seeds: Seeds, log: Log): Promise<void> => {
  const filter = { 'mfa.state': 'on' as const, ...notDeleted };
  const found = await store.collection('principals').find(filter).limit(maxTried).toArray();
  const lost = found.filter(({ _id, mfa }) => {
    try {
      seeds.open(_id, mfa?.seed ?? '');
      return false;
    } catch {
      return true;
    }
  });
  if (lost.length === 0) return;
  log.error(
    { alarm: 'mfa-seeds', tried: found.length, lost: lost.length, users: lost.slice(0, 10).map(({ _id }) => _id) },
    'sealed TOTP seeds cannot be opened: the key in `keys` is not the one that they were sealed with. These users can log in with backup codes only, until an administrator disables their MFA',
  );
};
