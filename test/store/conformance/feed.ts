import { expect } from 'chai';
import type { Bench } from '../conformance.ts';
import type { ChangeStream, WatchOptions } from '@rollcall/server/store';
import { failure } from './failure.ts';

interface Event {
  _id: { _data: string };
  operationType: string;
  documentKey: { _id: unknown };
  fullDocument?: unknown;
  ns: { coll: string };
  clusterTime: { toBigInt(): bigint };
}

export function feedRules({ db, fresh }: Bench): void {
  const open: ChangeStream[] = [];

  /** A stream that has begun: what is written from now on comes. */
  async function watching(options?: WatchOptions): Promise<ChangeStream> {
    const stream = db().watch([], options);
    open.push(stream);
    if (options === undefined) await stream.tryNext();
    return stream;
  }

  async function take(stream: ChangeStream, count: number): Promise<Event[]> {
    const events: Event[] = [];
    while (events.length < count) events.push((await stream.next()) as unknown as Event);
    return events;
  }

  afterEach(async () => {
    await Promise.all(open.splice(0).map((stream) => stream.close()));
  });

  describe('watch', () => {
    it('tells inserts, replacements, updates and deletes in their order, with whole documents where they are', async () => {
      const things = fresh();
      await things.createIndex({ a: 1 });
      const stream = await watching();
      await things.insertOne({ _id: 1, a: 1 });
      await things.replaceOne({ _id: 1 }, { a: 2 });
      await things.updateOne({ _id: 1 }, { $set: { a: 3 } });
      await things.deleteOne({ _id: 1 });
      const events = await take(stream, 4);
      expect(events.map(({ operationType }) => operationType)).to.deep.equal(['insert', 'replace', 'update', 'delete']);
      expect(events.map(({ fullDocument }) => fullDocument)).to.deep.equal([
        { _id: 1, a: 1 },
        { _id: 1, a: 2 },
        undefined,
        undefined,
      ]);
      for (const { documentKey } of events) expect(documentKey).to.deep.equal({ _id: 1 });
    });

    it('tells of all collections, in the order of their writes', async () => {
      const [first, second] = [fresh(), fresh()];
      await first.insertOne({ _id: 0 });
      await second.insertOne({ _id: 0 });
      const stream = await watching();
      for (let n = 1; n <= 10; n += 1) await (n % 2 === 0 ? first : second).insertOne({ _id: n });
      const events = await take(stream, 10);
      expect(events.map(({ documentKey }) => documentKey._id)).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      expect(new Set(events.map(({ ns }) => ns.coll)).size).to.equal(2);
    });

    it('gives tokens that grow as text, and cluster times that grow', async () => {
      const things = fresh();
      const stream = await watching();
      await things.insertMany(Array.from({ length: 50 }, (_, n) => ({ _id: n })));
      const events = await take(stream, 50);
      const tokens = events.map(({ _id }) => _id._data);
      expect([...tokens].sort()).to.deep.equal(tokens);
      expect(new Set(tokens).size).to.equal(50);
      const times = events.map(({ clusterTime }) => clusterTime.toBigInt());
      expect(times.every((time, at) => at === 0 || time >= (times[at - 1] as bigint))).to.equal(true);
    });

    it('goes on after any event, with the very same tokens', async () => {
      const things = fresh();
      const stream = await watching();
      await things.insertMany([1, 2, 3, 4].map((n) => ({ _id: n })));
      const events = await take(stream, 4);
      for (const option of ['resumeAfter', 'startAfter'] as const) {
        const again = await watching({ [option]: events[1]?._id });
        expect(await take(again, 2)).to.deep.equal(events.slice(2));
      }
    });

    it('goes on after its own resume token when nothing was read', async () => {
      const things = fresh();
      const stream = await watching();
      const { resumeToken } = stream;
      await things.insertOne({ _id: 1 });
      expect((await take(await watching({ resumeAfter: resumeToken }), 1))[0]?.documentKey).to.deep.equal({ _id: 1 });
    });

    it('tells nothing of a write that changed nothing, or failed', async () => {
      const things = fresh();
      await things.insertOne({ _id: 1, a: 1 });
      const stream = await watching();
      await things.updateOne({ _id: 1 }, { $set: { a: 1 } });
      await things.replaceOne({ _id: 1 }, { _id: 1, a: 1 });
      await failure(things.insertOne({ _id: 1 }));
      await things.deleteOne({ _id: 2 });
      await things.insertOne({ _id: 'end' });
      expect((await take(stream, 1))[0]?.documentKey).to.deep.equal({ _id: 'end' });
    });

    it('answers null from tryNext when there is nothing new', async () => {
      const stream = await watching();
      expect(await stream.tryNext()).to.equal(null);
    });

    it('refuses a token that is none', async () => {
      await failure((await watching({ resumeAfter: { _data: 'nonsense' } })).next());
    });

    it('ends a waiting next when it is closed', async () => {
      const stream = await watching();
      const waiting = failure(stream.next());
      await stream.close();
      await waiting;
      expect(stream.closed).to.equal(true);
    });
  });
}
