import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { systemClock, type Clock } from '@rollcall/server/internal/common/clock';
import { openChangeFeed } from '@rollcall/server/internal/data/feed/change-feed';
import { createKeyRing } from '@rollcall/server/internal/identity/keys/key-ring';
import { openMaintenance, type Maintenance } from '@rollcall/server/internal/backup/jobs';
import { exactly, parts, rowsOf } from '@rollcall/server/internal/backup/file-parts';
import type { Store } from '@rollcall/server/internal/data/store';
import { openEmbedded } from '@rollcall/server/store';
import { expect } from 'chai';
import { MongoClient, type Document } from 'mongodb';
import { mongodUri } from '../support/mongod.ts';
import { until } from '../support/until.ts';

const secrets = { pepper: 'im-a-pepper', secret: 'a secret of the tests' };
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A hundred times as fast as the one on the wall: who is gone for ten seconds counts as dead. */
const hasty: Clock = {
  now: systemClock.now,
  monotonic: () => systemClock.monotonic() * 100,
  after: (ms, run) => systemClock.after(ms / 100, run),
};

const writes: ReadonlySet<PropertyKey> = new Set([
  'insertOne',
  'replaceOne',
  'updateOne',
  'deleteOne',
  'deleteMany',
  'bulkWrite',
]);

/**
 * A store for a process that dies at its write number `last`: before it takes effect, or after, when nobody hears the answer. `once`: only that
 * one write fails, and life goes on; signs of life, which come as time goes by, do not count then.
 */
const mortal = (
  store: Store,
  last: number,
  takesEffect: boolean,
  once = false,
): { readonly store: Store; readonly count: () => number } => {
  let count = 0;
  const die = (): Promise<never> => Promise.reject(new Error('the process is gone'));
  const guarded = <T extends object>(collection: T): T =>
    new Proxy(collection, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        const method = value.bind(target) as (...given: unknown[]) => unknown;
        if (!writes.has(name)) return method;
        return async (...given: unknown[]) => {
          count += 1;
          if (count < last || (once && count > last)) return method(...given);
          if (count === last && takesEffect) await method(...given);
          return die();
        };
      },
    });
  return {
    store: {
      collection: (name) => (once && name === 'maintenance' ? store.collection(name) : guarded(store.collection(name))),
      watch: (...given) => store.watch(...given),
    },
    count: () => count,
  };
};

/** Everything that a restore is about, as it lies in the store. */
const contents = async (store: Store): Promise<string> => {
  const found: Record<string, Document[]> = {};
  for (const { name, touched } of parts) {
    const rows = await rowsOf(store, name).find(touched, exactly).toArray();
    found[name] = rows.sort((one, other) => (String(one['_id']) < String(other['_id']) ? -1 : 1));
  }
  return JSON.stringify(found);
};

const leftovers = async (store: Store): Promise<number> => {
  let count = 0;
  for (const { name } of parts) count += await store.collection(`before-restore-${name}` as 'devices').countDocuments();
  return count;
};

