import type { Db, MongoClient } from 'mongodb';
import { systemClock, type Clock } from '@rollcall/server/internal/common/clock';
import { openChangeFeed, type ChangeFeed } from '@rollcall/server/internal/data/feed/change-feed';
import { openCache, type DocumentsCache } from '@rollcall/server/internal/data/repository/cache';
import { createRepository } from '@rollcall/server/internal/data/repository/repository';
import { openNode, openSoleNode, type Node } from '@rollcall/server/internal/data/cluster/node';
import type { Store } from '@rollcall/server/internal/data/store';
import type { Repository } from '@rollcall/server/internal/data/repository/types';
import type { DeviceDocument } from '@rollcall/server/internal/domain/documents/device';
import type { TokenDocument } from '@rollcall/server/internal/domain/documents/token';
import type { CertificateDocument } from '@rollcall/server/internal/domain/documents/certificate';
import type { CredentialDocument } from '@rollcall/server/internal/domain/documents/credential';
import type { PrincipalDocument } from '@rollcall/server/internal/domain/documents/principal';
import type { RoleDocument } from '@rollcall/server/internal/domain/documents/role';

/** Everything that one node needs between the store and its operations. */
export interface TestNode {
  readonly feed: ChangeFeed;
  readonly node: Node;
  readonly cache: DocumentsCache;
  readonly devices: Repository<DeviceDocument>;
  readonly tokens: Repository<TokenDocument>;
  readonly principals: Repository<PrincipalDocument>;
  readonly credentials: Repository<CredentialDocument>;
  readonly roles: Repository<RoleDocument>;
  readonly certificates: Repository<CertificateDocument>;
  /** What was logged as a warning or an error. */
  readonly logged: string[];
  close(): Promise<void>;
}

export interface TestNodeOptions {
  readonly store: Store;
  /** True on MongoDB. */
  readonly several: boolean;
  readonly clock?: Clock;
  readonly window?: { readonly ms?: number; readonly changes?: number; readonly bytes?: number };
}

const windowSecret = Buffer.alloc(32, 7);

/** Opens a node and waits until it serves. */
export const openTestNode = async ({ store, several, clock = systemClock, window = {} }: TestNodeOptions): Promise<TestNode> => {
  const logged: string[] = [];
  const note = (_: object, message: string): void => void logged.push(message);
  const log = { info: () => undefined, warn: note, error: note };
  const feed = openChangeFeed({ store, id: 'feed', clock, log, window, heartbeats: several });
  const cache = openCache({ feed, collections: { devices: 'uuid', tokens: '_id', certificates: '_id' }, log, clock });
  const node = several ? openNode({ store, feed, clock, log }) : openSoleNode({ feed, clock, log });
  const shared = { store, feed, node, cache, clock, windowSecret };
  await node.ready;
  return {
    feed,
    node,
    cache,
    devices: createRepository({ ...shared, collection: 'devices', key: 'uuid' }),
    tokens: createRepository({ ...shared, collection: 'tokens', key: '_id' }),
    principals: createRepository({ ...shared, collection: 'principals', key: '_id' }),
    credentials: createRepository({ ...shared, collection: 'credentials', key: '_id' }),
    roles: createRepository({ ...shared, collection: 'roles', key: '_id' }),
    certificates: createRepository({ ...shared, collection: 'certificates', key: '_id' }),
    logged,
    async close() {
      await node.close();
      cache.close();
      await feed.close();
    },
  };
};

/** One database of an engine, and what removes it. */
export interface TestStore {
  readonly store: Store;
  readonly several: boolean;
  close(): Promise<void>;
}

/** A database of its own on a running MongoDB, with the index that the devices need. */
export const openMongoStore = async (client: MongoClient, name: string): Promise<TestStore> => {
  const db: Db = client.db(name, { writeConcern: { w: 'majority', journal: true } });
  await db.collection('devices').createIndex({ uuid: 1 }, { unique: true });
  return { store: db as unknown as Store, several: true, close: async () => void (await db.dropDatabase()) };
};
