import { expect } from 'chai';
import { until } from '../support/until.ts';
import { breakWire } from './support/broken-wire.ts';
import { onBothEngines, onMongo } from './support/engines.ts';
import type { Mutation } from '@rollcall/server/internal/domain/revision';
import type { DeviceDocument } from '@rollcall/server/internal/domain/documents/device';

const lamp: DeviceDocument = { _id: 'lamp', uuid: 'lamp', count: 0 };
const more: Mutation<DeviceDocument> = (before) => ({ next: { ...before!, count: Number(before!['count']) + 1 }, visible: true });
const end: Mutation<DeviceDocument> = (before) => ({
  next: { ...before!, _rollcall: { ...before!._rollcall!, gone: { at: 0, by: 'phone' } } },
  visible: true,
});

onBothEngines('the cache', (bench) => {
  it('answers reads without asking the store', async () => {
    const wire = breakWire(bench().store);
    const { devices } = await bench().node({ store: wire.store });
    await devices.insert(lamp);
    for (let index = 0; index < 10; index += 1) expect((await devices.get('lamp'))?.uuid).to.equal('lamp');
    expect(wire.calls.get('devices.find') ?? 0).to.equal(0);
  });

  it('is emptied, with an alarm, when another program updates a document', async () => {
    const { devices, cache, logged } = await bench().node();
    await devices.insert(lamp);
    await bench()
      .store.collection('devices')
      .updateOne({ uuid: 'lamp' }, { $set: { count: 9 } });
    await until(() => logged.includes('another program writes to this database'));
    expect(cache.size).to.equal(0);
    expect((await devices.get('lamp'))?.['count']).to.equal(9);
  });

  it('is emptied, with an alarm, when another program deletes one', async () => {
    const { devices, logged } = await bench().node();
    await devices.insert(lamp);
    await bench().store.collection('devices').deleteOne({ uuid: 'lamp' });
    await until(() => logged.includes('another program writes to this database'));
    expect(await devices.get('lamp')).to.equal(null);
  });

  it('stays when the sweeper removes what is gone', async () => {
    const { devices, cache, feed, logged } = await bench().node();
    await devices.insert(lamp);
    await devices.insert({ ...lamp, _id: 'bell', uuid: 'bell' });
    await devices.update('lamp', null, end);
    await until(() => feed.newest('devices', 'lamp')?.type === 'replace');
    await bench().store.collection('devices').deleteOne({ uuid: 'lamp' });
    await until(() => feed.newest('devices', 'lamp')?.type === 'delete');
    expect(logged).to.deep.equal([]);
    expect(cache.get('devices', 'bell')).to.have.property('uuid', 'bell');
  });

  it('stays when the sweeper moves what was gone before the node remembers', async () => {
    const { cache, devices, feed, logged } = await bench().node();
    const old: DeviceDocument = { ...lamp, _rollcall: { rev: 7, shown: 7, gone: { at: 1, by: 'phone' } } };
    await devices.insert({ ...lamp, _id: 'bell', uuid: 'bell' });
    await bench().store.collection('deleted-devices').insertOne(lamp);
    await bench().store.collection('deleted-devices').replaceOne({ _id: 'lamp' }, old);
    await bench().store.collection('devices').insertOne(lamp);
    await bench().store.collection('devices').deleteOne({ uuid: 'lamp' });
    await until(() => feed.newest('devices', 'lamp')?.type === 'delete');
    expect(logged).to.deep.equal([]);
    expect(cache.get('devices', 'bell')).to.have.property('uuid', 'bell');
  });

  it('does not keep a document that was loaded before the event that replaced it', async () => {
    const { devices, cache, feed } = await bench().node();
    await devices.insert(lamp);
    const old = (await devices.getFresh('lamp'))!;
    const ticket = cache.ticket();
    cache.drop('devices', 'lamp');
    await devices.update('lamp', null, more);
    await until(() => feed.newest('devices', 'lamp')?.document?.['count'] === 1);
    cache.drop('devices', 'lamp');
    cache.put('devices', 'lamp', old, ticket);
    expect(cache.get('devices', 'lamp')).to.equal(undefined);
  });

  it('does not keep what began to load before the oldest change that the node remembers', async () => {
    const { devices, cache, feed } = await bench().node({ window: { changes: 3 } });
    await devices.insert(lamp);
    const old = (await devices.getFresh('lamp'))!;
    const ticket = cache.ticket();
    await devices.update('lamp', null, more);
    for (let index = 0; index < 6; index += 1) await devices.insert({ ...lamp, _id: `new ${index}`, uuid: `new ${index}` });
    await until(() => feed.newest('devices', 'new 5') !== undefined);
    cache.drop('devices', 'lamp');
    cache.put('devices', 'lamp', old, ticket);
    expect(cache.get('devices', 'lamp')).to.equal(undefined);
  });
});

onMongo('caches of two nodes', (bench) => {
  it('come to the same document', async () => {
    const [one, other] = [await bench().node(), await bench().node()];
    await one.devices.insert(lamp);
    expect((await other.devices.get('lamp'))?.['count']).to.equal(0);
    await one.devices.update('lamp', null, more);
    await until(() => other.cache.get('devices', 'lamp')?.['count'] === 1);
  });

  it('lose no update of either', async () => {
    const nodes = [await bench().node(), await bench().node()];
    await nodes[0]!.devices.insert(lamp);
    await Promise.all(Array.from({ length: 60 }, (_, index) => nodes[index % 2]!.devices.update('lamp', null, more)));
    expect((await nodes[0]!.devices.getFresh('lamp'))?.['count']).to.equal(60);
    for (const { cache } of nodes) await until(() => cache.get('devices', 'lamp')?.['count'] === 60);
  });
});