const suite = (
  title: string,
  open: () => Promise<{ store: Store; close(): Promise<void> } | { skip: string }>,
  step: number,
): void => {
  describe(`a restore whose process dies, ${title}`, function () {
    this.timeout(240_000);
    let folder = '';
    let store: Store;
    let closeStore: (() => Promise<void>) | undefined;
    let archive: Buffer;
    let original = '';
    const alone = title.includes('embedded');

    before(async function () {
      const opened = await open();
      if ('skip' in opened) {
        this.test!.title = `skipped: ${opened.skip}`;
        return this.skip();
      }
      ({ store } = opened);
      closeStore = opened.close;
      folder = await mkdtemp(join(tmpdir(), 'rollcall-crash-'));
    });
    after(async () => {
      await closeStore?.();
      if (folder !== '') await rm(folder, { recursive: true, force: true });
    });

    const maintain = (on: Store): Promise<Maintenance> =>
      openMaintenance({ store: on, alone, dataDir: folder, maxBytes: 2 ** 30, secrets, clock: hasty, log: quiet });

    const jobsOf = async (maintenance: Maintenance) => {
      const feed = openChangeFeed({ store, id: 'x', clock: systemClock, log: quiet, heartbeats: false });
      await feed.ready;
      const keys = await createKeyRing(store, secrets);
      const leave = () => maintenance.leaving({ barrier: () => Promise.resolve() });
      return { jobs: maintenance.jobs({ feed, keys, leave }), close: () => feed.close() };
    };

    /** Makes the store what it was when these were its contents. */
    const openTo = async (text: string): Promise<void> => {
      for (const { name, touched } of parts) await rowsOf(store, name).deleteMany(touched);
      for (const [name, rows] of Object.entries(JSON.parse(text) as Record<string, Document[]>))
        for (const row of rows) await rowsOf(store, name as 'devices').insertOne(revived(row));
    };

    it('leaves everything as it was or as the archive has it, at whichever write it dies', async () => {
      const devices = store.collection('devices');
      await devices.createIndex({ uuid: 1 }, { unique: true });
      const device = (n: number, value: string, rev = n + 1) => ({
        _id: `d${n}`,
        uuid: `d${n}`,
        value,
        _rollcall: { rev, shown: rev },
      });
      for (let n = 0; n < 8; n += 1) await devices.insertOne(device(n, 'archived'));
      await store.collection('roles').insertOne({ _id: 'r', name: 'r', isShared: true, autoGenerated: false, permissions: [] });
      const first = await maintain(store);
      await first.settled();
      const { jobs, close } = await jobsOf(first);
      await jobs.backup(null);
      await until(async () => (await jobs.status()).job === null);
      const newest = await jobs.newest();
      archive = await readFile(newest?.path ?? '');
      await newest?.file.close();
      await close();
      await first.close();

      await devices.deleteOne({ _id: 'd0' });
      for (let n = 4; n < 12; n += 1) await devices.replaceOne({ _id: `d${n}` }, device(n, 'present', n + 101), { upsert: true });
      original = await contents(store);
      const originalRev = (await store.collection('maintenance').findOne({ _id: 'state' }))?.feed;

      /** Runs a restore that dies at this write; false if it came to its end before. */
      const dying = async (last: number, takesEffect: boolean): Promise<boolean> => {
        const life = mortal(store, last, takesEffect);
        const maintenance = await maintain(life.store);
        const { jobs: doomed, close: closeFeed } = await jobsOf(maintenance);
        const { name } = maintenance.offer(() => Promise.resolve(Readable.from([archive])));
        await doomed.restore(name, null, 'credential').then(
          ({ accepted }) => accepted(),
          () => undefined,
        );
        maintenance.settled().catch(() => undefined);
        await until(
          async () => life.count() >= last || (await store.collection('maintenance').findOne({ _id: 'state' }))?.job === null,
          20_000,
        );
        maintenance.stop();
        await maintenance.close();
        await closeFeed();
        return life.count() >= last;
      };

      const outcomes = new Set<string>();
      let restored: string | null = null;
      for (let last = 1; ; last += step) {
        let died = false;
        for (const takesEffect of [false, true]) {
          died = await dying(last, takesEffect);
          if (died && alone) {
            // Whoever puts things right may die as well.
            const helper = await maintain(mortal(store, 1 + ((last * 5) % 13), takesEffect).store);
            helper.settled().catch(() => undefined);
            await new Promise(setImmediate);
            helper.stop();
            await helper.close();
          }
          const successor = await maintain(store);
          const feed = await successor.settled();
          const { jobs: later, close: closeFeed } = await jobsOf(successor);
          // A job that its process left before anything was touched is found when somebody asks.
          await until(async () => (await later.status()).job === null, 20_000);
          const after = await contents(store);
          const { restore } = await later.status();
          if (after === original) outcomes.add('as it was');
          else {
            restored ??= after;
            expect(restore?.succeeded, `write ${last}`).to.equal(true);
            const values = await devices.find({}).sort({ _id: 1 }).toArray();
            expect(values.map(({ _id, value }) => `${String(_id)} ${String(value)}`)).to.deep.equal(
              Array.from({ length: 8 }, (_, n) => `d${n} archived`),
            );
            const revs = values.map(({ _rollcall }) => _rollcall?.rev ?? 0);
            expect(Math.min(...revs)).to.be.above(112);
            expect(feed).to.not.equal(originalRev);
            outcomes.add('restored');
          }
          expect(await leftovers(store), `write ${last}`).to.equal(0);
          await closeFeed();
          await successor.close();
          // The same beginning for the next one.
          if (after !== original) {
            await openTo(original);
          }
        }
        if (!died) break;
      }
      expect([...outcomes].sort()).to.deep.equal(['as it was', 'restored']);
    });

    it('or of which any one write fails, puts everything back by itself', async () => {
      await openTo(original);
      const outcomes = new Set<string>();
      for (let failing = 1; ; failing += step) {
        const life = mortal(store, failing, false, true);
        const maintenance = await maintain(life.store);
        const { jobs, close } = await jobsOf(maintenance);
        const { name } = maintenance.offer(() => Promise.resolve(Readable.from([archive])));
        (await jobs.restore(name, null, 'credential')).accepted();
        const told = async () => (await jobs.status()).restore;
        await until(async () => (await jobs.status()).job === null, 30_000);
        const after = await contents(store);
        const restore = await told();
        expect(after === original, `write ${failing}`).to.equal(restore?.succeeded === false);
        outcomes.add(restore?.succeeded === true ? 'restored' : 'as it was');
        expect(await leftovers(store), `write ${failing}`).to.equal(0);
        const isOver = life.count() < failing;
        await close();
        await maintenance.close();
        if (isOver) break;
        if (after !== original) await openTo(original);
      }
      expect([...outcomes].sort()).to.deep.equal(['as it was', 'restored']);
    });
  });
};

/** Numbers that were written with their types, as plain ones. */
const revived = (value: Document): Document =>
  JSON.parse(JSON.stringify(value), (_key, one: unknown) => {
    const typed = one as { $numberInt?: string; $numberDouble?: string } | null;
    return Number(typed?.$numberInt ?? typed?.$numberDouble ?? Number.NaN) || one;
  }) as Document;

suite(
  'on the embedded store',
  async () => {
    const { db, close } = await openEmbedded(':memory:', { promoteLongs: false });
    return { store: db, close };
  },
  1,
);

suite(
  'on MongoDB',
  async () => {
    const found = await mongodUri();
    if ('skip' in found) return found;
    const client = await MongoClient.connect(found.uri);
    const db = client.db(`rollcall_${randomUUID().slice(0, 8)}`);
    return {
      store: db,
      async close() {
        await db.dropDatabase();
        await client.close();
      },
    };
  },
  7,
);
