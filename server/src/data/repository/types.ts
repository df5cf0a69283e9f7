import type { Clock } from '../../common/clock.ts';
import type { ChangeFeed } from '../feed/change-feed.ts';
import type { DocumentsCache } from './cache.ts';
import type { Node } from '../cluster/node.ts';
import type { Store } from '../store.ts';
import type { RequestId, UpdateOutcome, Mutation, ExpectedRevision } from '../../domain/revision.ts';
import type { Guarded } from '../../domain/documents/metadata.ts';
import type { Collections } from '../../domain/documents/index.ts';

/** The repository of one guarded collection. Returned documents are frozen. Deleted documents count as missing. */
export interface Repository<D extends Guarded> {
  /** Reads from the cache if it may be used, else from the store; null if missing. */
  get(id: string): Promise<D | null>;
  /** Reads from the cache synchronously; undefined if the document has to be loaded. */
  peek(id: string): D | null | undefined;
  /** A number that changes whenever a document of the collection may have changed; undefined while the cache may not be used. */
  version(): number | undefined;
  /** Reads from the primary with majority concern; null if missing. */
  getFresh(id: string): Promise<D | null>;
  /**
   * Writes a new document, with revision 1.
   *
   * With a request the id must be derived from it: a retry finds its own document and returns it unchanged.
   * Fails with `conflict` if the id or another unique value is taken, with `outcome-unknown` if its own document is already deleted.
   */
  insert(document: D, request?: RequestId): Promise<D>;
  /**
   * Changes a document by compare-and-set: `step` decides on the version that is replaced and runs again after a concurrent write.
   *
   * `step` gets the document, or null if it is missing. It may throw a `RegistryError` (refusal) or return null (nothing to
   * change); either counts only on a fresh read. A revision of a missing document inserts it. Fails with `conflict` if
   * `expectedRev` is not the revision that clients know, `outcome-unknown` if the request is too old to tell, `busy` if others
   * were faster too often, `unavailable` if the store cannot be reached or the node is paused.
   */
  update(
    id: string,
    request: RequestId | null,
    step: Mutation<D>,
    options?: { readonly expectedRev?: ExpectedRevision | undefined },
  ): Promise<UpdateOutcome<D>>;
}

/** The collections whose documents are written through a repository. */
export type GuardedName = Exclude<
  { [N in keyof Collections]: Collections[N] extends Guarded ? N : never }[keyof Collections],
  'data' | 'events'
>;

export interface RepositoryOptions<N extends GuardedName> {
  readonly store: Pick<Store, 'collection'>;
  readonly collection: N;
  /** The property that addresses a document. */
  readonly key: 'uuid' | '_id';
  readonly feed: Pick<ChangeFeed, 'time' | 'newest'>;
  readonly node: Pick<Node, 'check' | 'trusts' | 'request' | 'isOnly'>;
  readonly cache: DocumentsCache;
  readonly clock: Clock;
  /** Key of the hashed names in idempotency windows, shared by all nodes. */
  readonly windowSecret: Buffer;
}
