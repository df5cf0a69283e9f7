import type { Clock } from '../../common/clock.ts';
import type { ChangeFeed } from '../feed/change-feed.ts';
import type { DocumentsCache } from './cache.ts';
import type { Node } from '../cluster/node.ts';
import type { Store } from '../store.ts';
import type { RequestId, UpdateOutcome, Mutation, ExpectedRevision } from '../../domain/revision.ts';
import type { Guarded } from '../../domain/documents/metadata.ts';
import type { Collections } from '../../domain/documents/index.ts';

/** The documents of one guarded collection. All that it returns is frozen. Whatever is gone counts as missing. */
export interface Repository<D extends Guarded> {
  /** From the cache if that is allowed; null if missing. */
  get(id: string): Promise<D | null>;
  /** The same at once; undefined if it has to be loaded. */
  peek(id: string): D | null | undefined;
  /** A number that is another one whenever something of the collection may have changed; undefined while what the node knows may not be used. */
  version(): number | undefined;
  /** From the primary, as the majority has it; null if missing. */
  getFresh(id: string): Promise<D | null>;
  /**
   * Writes a new document, with revision 1.
   *
   * With a request its id must be derived from that request: a repeat meets its own document and returns it as it is.
   * Fails with `conflict` if the id or another unique value is taken, with `outcome-unknown` if the own document is already gone.
   */
  insert(document: D, request?: RequestId): Promise<D>;
  /**
   * The one door for writes: decides and computes on the very document that is replaced, again and again if somebody is faster.
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

/** The collections whose documents are written through the door. */
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
  /** Keys the names in request windows. The same on every node. */
  readonly windowSecret: Buffer;
}
