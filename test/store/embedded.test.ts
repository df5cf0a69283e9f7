import { expect } from 'chai';
import { Double, Long, type Document } from 'mongodb';
import { openEmbedded, type EmbeddedStore } from '@rollcall/server/store';
import { conformance } from './conformance.ts';
import { failure } from './conformance/failure.ts';

conformance('the embedded engine', () => openEmbedded(':memory:', { promoteLongs: false, sweepMs: 200 }));

describe('the embedded engine', () => {
  let store: EmbeddedStore;
  let time = 0;
  const things = () => store.db.collection('things');

  beforeEach(async () => {
    time = Date.UTC(2026, 0, 1);
    store = await openEmbedded(':memory:', { name: 'own', now: () => time });
  });
  afterEach(() => store.close());

  const later = async (call: () => unknown) => call();
  const refusals: [string, () => Promise<unknown>][] = [
    ['collation', () => things().findOne({}, { collation: { locale: 'en' } } as object)],
    ['hint', () => later(() => things().find({}, { hint: 'a_1' } as object))],
    ['session', () => things().insertOne({ a: 1 }, ...([{ session: {} }] as unknown as []))],
    ['let', () => things().updateOne({}, { $set: { a: 1 } }, { let: {} } as object)],
    ['sort', () => things().replaceOne({}, { a: 1 }, { sort: { a: 1 } } as object)],
    ['bypassDocumentValidation', () => things().insertMany([{ a: 1 }], { bypassDocumentValidation: true } as object)],
    ['weights', () => things().createIndex({ a: 1 }, { weights: {} } as object)],
    ['text', () => things().createIndex({ a: 'text' } as never)],
    ['a.0', () => things().createIndex({ 'a.0': 1 })],
    ['a.0', () => things().find({}).sort({ 'a.0': 1 }).toArray()],
    ['pipeline', () => things().updateOne({}, [{ $set: { a: 1 } }] as Document)],
    ['renameAll', () => things().bulkWrite([{ renameAll: {} } as never])],
    ['$where', () => things().findOne({ $where: 'true' })],
    ['$match', () => later(() => store.db.watch([{ $match: {} }]))],
    ['updateLookup', () => later(() => store.db.watch([], { fullDocument: 'updateLookup' } as object))],
  ];
  for (const [name, call] of refusals) {
    it(`refuses what it does not cover by its name: ${name}`, async () => {
      expect((await failure(call())).message).to.include(name);
    });
  }

  it('promotes 64-bit integers as the database was opened, unless a call says otherwise', async () => {
    await things().insertOne({ key: 1, n: Long.fromNumber(7), d: new Double(2) });
    expect(await things().findOne({ key: 1 })).to.include({ n: 7, d: 2 });
    expect((await things().findOne({ key: 1 }, { promoteLongs: false }))?.['n']).to.be.instanceOf(Long);
  });

  it('sweeps by the clock it was given, and tells the feed', async () => {
    await things().createIndex({ purgeAt: 1 }, { expireAfterSeconds: 60 });
    const stream = store.db.watch();
    await things().insertOne({ key: 'soon', purgeAt: new Date(time) });
    time += 59_000;
    await store.sweep();
    expect(await things().countDocuments()).to.equal(1);
    time += 2000;
    await store.sweep();
    expect(await things().countDocuments()).to.equal(0);
    expect(await stream.next()).to.include({ operationType: 'insert' });
    expect(await stream.next()).to.include({ operationType: 'delete' });
  });

  it('never lets the feed’s time go back, whatever the clock does', async () => {
    const stream = store.db.watch();
    for (const step of [0, -50_000, 10, -5]) {
      time += step;
      await things().insertOne({ step });
    }
    const times: bigint[] = [];
    for (let count = 0; count < 4; count += 1) {
      times.push(((await stream.next()) as { clusterTime?: { toBigInt(): bigint } }).clusterTime?.toBigInt() ?? 0n);
    }
    expect(times.every((at, index) => index === 0 || at > (times[index - 1] as bigint))).to.equal(true);
  });

  it('names its database in events and errors', async () => {
    const stream = store.db.watch();
    await things().insertOne({ key: 1 });
    expect(((await stream.next()) as { ns?: unknown }).ns).to.deep.equal({ db: 'own', coll: 'things' });
    expect(store.db.databaseName).to.equal('own');
  });

  it('gives the event loop its turns during a long scan, and ends it when it is aborted', async () => {
    await things().insertMany(Array.from({ length: 20_000 }, (_, n) => ({ n, text: 'x'.repeat(200) })));
    let turns = 0;
    const tick = setInterval(() => (turns += 1), 0);
    expect(await things().countDocuments({ n: { $lt: 0 } })).to.equal(0);
    clearInterval(tick);
    expect(turns).to.be.greaterThan(1);
    const controller = new AbortController();
    setImmediate(() => controller.abort());
    expect(
      await failure(
        things()
          .find({ n: { $lt: 0 } }, { signal: controller.signal })
          .toArray(),
      ),
    ).to.have.property('name', 'AbortError');
    expect(
      await failure(
        things()
          .find({ n: { $lt: 0 } }, { maxTimeMS: 1 })
          .toArray(),
      ),
    ).to.have.property('code', 50);
  });

  it('refuses all work after it was closed', async () => {
    const other = await openEmbedded(':memory:');
    await other.close();
    await failure(other.db.collection('things').insertOne({ a: 1 }));
    await failure(other.db.collection('things').findOne({ a: 1 }));
  });
});
