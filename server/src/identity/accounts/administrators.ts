import { RegistryError } from '@rollcall/client/contract';
import type { Repository } from '../../data/repository/types.ts';
import type { RecordOfRegistry } from '../../domain/documents/registration.ts';

/** Who may do everything: one document, so that the last one cannot go, whoever else is taken away at the same time. */
export interface Administrators {
  /** Takes these out before the right is taken from them. Fails with `conflict` if nobody would be left. */
  remove(uuids: readonly string[]): Promise<void>;
  /** Puts these in after they have got the right. */
  add(uuids: readonly string[]): Promise<void>;
  /** Was there ever one? */
  exist(): Promise<boolean>;
}

const id = 'administrators';

/** Opens the list (ME-6). */
export const createAdministrators = (records: Repository<RecordOfRegistry>): Administrators => ({
  async remove(uuids) {
    if (uuids.length === 0) return;
    await records.update(id, null, (before) => {
      const left = before?.uuids.filter((uuid) => !uuids.includes(uuid)) ?? [];
      if (before === null || left.length === before.uuids.length) return null;
      if (left.length === 0) throw new RegistryError('conflict', 'The last administrator cannot go');
      return { next: { ...before, uuids: left }, visible: true };
    });
  },
  async add(uuids) {
    if (uuids.length === 0) return;
    await records.update(id, null, (before) => {
      const all = [...new Set([...(before?.uuids ?? []), ...uuids])];
      if (all.length === before?.uuids.length) return null;
      return { next: { ...before, _id: id, uuids: all }, visible: true };
    });
  },
  exist: async () => (await records.getFresh(id)) !== null,
});
