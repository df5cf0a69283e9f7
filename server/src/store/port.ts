import type {
  ChangeStreamDocument,
  Document,
  Filter,
  OptionalId,
  OptionalUnlessRequiredId,
  Timestamp,
  UpdateFilter,
  WithId,
  WithoutId,
} from 'mongodb';

/** Names of collections, and the documents in them. */
export type CollectionMap<C> = { readonly [N in keyof C]: Document };

/**
 * What the registry asks of a database: the part of the MongoDB driver's `Db` that it calls.
 *
 * The driver's own `Db` is passed as it is; the embedded engine implements the same surface. Signatures are the driver's
 * (`mongodb` 7), reduced to the options and result fields that are read here. `C` maps the names of the collections to their
 * documents.
 */
export interface Database<C extends CollectionMap<C>> {
  collection<N extends keyof C & string>(name: N): Collection<C[N]>;
  /** Opens a change stream over all collections, in commit order. */
  watch(pipeline?: Document[], options?: WatchOptions): ChangeStream;
}

export interface WatchOptions {
  promoteLongs?: boolean;
  resumeAfter?: unknown;
  startAfter?: unknown;
  startAtOperationTime?: Timestamp;
  maxAwaitTimeMS?: number;
  batchSize?: number;
}

/** The driver's change stream, as far as the feed uses it: an async iterator that can be closed. */
export interface ChangeStream {
  readonly resumeToken: unknown;
  readonly closed: boolean;
  next(): Promise<ChangeStreamDocument>;
  tryNext(): Promise<ChangeStreamDocument | null>;
  close(): Promise<void>;
}

export type Direction = 1 | -1;

export interface Cursor<T> extends AsyncIterable<T> {
  sort(order: Record<string, Direction>): Cursor<T>;
  skip(count: number): Cursor<T>;
  limit(count: number): Cursor<T>;
  toArray(): Promise<T[]>;
}

export interface FindOptions {
  projection?: Record<string, 0 | 1>;
  sort?: Record<string, Direction>;
  skip?: number;
  limit?: number;
  maxTimeMS?: number;
  signal?: AbortSignal;
  promoteLongs?: boolean;
  promoteValues?: boolean;
  readConcern?: { level: 'majority' | 'linearizable' | 'local' };
}

export interface UpdateOptions {
  upsert?: boolean;
  arrayFilters?: Document[];
}

export interface FindOneAndOptions extends UpdateOptions {
  returnDocument?: 'before' | 'after';
  projection?: Record<string, 0 | 1>;
  sort?: Record<string, Direction>;
  promoteLongs?: boolean;
}

export interface UpdateResult {
  acknowledged: boolean;
  matchedCount: number;
  modifiedCount: number;
  upsertedCount: number;
  upsertedId: unknown;
}

export interface IndexOptions {
  name?: string;
  unique?: boolean;
  sparse?: boolean;
  partialFilterExpression?: Document;
  expireAfterSeconds?: number;
}

export type BulkOperation<T extends Document> =
  | { insertOne: { document: OptionalId<T> } }
  | { replaceOne: { filter: Filter<T>; replacement: WithoutId<T>; upsert?: boolean } }
  | { updateOne: { filter: Filter<T>; update: UpdateFilter<T>; upsert?: boolean; arrayFilters?: Document[] } }
  | { updateMany: { filter: Filter<T>; update: UpdateFilter<T>; upsert?: boolean; arrayFilters?: Document[] } }
  | { deleteOne: { filter: Filter<T> } }
  | { deleteMany: { filter: Filter<T> } };

export interface Collection<T extends Document> {
  find(filter?: Filter<T>, options?: FindOptions): Cursor<T>;
  findOne(filter: Filter<T>, options?: FindOptions): Promise<T | null>;
  countDocuments(filter?: Filter<T>, options?: { limit?: number; skip?: number }): Promise<number>;
  insertOne(document: OptionalUnlessRequiredId<T>): Promise<{ acknowledged: boolean; insertedId: unknown }>;
  insertMany(
    documents: OptionalUnlessRequiredId<T>[],
    options?: { ordered?: boolean },
  ): Promise<{ acknowledged: boolean; insertedCount: number; insertedIds: Record<number, unknown> }>;
  replaceOne(filter: Filter<T>, replacement: T, options?: { upsert?: boolean }): Promise<UpdateResult>;
  updateOne(filter: Filter<T>, update: UpdateFilter<T>, options?: UpdateOptions): Promise<UpdateResult>;
  updateMany(filter: Filter<T>, update: UpdateFilter<T>, options?: UpdateOptions): Promise<UpdateResult>;
  deleteOne(filter: Filter<T>): Promise<{ acknowledged: boolean; deletedCount: number }>;
  deleteMany(filter: Filter<T>): Promise<{ acknowledged: boolean; deletedCount: number }>;
  findOneAndUpdate(filter: Filter<T>, update: UpdateFilter<T>, options: FindOneAndOptions): Promise<WithId<T> | null>;
  findOneAndUpdate(filter: Filter<T>, update: UpdateFilter<T>): Promise<WithId<T> | null>;
  findOneAndReplace(filter: Filter<T>, replacement: T, options: FindOneAndOptions): Promise<WithId<T> | null>;
  findOneAndReplace(filter: Filter<T>, replacement: T): Promise<WithId<T> | null>;
  findOneAndDelete(filter: Filter<T>, options: FindOneAndOptions): Promise<WithId<T> | null>;
  findOneAndDelete(filter: Filter<T>): Promise<WithId<T> | null>;
  bulkWrite(
    operations: BulkOperation<T>[],
    options?: { ordered?: boolean },
  ): Promise<{ insertedCount: number; matchedCount: number; modifiedCount: number; deletedCount: number; upsertedCount: number }>;
  createIndex(keys: Record<string, Direction>, options?: IndexOptions): Promise<string>;
}
