import { LRUCache } from 'lru-cache';
import type { Clock } from '../../common/clock.ts';
import type { ChangeFeed } from '../../data/feed/change-feed.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { Change } from '../../data/feed/change.ts';
import type { Guarded } from '../../domain/documents/metadata.ts';

/** Lists of what users have, tokens or certificates, kept for as long as nothing of theirs changes. */
export interface UserLists<T extends object> {
  /** The kept list of somebody; undefined if there is none, or if what is kept may not be used. */
  get(uuid: string): T | undefined;
  /** To be called before lists are read from the store; what is returned keeps one, unless something of his has changed meanwhile. */
  reading(): (uuid: string, list: T) => void;
  /** Forgets the list of somebody whose credentials this node has changed. */
  drop(uuid: string): void;
  close(): void;
}

const most = 10_000;
/** A primary that was elected just now may show less than the majority has: what was read from it is not kept for long. */
const keptMs = 10_000;

/** Opens them. `trusts`: may what the node knows be used for reads just now? */
export const openUserLists = <T extends object>(options: {
  readonly feed: Pick<ChangeFeed, 'subscribe' | 'onResync'>;
  readonly trusts: () => boolean;
  readonly clock: Pick<Clock, 'monotonic'>;
}): UserLists<T> => {
  const { feed, trusts, clock } = options;
  const kept = new LRUCache<string, { readonly list: T; readonly since: number }>({ max: most });
  /** When the credentials of somebody last changed, counted in changes; only those since the oldest reading matter. */
  const changed = new LRUCache<string, number>({ max: most });
  let changes = 0;
  /** Readings that began before this count of changes keep nothing. */
  let emptied = 0;

  const drop = (uuid: string): void => {
    changes += 1;
    changed.set(uuid, changes);
    kept.delete(uuid);
  };
  const clear = (): void => {
    changes += 1;
    emptied = changes;
    kept.clear();
  };
  const stopFeed = feed.subscribe(({ collection, document, type }: Change) => {
    if (collection !== 'tokens' && collection !== 'credentials') return;
    const uuid: unknown = document?.['uuid'];
    // A row that is deleted was shown gone before, or has expired.
    if (typeof uuid === 'string') drop(uuid);
    else if (type !== 'delete') clear();
  });
  const stopResync = feed.onResync(clear);

  return {
    get(uuid) {
      const one = kept.get(uuid);
      if (one === undefined || !trusts()) return undefined;
      return clock.monotonic() - one.since < keptMs ? one.list : undefined;
    },
    reading() {
      const began = changes;
      const since = clock.monotonic();
      return (uuid, list) => {
        // A change that is not remembered any more may have been his.
        const isComplete = changes - began < most && emptied <= began;
        if (isComplete && (changed.get(uuid) ?? 0) <= began) kept.set(uuid, { list, since });
      };
    },
    drop,
    close() {
      stopFeed();
      stopResync();
    },
  };
};

/** The same documents; `wrote` is told of each that this node has written. */
export const withWriteListener = <D extends Guarded>(documents: Repository<D>, wrote: (document: D) => void): Repository<D> => ({
  ...documents,
  async insert(document, request) {
    const stored = await documents.insert(document, request);
    wrote(stored);
    return stored;
  },
  async update(id, request, step, options) {
    const revised = await documents.update(id, request, step, options);
    wrote(revised.document);
    return revised;
  },
});
