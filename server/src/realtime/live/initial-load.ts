import { RegistryError } from '@rollcall/client/contract';
import { revOf } from '../../data/repository/cache.ts';
import { sees, visible } from '../../domain/access.ts';
import type { Store } from '../../data/store.ts';
import type { ChangeFeed } from '../../data/feed/change-feed.ts';
import type { LiveQuery } from './query.ts';
import { reserveOf, type LiveRow } from './window.ts';
import { notDeleted } from '../../domain/tombstone.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';

/** What a load has brought, and the changes that came by the feed since it began, oldest first. */
export interface InitialLoad {
  readonly rows: readonly LiveRow[];
  /** Nothing up to this place is missing in the rows; null: nothing at all. */
  readonly frontier: string | null;
  readonly since: readonly DeviceDocument[];
}

/** Reads results from the store, in step with the feed. */
export interface InitialLoads {
  /**
   * Hands what it has read to `take`, in the same moment in which it stops to collect changes: none falls between the two.
   * Fails as the store does, or with `unavailable` if the feed breaks again and again.
   */
  load(query: LiveQuery, take: (loaded: InitialLoad) => void): Promise<void>;
  /** To be told of every change of a device. */
  note(document: DeviceDocument): void;
  /** To be told that changes may have been missed. */
  broken(): void;
}

const readMs = 2_000;
const atOnce = 4;
const maxTries = 5;
/** The most documents that one load reads: a store filter may find some that the subject does not see after all. */
const maxRead = 20_000;

/** What the feed brings while a load is under way. */
interface Meanwhile {
  readonly changes: DeviceDocument[];
  broken: boolean;
}

/** The row of a document in a query's order. */
export const rowOf = ({ order }: Pick<LiveQuery, 'order'>, document: DeviceDocument): LiveRow => ({
  id: String(document._id),
  place: order.placeOf(document),
  document,
});

const byPlace = (one: LiveRow, other: LiveRow): number => (one.place < other.place ? -1 : 1);

/** Opens the one place where live queries read. */
export const createInitialLoads = (store: Pick<Store, 'collection'>, feed: Pick<ChangeFeed, 'newest'>): InitialLoads => {
  const underWay = new Set<Meanwhile>();
  const waiting: (() => void)[] = [];
  let running = 0;

  const find = (query: LiveQuery, limit: number): Promise<DeviceDocument[]> =>
    store
      .collection('devices')
      .find(
        { $and: [query.group.filter, visible(query.subject, 'discover.view'), notDeleted] },
        { maxTimeMS: readMs, promoteLongs: false, readConcern: { level: 'majority' } },
      )
      .sort({ ...query.order.sort })
      .limit(limit)
      .toArray();

  /** Changes of found documents that the feed has already brought, should the store be behind it. */
  const newerOf = (found: readonly DeviceDocument[]): DeviceDocument[] =>
    found.flatMap((document) => {
      const newest = feed.newest('devices', document._id)?.document as DeviceDocument | null | undefined;
      return newest && revOf(newest) > revOf(document) ? [newest] : [];
    });

  const read = async (query: LiveQuery): Promise<Omit<InitialLoad, 'since'> & { readonly newer: DeviceDocument[] }> => {
    for (let limit = query.limit + reserveOf(query.limit); ; limit = Math.min(limit * 4, maxRead)) {
      const found = await find(query, limit);
      const rows = found.filter((document) => sees(query.subject, 'discover.view', document));
      const whole = found.length < limit;
      if (!whole && rows.length < query.limit && limit < maxRead) continue;
      return {
        rows: rows.map((document) => rowOf(query, document)).sort(byPlace),
        frontier: whole ? null : query.order.placeOf(found.at(-1)!),
        newer: newerOf(found),
      };
    }
  };

  const turn = async (): Promise<void> => {
    if (running >= atOnce) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
  };

  const done = (): void => {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  };

  return {
    async load(query, take) {
      await turn();
      try {
        for (let tries = 0; tries < maxTries; tries += 1) {
          const meanwhile: Meanwhile = { changes: [], broken: false };
          underWay.add(meanwhile);
          try {
            const { newer, ...found } = await read(query);
            if (!meanwhile.broken) return take({ ...found, since: [...newer, ...meanwhile.changes] });
          } finally {
            underWay.delete(meanwhile);
          }
        }
        throw new RegistryError('unavailable');
      } finally {
        done();
      }
    },
    note(document) {
      for (const { changes } of underWay) changes.push(document);
    },
    broken() {
      for (const meanwhile of underWay) meanwhile.broken = true;
    },
  };
};
