import { RegistryError } from '@rollcall/client/contract';
import type { Filter } from 'mongodb';
import { delay, withTimeLimit, type Clock } from '../../common/clock.ts';
import { isOutcomeUnknown } from '../../store/write-outcome.ts';
import type { Store } from '../../data/store.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';

/** Makes documents what they should be, many in one write. */
export interface Bulk {
  /**
   * Replaces those of these documents for which `next` is not null, each only if it is still the one that it was computed of. What others
   * were faster with is read and computed again. Fails as the store does; what differs then has to be written again.
   */
  write(documents: readonly DeviceDocument[], next: (before: DeviceDocument) => DeviceDocument | null): Promise<void>;
  /** The same for devices by uuid; those that are missing are left out. */
  writeAll(uuids: readonly string[], next: (before: DeviceDocument) => DeviceDocument | null): Promise<void>;
}

/** Documents in one write. */
const atOnce = 500;
/** How often others may be faster. */
const rounds = 30;
/** Time limit of one write, in milliseconds. */
const limitMs = 5_000;

/** As the door writes: only if nobody has written in between (ME-6). */
const unmoved = ({ uuid, _rollcall: hidden }: DeviceDocument): Filter<DeviceDocument> =>
  (hidden ? { uuid, '_rollcall.rev': hidden.rev } : { uuid, _rollcall: { $exists: false } }) as Filter<DeviceDocument>;

/** Opens it. `available` fails while this node may not write; `written` is told of what was written without a doubt. */
export const createBulk = (options: {
  readonly store: Pick<Store, 'collection'>;
  readonly devices: Repository<DeviceDocument>;
  readonly clock: Clock;
  readonly available: () => void;
  readonly written: (documents: readonly DeviceDocument[]) => void;
}): Bulk => {
  const { devices, clock, available, written } = options;
  const collection = options.store.collection('devices');

  const find = async (uuids: readonly string[], fresh: boolean): Promise<DeviceDocument[]> => {
    const found = await Promise.all(uuids.map((uuid) => (fresh ? devices.getFresh(uuid) : devices.get(uuid))));
    return found.filter((document) => document !== null);
  };

  const writeSome: Bulk['write'] = async (given, next) => {
    let documents = given;
    for (let round = 1; ; round += 1) {
      const pairs = documents.flatMap((before) => {
        const after = next(before);
        return after === null ? [] : [{ before, after }];
      });
      if (pairs.length === 0) return;
      available();
      const operations = pairs.map(({ before, after }) => ({ replaceOne: { filter: unmoved(before), replacement: after } }));
      try {
        const { matchedCount } = await withTimeLimit(clock, limitMs, collection.bulkWrite(operations, { ordered: false }));
        if (matchedCount === pairs.length) return written(pairs.map(({ after }) => after));
      } catch (error) {
        if (!isOutcomeUnknown(error)) throw error;
      }
      if (round === rounds) throw new RegistryError('busy');
      await delay(clock, Math.min(200, 2 ** round));
      documents = await find(
        pairs.map(({ before }) => before.uuid),
        true,
      );
    }
  };

  return {
    async write(documents, next) {
      for (let at = 0; at < documents.length; at += atOnce) await writeSome(documents.slice(at, at + atOnce), next);
    },
    async writeAll(uuids, next) {
      for (let at = 0; at < uuids.length; at += atOnce) await writeSome(await find(uuids.slice(at, at + atOnce), false), next);
    },
  };
};
