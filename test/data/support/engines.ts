import { MongoClient } from 'mongodb';
import { randomUUID } from 'node:crypto';
import type { Store } from '@rollcall/server/internal/data/store';
import { openEmbedded } from '@rollcall/server/store';
import { mongodUri } from '../../support/mongod.ts';
import { openMongoStore, openTestNode, type TestNode, type TestNodeOptions, type TestStore } from './nodes.ts';

/** A database of one engine, with nodes on it that are closed after the test. */
export interface Bench extends TestStore {
  /** One more node; on the embedded store there may be only one. */
  node(options?: Partial<TestNodeOptions>): Promise<TestNode>;
}

const openEmbeddedStore = async (): Promise<TestStore> => {
  const { db, close } = await openEmbedded(':memory:');
  await db.collection('devices').createIndex({ uuid: 1 }, { unique: true });
  return { store: db as unknown as Store, several: false, close };
};

const withNodes = (opened: TestStore): Bench => {
  const nodes: TestNode[] = [];
  return {
    ...opened,
    async node(options = {}) {
      const node = await openTestNode({ store: opened.store, several: opened.several, ...options });
      nodes.push(node);
      return node;
    },
    async close() {
      for (const node of nodes) await node.close();
      await opened.close();
    },
  };
};

/** Declares the same tests for both engines; each test gets an empty database. Without a MongoDB its tests are pending, with the reason. */
export const onBothEngines = (title: string, tests: (bench: () => Bench) => void): void => {
  const engines: readonly [string, () => Promise<TestStore | { skip: string }>][] = [
    ['the embedded store', openEmbeddedStore],
    ['MongoDB', openMongo],
  ];
  for (const [engine, open] of engines) {
    describe(`${title}, on ${engine}`, function () {
      this.timeout(30_000);
      let bench: Bench;
      beforeEach(async function () {
        const opened = await open();
        if ('skip' in opened) {
          this.test!.title += ` (${opened.skip})`;
          return this.skip();
        }
        bench = withNodes(opened);
      });
      afterEach(() => bench?.close());
      tests(() => bench);
    });
  }
};

/** Declares tests that need several nodes. */
export const onMongo = (title: string, tests: (bench: () => Bench) => void): void => {
  describe(title, function () {
    this.timeout(30_000);
    let bench: Bench;
    beforeEach(async function () {
      const opened = await openMongo();
      if ('skip' in opened) {
        this.test!.title += ` (${opened.skip})`;
        return this.skip();
      }
      bench = withNodes(opened);
    });
    afterEach(() => bench?.close());
    tests(() => bench);
  });
};

const openMongo = async (): Promise<TestStore | { skip: string }> => {
  const found = await mongodUri();
  if ('skip' in found) return found;
  const client = await MongoClient.connect(found.uri);
  const opened = await openMongoStore(client, `door-${randomUUID()}`);
  return {
    ...opened,
    async close() {
      await opened.close();
      await client.close();
    },
  };
};
