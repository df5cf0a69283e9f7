import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRegistry, type Config, type Registry } from '@rollcall/server';
import type { Store } from '@rollcall/server/internal/data/store';
import { openEmbedded } from '@rollcall/server/store';
import { MongoClient } from 'mongodb';
import { mongodUriOrSkip } from './mongod.ts';

/** Registries for tests of one store; whatever was opened is closed after each suite. */
export interface Registries {
  /** Starts a registry. `seed` gets the store before it starts, as an existing database. */
  start(options?: Partial<Config>, seed?: (store: Store) => Promise<void>): Promise<Registry>;
  /** Starts one more node, or the same one again, on what the newest `start` used. */
  again(options?: Partial<Config>): Promise<Registry>;
  /** Opens the store of the newest registry; on the embedded one it has to be closed before. */
  inspect<T>(look: (store: Store) => Promise<T>): Promise<T>;
  /** The environment that a command needs to work on what the newest `start` used. */
  environment(): Readonly<Record<string, string>>;
}

const quiet: Partial<Config> = {
  port: 0,
  logLevel: 'error',
  callsPerMinute: 0,
  pepper: 'im-a-pepper',
  secret: 'a secret of the tests',
};

interface Place {
  readonly settings: Partial<Config>;
  use<T>(work: (store: Store) => Promise<T>): Promise<T>;
  remove(): Promise<void>;
}

const embedded = async (): Promise<Place> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'rollcall-test-'));
  return {
    settings: { dataDir },
    async use(work) {
      const { db, close } = await openEmbedded(join(dataDir, 'rollcall.db'));
      try {
        return await work(db);
      } finally {
        await close();
      }
    },
    remove: () => rm(dataDir, { recursive: true, force: true }),
  };
};

const mongodb = (uri: string): Place => {
  const url = new URL(uri);
  const name = `rollcall_${randomUUID().slice(0, 8)}`;
  url.pathname = `/${name}`;
  const use: Place['use'] = async (work) => {
    const client = await MongoClient.connect(String(url));
    try {
      return await work(client.db(name));
    } finally {
      await client.close();
    }
  };
  return {
    settings: { mongodbUrl: String(url), dataDir: ':memory:' },
    use,
    async remove() {
      const client = await MongoClient.connect(String(url));
      await client.db(name).dropDatabase();
      await client.close();
    },
  };
};

/** The same suite on the embedded store and on MongoDB; pending with the reason where there is no MongoDB. */
export const onBothStores = (title: string, suite: (registries: Registries) => void): void => {
  for (const kind of ['the embedded store', 'MongoDB'] as const) {
    describe(`${title}, on ${kind}`, function () {
      this.timeout(30_000);
      const opened: Registry[] = [];
      const places: Place[] = [];
      let uri = '';

      before(async function () {
        if (kind === 'MongoDB') uri = await mongodUriOrSkip(this);
      });

      after(async () => {
        for (const registry of opened.splice(0).reverse()) await registry.close();
        for (const place of places.splice(0)) await place.remove();
      });

      const newest = (): Place => {
        const place = places.at(-1);
        if (place === undefined) throw new Error('no registry was started');
        return place;
      };
      const run = async (options: Partial<Config>): Promise<Registry> => {
        const registry = await createRegistry({ ...quiet, ...newest().settings, ...options });
        opened.push(registry);
        return registry;
      };
      suite({
        async start(options = {}, seed) {
          const place = kind === 'MongoDB' ? mongodb(uri) : await embedded();
          places.push(place);
          if (seed !== undefined) await place.use(seed);
          return run(options);
        },
        again: (options = {}) => run(options),
        inspect: (look) => newest().use(look),
        environment() {
          const { dataDir, mongodbUrl, pepper, secret } = { ...quiet, ...newest().settings };
          const variables = {
            ROLLCALL_DATA_DIR: dataDir,
            ROLLCALL_MONGODB_URL: mongodbUrl,
            ROLLCALL_PEPPER: pepper,
            ROLLCALL_SECRET: secret,
          };
          return Object.fromEntries(Object.entries(variables).filter((one): one is [string, string] => one[1] !== undefined));
        },
      });
    });
  }
};

/** A suite on two nodes of one MongoDB, which start at once; pending with the reason where there is none. `nodes` are there when its tests run. */
export const onTwoNodes = (title: string, options: Partial<Config>, suite: (nodes: readonly Registry[]) => void): void => {
  describe(title, function () {
    this.timeout(60_000);
    const nodes: Registry[] = [];
    let place: Place | undefined;
    before(async function () {
      place = mongodb(await mongodUriOrSkip(this));
      const settings = { ...quiet, ...place.settings, ...options };
      nodes.push(...(await Promise.all([createRegistry(settings), createRegistry(settings)])));
    });
    after(async () => {
      for (const node of nodes) await node.close();
      await place?.remove();
    });
    suite(nodes);
  });
};
