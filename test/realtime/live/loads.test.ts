import type { Connection } from '@rollcall/server/internal/realtime/connections';
import { openLive, type Live } from '@rollcall/server/internal/realtime/live/live';
import type { Store } from '@rollcall/server/internal/data/store';
import { openEmbedded } from '@rollcall/server/store';
import { expect } from 'chai';
import { until } from '../../support/until.ts';
import type { DeviceDocument } from '@rollcall/server/internal/domain/documents/device';

const viewer = 'viewer';

const lamp = (uuid: string, rev: number, name: string, gone = false): DeviceDocument => ({
  _id: uuid,
  uuid,
  type: 'lamp',
  name,
  meshblu: { version: '2.0.0', whitelists: { discover: { view: [{ uuid: viewer }] } }, createdAt: new Date(0) },
  _rollcall: { rev, shown: rev, ...(gone && { gone: { at: 1, by: viewer } }) },
});

/** Live queries on a real store whose answers come when the test says so, under a clock that it turns. */
describe('a live query and its reads', () => {
  let store: Store;
  let close: () => Promise<void>;
  let live: Live;
  let serving = true;
  let reads = 0;
  let failures = 0;
  let gate: Promise<void> | undefined;
  let timers: { readonly ms: number; readonly run: () => void }[] = [];
  let told: Record<string, unknown>[] = [];
  let leave: () => void = () => undefined;

  const connection: Connection = {
    actor: { uuid: viewer, credentialId: 'c', hash: 'h' },
    id: 'socket',
    takesMetadata: true,
    fanOut: { send: (_to, _event, data) => void told.push(data as Record<string, unknown>) },
    end: () => undefined,
    onLeave: (release) => (leave = release),
  };

  /** The store, but for the moment at which a search is answered. */
  const held = (): Pick<Store, 'collection'> => ({
    collection(name) {
      const collection = store.collection(name);
      return {
        ...collection,
        find(filter, options) {
          const cursor = collection.find(filter, options);
          const read = cursor.toArray.bind(cursor);
          cursor.toArray = async () => {
            reads += 1;
            const found = await read();
            await gate;
            if (failures > 0) {
              failures -= 1;
              throw new Error('the store has failed');
            }
            return found;
          };
          return cursor;
        },
      };
    },
  });

  const change = (document: DeviceDocument): void =>
    live.change({ cursor: '', position: '', collection: 'devices', type: 'replace', id: document._id, document, at: 0 });
  const insert = (document: DeviceDocument) => store.collection('devices').insertOne(document);
  const names = (rows: readonly Record<string, unknown>[]) => rows.map(({ name }) => name);
  const shut = (): (() => void) => {
    let open: () => void = () => undefined;
    gate = new Promise((resolve) => (open = resolve));
    return open;
  };
  const due = async (ms: number): Promise<void> => {
    const now = timers.filter((timer) => timer.ms <= ms);
    timers = timers.filter((timer) => timer.ms > ms);
    for (const { run } of now) run();
    await new Promise((resolve) => setImmediate(resolve));
  };

  beforeEach(async () => {
    const opened = await openEmbedded(':memory:');
    ({ close } = opened);
    store = opened.db;
    [serving, reads, failures, gate, timers, told] = [true, 0, 0, undefined, [], []];
    let id = 0;
    live = openLive({
      store: held(),
      feed: { newest: () => undefined },
      connections: { send: (to, event, data) => connection.fanOut.send([...to], event, data) },
      clock: {
        after(ms, run) {
          const timer = { ms, run };
          timers.push(timer);
          return () => (timers = timers.filter((one) => one !== timer));
        },
      },
      isServing: () => serving,
      id: () => `q${(id += 1)}`,
      report: () => undefined,
    });
  });
  afterEach(async () => {
    live.stop();
    await close();
  });

  it('takes in what the feed brings while the store reads, by revision', async () => {
    for (const document of [lamp('a', 5, 'a5'), lamp('b', 5, 'b5'), lamp('c', 5, 'c5')]) await insert(document);
    const open = shut();
    const opening = live.open(connection, { filter: { type: 'lamp' }, sort: { uuid: 1 } });
    await until(() => reads === 1);
    change(lamp('a', 6, 'a6'));
    change(lamp('b', 4, 'b4'));
    change(lamp('c', 6, 'c6', true));
    change(lamp('d', 1, 'd1'));
    open();
    expect(names((await opening).rows)).to.deep.equal(['a6', 'b5', 'd1']);
    expect(told).to.deep.equal([]);
  });

  it('reads again if the feed had a hole meanwhile', async () => {
    const open = shut();
    const opening = live.open(connection, { filter: { type: 'lamp' } });
    await until(() => reads === 1);
    await insert(lamp('a', 1, 'a1'));
    live.resync();
    open();
    expect(names((await opening).rows)).to.deep.equal(['a1']);
    expect(reads).to.equal(2);
  });

  it('reads once for any number of equal openings, and never for a change', async () => {
    const asked = { filter: { type: 'lamp' }, sort: { name: 1 } as const };
    const ids = await Promise.all(Array.from({ length: 10 }, async () => (await live.open(connection, asked)).id));
    expect(new Set(ids).size).to.equal(1);
    for (let rev = 1; rev <= 100; rev += 1) change(lamp(`d${rev % 7}`, rev, `n${rev}`));
    expect(reads).to.equal(1);
    expect(told.map(({ seq }) => seq)).to.deep.equal(Array.from({ length: 100 }, (_, index) => index + 1));
  });

  it('keeps nothing of an opening that failed', async () => {
    failures = 1;
    const failed = await live.open(connection, { filter: {} }).catch((error: Error) => error.message);
    expect(failed).to.equal('the store has failed');
    expect(live.size).to.equal(0);
  });

  it('tells nothing while its node may not deliver, and then the result as a resync', async () => {
    await live.open(connection, { filter: {} });
    serving = false;
    change(lamp('a', 1, 'a1'));
    change(lamp('b', 1, 'b1'));
    expect(told).to.deep.equal([]);
    serving = true;
    change(lamp('c', 1, 'c1'));
    expect(told).to.deep.equal([]);
    live.resume();
    expect(told).to.have.length(1);
    expect(told[0]).to.deep.include({ seq: 1, resync: true });
    expect(names(told[0]!['rows'] as Record<string, unknown>[])).to.have.members(['a1', 'b1', 'c1']);
    expect(reads).to.equal(1);
  });

  it('tells a resync only when it has read again after a hole, however often that fails', async () => {
    await live.open(connection, { filter: {} });
    failures = 2;
    live.resync();
    change(lamp('a', 1, 'a1'));
    await insert(lamp('b', 1, 'b1'));
    for (let tries = 1; tries <= 3; tries += 1) {
      expect(told).to.deep.equal([]);
      await due(20_000);
      await until(() => reads === tries + 1);
      await until(() => tries === 3 || timers.length > 0);
    }
    await until(() => told.length === 1);
    expect(names(told[0]!['rows'] as Record<string, unknown>[])).to.include('b1');
  });

  it('does not send a result that is too large for an event: it has to be read', async () => {
    const { id } = await live.open(connection, { filter: {} });
    serving = false;
    for (let index = 0; index < 8; index += 1) change({ ...lamp(`d${index}`, 1, 'x'), blob: 'x'.repeat(60_000) });
    serving = true;
    live.resume();
    expect(told).to.deep.equal([{ id, seq: 1, resync: true }]);
    expect((await live.read(connection, id)).rows).to.have.length(8);
  });

  it('waits half a minute for whoever comes back, and then is gone', async () => {
    await live.open(connection, { filter: {} });
    leave();
    expect(live.size).to.equal(1);
    await live.open(connection, { filter: {} });
    expect(reads).to.equal(1);
    leave();
    expect(timers.map(({ ms }) => ms)).to.deep.equal([30_000]);
    await due(30_000);
    expect(live.size).to.equal(0);
  });

  it('reads again after a change of which the feed does not say what it has made', async () => {
    await insert(lamp('a', 1, 'a1'));
    await live.open(connection, { filter: {} });
    await store.collection('devices').updateOne({ _id: 'a' }, { $set: { name: 'foreign' } });
    live.change({ cursor: '', position: '', collection: 'devices', type: 'update', id: 'a', document: null, at: 0 });
    await due(0);
    await until(() => told.length === 1);
    expect(names(told[0]!['rows'] as Record<string, unknown>[])).to.deep.equal(['foreign']);
  });
});
