import { systemClock } from '@rollcall/server/internal/common/clock';
import { openChangeFeed } from '@rollcall/server/internal/data/feed/change-feed';
import { storeTime } from '@rollcall/server/internal/backup/state';
import type { Collection } from '@rollcall/server/store';
import { expect } from 'chai';
import { until } from '../support/until.ts';
import { onBothEngines, onMongo } from './support/engines.ts';
import type { Change } from '@rollcall/server/internal/data/feed/change';

const ids = (changes: readonly Change[] | 'resync'): unknown =>
  changes === 'resync' ? 'resync' : changes.filter(({ collection }) => collection === 'devices').map(({ id }) => id);

onBothEngines('the feed', (bench) => {
  const insert = async (...names: readonly string[]): Promise<void> => {
    for (const name of names) await bench().store.collection('devices').insertOne({ _id: name, uuid: name });
  };

  it('brings every change once, in order, with the whole document', async () => {
    const { feed } = await bench().node();
    const seen: Change[] = [];
    feed.subscribe((change) => change.collection === 'devices' && seen.push(change));
    await insert('a', 'b', 'c');
    await until(() => seen.length === 3);
    expect(seen.map(({ type, document }): unknown => [type, document?.['uuid']])).to.deep.equal([
      ['insert', 'a'],
      ['insert', 'b'],
      ['insert', 'c'],
    ]);
    expect(seen.map(({ position }) => position)).to.deep.equal(seen.map(({ position }) => position).sort());
  });

  it('lets a client catch up from where it was', async () => {
    const { feed } = await bench().node();
    await insert('a');
    await until(() => feed.newest('devices', 'a'));
    const { cursor } = feed;
    await insert('b', 'c');
    await until(() => feed.newest('devices', 'c'));
    expect(ids(feed.since(cursor))).to.deep.equal(['b', 'c']);
    expect(ids(feed.since(feed.cursor))).to.deep.equal([]);
  });

  it('says resync to a cursor of another feed, of the future, or of no form', async () => {
    const { feed } = await bench().node();
    await insert('a');
    await until(() => feed.newest('devices', 'a'));
    const other = feed.cursor.replace('feed.', 'other.');
    for (const cursor of [other, `feed.${'f'.repeat(20)}`, 'feed.', '', feed.cursor.slice(0, -1)])
      expect(feed.since(cursor)).to.equal('resync');
  });

  it('says resync to a cursor that its ring does not reach', async () => {
    const { feed } = await bench().node({ window: { changes: 3 } });
    await insert('a');
    await until(() => feed.newest('devices', 'a'));
    const { cursor } = feed;
    await insert('b', 'c', 'd', 'e');
    await until(() => feed.newest('devices', 'e'));
    expect(feed.since(cursor)).to.equal('resync');
  });

  it('has a full ring right after its start', async () => {
    await insert('a', 'b');
    const { feed } = await bench().node();
    await until(() => feed.newest('devices', 'b'));
    const place = feed.newest('devices', 'a')!.cursor;
    expect(ids(feed.since(place))).to.deep.equal(['b']);
  });

  it('begins at its origin: what the store did before is of an earlier feed', async () => {
    const { store, several } = bench();
    await insert('a');
    const at = await storeTime(store, systemClock);
    await insert('b');
    const marks = store.collection('maintenance') as unknown as Collection<{ _id: string; feed: string }>;
    await marks.insertOne({ _id: 'state', feed: 'new' });
    await insert('c');
    const seen: Change[] = [];
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const origin = { at: at.getTime(), begins: ({ document }: Change) => document?.['feed'] === 'new' };
    const feed = openChangeFeed({ store, id: 'new', origin, clock: systemClock, log, heartbeats: several });
    try {
      feed.subscribe((change) => seen.push(change));
      await feed.ready;
      await until(() => feed.newest('devices', 'c'));
      expect(seen.map(({ collection, id }) => `${collection} ${String(id)}`)).to.deep.equal(['devices c']);
      expect(feed.newest('devices', 'b')).to.equal(undefined);
      expect(ids(feed.since(`new.${feed.start}`))).to.deep.equal(['c']);
      expect(feed.start < seen[0]!.position).to.equal(true);
    } finally {
      await feed.close();
    }
  });

  it('waits for a cursor that is ahead of it, for a while', async () => {
    const { feed } = await bench().node();
    await insert('a');
    await until(() => feed.newest('devices', 'a'));
    const [, place] = feed.cursor.split('.') as [string, string];
    const ahead = `feed.${place.slice(0, 8)}${'0'.repeat(8)}ffff`;
    expect(await feed.reaches(ahead, 10_000)).to.equal(true);
    expect(await feed.reaches(`feed.${'f'.repeat(20)}`, 20)).to.equal(false);
    expect(await feed.reaches('other.0', 20)).to.equal(false);
  });

  it('goes on when one of its listeners fails', async () => {
    const { feed, logged } = await bench().node();
    feed.subscribe(() => {
      throw new Error('of a listener');
    });
    await insert('a');
    await until(() => logged.includes('a listener of the feed failed'));
    await insert('b');
    await until(() => feed.newest('devices', 'b'));
  });
});

onMongo('the feeds of two nodes', (bench) => {
  it('give the same cursor to the same change', async () => {
    const [one, other] = [await bench().node(), await bench().node()];
    await one.devices.insert({ _id: 'a', uuid: 'a' });
    await until(() => one.feed.newest('devices', 'a') && other.feed.newest('devices', 'a'));
    expect(one.feed.newest('devices', 'a')!.cursor).to.equal(other.feed.newest('devices', 'a')!.cursor);
  });
});
