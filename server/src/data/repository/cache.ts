import { LRUCache } from 'lru-cache';
import type { Clock } from '../../common/clock.ts';
import type { ChangeFeed } from '../feed/change-feed.ts';
import type { Position } from '../feed/position.ts';
import { freeze, roughBytes } from '../../common/object-size.ts';
import type { Log } from '../../common/log.ts';
import type { Change } from '../feed/change.ts';
import type { Guarded } from '../../domain/documents/metadata.ts';

/** Which guarded collections are cached, and the property by which each one's documents are addressed. */
export type CachedCollections = Readonly<Record<string, 'uuid' | '_id'>>;

/** The moment a load or a write began: taken before the operation is sent, returned with its result. */
export interface Ticket {
  readonly position: Position;
  readonly generation: number;
}

/** The documents cache of a node. A stale entry costs a retry, never a wrong answer (ME-6). All documents are frozen. */
export interface DocumentsCache {
  get(collection: string, id: string): Guarded | undefined;
  /** Issues a ticket; call it before a load or a write is sent. */
  ticket(): Ticket;
  /**
   * Keeps a document of a majority load or an acknowledged write, unless something newer may have been seen since its ticket.
   * Returns the document, frozen.
   */
  put<D extends Guarded>(collection: string, id: string, document: D, ticket: Ticket): D;
  drop(collection: string, id: string): void;
  /** A number that changes whenever a document of the collection may have changed; it validates results derived from several documents. */
  version(collection: string): number;
  readonly size: number;
  close(): void;
}

export interface CacheOptions {
  readonly feed: Pick<ChangeFeed, 'subscribe' | 'onResync' | 'newest' | 'position' | 'start'>;
  readonly collections: CachedCollections;
  /** Collections, addressed by `_id`, whose documents the store deletes on expiry. */
  readonly purged?: ReadonlySet<string>;
  readonly log: Log;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Default 100,000. */
  readonly maxDocuments?: number;
  /** Default 128 MiB, roughly counted. */
  readonly maxBytes?: number;
}

/** Revision of a document; 0 for one that the registry has never written. */
export const revOf = (document: Guarded): number => document._rollcall?.rev ?? 0;

const isGone = (document: Guarded | null | undefined): boolean => document?._rollcall?.gone !== undefined;

/** Name prefix of the collections that hold tombstones. */
const DELETED = 'deleted-';
/** Maximum number of deleted documents that are remembered. */
const SWEPT = 10_000;
/**
 * How long the cache stores nothing after a gap in the feed, in milliseconds.
 * A newly elected primary may show less than the majority has, and the change buffer no longer has the change that would reveal it.
 * Such a stale document would stay cached until its next change.
 */
const SETTLING_MS = 15_000;
/** Minimum time between two alarms about writes of other programs, in milliseconds. */
const ALARM_MS = 1_000;

/** Opens the cache. It must subscribe to the feed before every component that answers or delivers from it. */
export const openCache = ({
  feed,
  collections,
  purged = new Set(),
  log,
  clock,
  maxDocuments = 100_000,
  maxBytes = 128 * 1024 * 1024,
}: CacheOptions): DocumentsCache => {
  const entries = new LRUCache<string, Guarded>({
    max: maxDocuments,
    maxSize: maxBytes,
    sizeCalculation: (one) => 200 + roughBytes(one),
  });
  /** Documents already seen as deleted: their `delete` event is the sweeper's. */
  const gone = new Set<string>();
  let generation = 0;
  let settledAt = Number.NEGATIVE_INFINITY;

  const versions = new Map<string, number>();
  const changed = (collection: string): void => void versions.set(collection, (versions.get(collection) ?? 0) + 1);

  const clear = (): void => {
    generation += 1;
    // Emptying costs as much as the cache could hold.
    if (entries.size > 0) entries.clear();
    gone.clear();
  };

  const noteGone = (collection: string, id: unknown): void => {
    gone.add(`${collection}/${String(id)}`);
    if (gone.size > SWEPT) for (const oldest of gone) return void gone.delete(oldest);
  };

  let alarmedAt = Number.NEGATIVE_INFINITY;
  const foreign = ({ collection, type, id, at }: Change): void => {
    // One log line for what may be thousands of documents.
    if (at - alarmedAt >= ALARM_MS) {
      log.error({ alarm: 'foreign-write', collection, type, id: String(id) }, 'another program writes to this database');
      alarmedAt = at;
    }
    clear();
  };

  const unsubscribe = feed.subscribe((change) => {
    const { collection, id } = change;
    const document = change.document as Guarded | null;
    // The sweeper writes a device into `deleted-devices` before it deletes it here.
    // Any other document is first marked as deleted under a higher revision.
    if (document && collection.startsWith(DELETED)) noteGone(collection.slice(DELETED.length), id);
    else if (isGone(document)) noteGone(collection, id);
    const property = collections[collection];
    if (property === undefined) return;
    changed(collection);
    if (document === null) {
      if (change.type === 'delete' && gone.delete(`${collection}/${String(id)}`)) return;
      if (change.type === 'delete' && purged.has(collection)) return void entries.delete(`${collection}/${String(id)}`);
      return foreign(change);
    }
    const key = `${collection}/${String(document[property])}`;
    const before = entries.peek(key);
    // An equal revision means an equal document: a write of this node needs no second copy from its event.
    if (before !== undefined && revOf(document) > revOf(before)) entries.set(key, freeze(document));
  });
  const stopResync = feed.onResync(() => {
    clear();
    settledAt = clock.monotonic() + SETTLING_MS;
  });

  return {
    get: (collection, id) => entries.get(`${collection}/${id}`),
    ticket: () => ({ position: feed.position, generation }),
    put(collection, id, document, ticket) {
      const frozen = freeze(document);
      const key = `${collection}/${id}`;
      const before = entries.peek(key);
      if (before !== undefined && revOf(document) <= revOf(before)) return frozen;
      // It may be this node's own write, whether it is kept or not.
      changed(collection);
      if (ticket.generation !== generation || ticket.position < feed.start || clock.monotonic() < settledAt) return frozen;
      const newest = feed.newest(collection, document._id);
      if (newest && (newest.document === null || revOf(document) < revOf(newest.document as Guarded))) return frozen;
      entries.set(key, frozen);
      return frozen;
    },
    drop(collection, id) {
      entries.delete(`${collection}/${id}`);
      changed(collection);
    },
    version: (collection) => generation + (versions.get(collection) ?? 0),
    get size() {
      return entries.size;
    },
    close() {
      unsubscribe();
      stopResync();
      clear();
    },
  };
};
