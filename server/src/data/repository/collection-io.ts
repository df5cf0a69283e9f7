import { RegistryError } from '@rollcall/client/contract';
import type { Filter, OptionalUnlessRequiredId } from 'mongodb';
import { delay, withTimeLimit } from '../../common/clock.ts';
import { revOf } from './cache.ts';
import { freeze } from '../../common/object-size.ts';
import { batchLoader } from '../../common/batch-loader.ts';
import { isOutcomeUnknown } from '../../store/write-outcome.ts';
import type { Collection, FindOptions } from '../../store/port.ts';
import type { RepositoryOptions, GuardedName } from './types.ts';
import type { Guarded } from '../../domain/documents/metadata.ts';
import type { Collections } from '../../domain/documents/index.ts';

/** Time limit of one operation of the store, in milliseconds. */
const OPERATION_MS = 5_000;
/** How often a stale load is repeated, and the pause between two loads, in milliseconds. */
const LOADS = 40;
const BEHIND_MS = 50;

/** The store operations of a repository on one collection. Results are frozen and include deleted documents. */
export interface CollectionIo<D> {
  /** The cached document, or null if there is none or the cache may not be used. */
  cached(id: string): D | null;
  /** Reads with majority concern. Concurrent loads share one read. Fails with `unavailable` if the store cannot be reached. */
  load(id: string): Promise<D | null>;
  /** Reads from the newest primary, so that a write of this node whose answer was lost is visible. */
  readBack(id: string): Promise<D | null>;
  insert(id: string, next: D): Promise<D>;
  /** Replaces the document; null if it is no longer `before`. */
  replace(id: string, before: D, next: D): Promise<D | null>;
  drop(id: string): void;
}

/** Opens the store operations for a repository's collection. */
export const createCollectionIo = <N extends GuardedName>(options: RepositoryOptions<N>): CollectionIo<Collections[N]> => {
  type D = Collections[N];
  const { collection: name, key, node, cache, clock, feed } = options;
  const collection = options.store.collection(name) as unknown as Collection<D>;
  const majority: FindOptions = { readConcern: { level: 'majority' }, promoteLongs: false, maxTimeMS: OPERATION_MS };
  const linearizable: FindOptions = { ...majority, readConcern: { level: 'linearizable' } };

  const filter = (id: unknown, more: object = {}): Filter<D> => ({ [key]: id, ...more }) as Filter<D>;
  const limited = <T>(work: Promise<T>): Promise<T> => withTimeLimit(clock, OPERATION_MS, work);

  const join = batchLoader<string, D>(
    async (ids) => {
      const ticket = cache.ticket();
      const found = await limited(collection.find(filter(ids.length === 1 ? ids[0] : { $in: ids }), majority).toArray());
      return new Map(found.map((one) => [String(one[key]), cache.put(name, String(one[key]), one, ticket)]));
    },
    (id) => id,
  );

  /**
   * Whether a loaded document is older than what this node has seen through the feed or its own writes.
   * It happens after an election: for a while a new primary may show less than the majority has, and an old one stale data.
   */
  const isBehind = (id: string, document: D | null): boolean => {
    const seen = [cache.get(name, id), feed.newest(name, id)?.document as Guarded | null | undefined];
    return seen.some((one) =>
      one ? (document === null ? one._rollcall?.gone === undefined : revOf(document) < revOf(one)) : false,
    );
  };

  return {
    cached: (id) => (node.trusts() ? ((cache.get(name, id) as D | undefined) ?? null) : null),
    async load(id) {
      try {
        for (let load = 0; load < LOADS; load += 1) {
          const document = (await join(id)) ?? null;
          if (!isBehind(id, document)) return document;
          await delay(clock, BEHIND_MS);
        }
        throw new RegistryError('unavailable');
      } catch (error) {
        throw isOutcomeUnknown(error) ? new RegistryError('unavailable', undefined, { cause: error }) : error;
      }
    },
    async readBack(id) {
      const document = await limited(collection.findOne(filter(id), linearizable));
      return document === null ? null : freeze(document);
    },
    async insert(id, next) {
      node.check();
      const ticket = cache.ticket();
      await limited(collection.insertOne(next as OptionalUnlessRequiredId<D>));
      return cache.put(name, id, next, ticket);
    },
    async replace(id, before, next) {
      node.check();
      const ticket = cache.ticket();
      // A document that the registry has never written has no revision.
      const unmoved = before._rollcall ? { '_rollcall.rev': before._rollcall.rev } : { _rollcall: { $exists: false } };
      const { matchedCount } = await limited(collection.replaceOne(filter(id, unmoved), next));
      return matchedCount === 0 ? null : cache.put(name, id, next, ticket);
    },
    drop: (id) => cache.drop(name, id),
  };
};
