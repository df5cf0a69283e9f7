import { RegistryError } from '@rollcall/client/contract';
import { expect } from 'chai';
import { until } from '../support/until.ts';
import { breakWire, type BrokenWire } from './support/broken-wire.ts';
import { onBothEngines } from './support/engines.ts';
import type { TestNode } from './support/nodes.ts';
import type { RequestId, Mutation } from '@rollcall/server/internal/domain/revision';
import type { DeviceDocument } from '@rollcall/server/internal/domain/documents/device';

const request = (counter: number, again = 0, instance = 'client'): RequestId => ({ actor: 'phone', instance, counter, again });
const lamp: DeviceDocument = { _id: 'lamp', uuid: 'lamp', count: 0 };
const more: Mutation<DeviceDocument> = (before) => ({ next: { ...before!, count: Number(before!['count']) + 1 }, visible: true });

onBothEngines('a write whose answer is lost', (bench) => {
  const open = async (): Promise<{ wire: BrokenWire } & TestNode> => {
    const wire = breakWire(bench().store);
    return { wire, ...(await bench().node({ store: wire.store })) };
  };

  it('is found in the document and not made again', async () => {
    const { wire, devices } = await open();
    await devices.insert(lamp);
    wire.next('devices', 'replaceOne', 'lose');
    const { document, outcome } = await devices.update('lamp', null, more);
    expect([document['count'], document._rollcall?.rev, outcome]).to.deep.equal([1, 2, 'changed']);
    expect(wire.calls.get('devices.replaceOne')).to.equal(1);
  });

  it('is made again if it was the request that was lost', async () => {
    const { wire, devices } = await open();
    await devices.insert(lamp);
    wire.next('devices', 'replaceOne', 'drop', 'drop', 'lose');
    const { document, outcome } = await devices.update('lamp', request(1), more);
    expect([document['count'], document._rollcall?.rev, outcome]).to.deep.equal([1, 2, 'changed']);
  });

  it('is not doubled by a request that arrives after its successor', async () => {
    const { wire, devices } = await open();
    await devices.insert(lamp);
    wire.next('devices', 'replaceOne', 'late');
    await devices.update('lamp', null, more);
    expect(await wire.arrive()).to.have.nested.property('[0].matchedCount', 0);
    expect((await devices.getFresh('lamp'))?.['count']).to.equal(1);
  });

  it('cannot take effect after it was refused', async () => {
    const { wire, devices } = await open();
    await devices.insert(lamp);
    wire.next('devices', 'replaceOne', 'late');
    let asked = 0;
    const fickle: Mutation<DeviceDocument> = (before) => {
      asked += 1;
      if (asked > 1) throw new RegistryError('forbidden');
      return more(before);
    };
    const answer = await devices.update('lamp', request(1), fickle).catch((error: unknown) => error);
    expect(answer).to.have.property('code', 'forbidden');
    expect(await wire.arrive()).to.have.nested.property('[0].matchedCount', 0);
    const after = await devices.getFresh('lamp');
    expect([after?.['count'], after?._rollcall?.rev, after?._rollcall?.shown]).to.deep.equal([0, 2, 1]);
  });

  it('has an unknown outcome if 64 others took its place meanwhile', async () => {
    const { wire, devices } = await open();
    const others = (await bench().node()).devices;
    await devices.insert(lamp);
    wire.next('devices', 'replaceOne', 'lose');
    wire.next('devices', 'findOne', 'drop', 'drop', 'drop', 'drop', 'drop', 'drop', 'drop', 'drop', 'drop', 'drop');
    const answer = devices.update('lamp', request(1), more).catch((error: unknown) => error);
    await until(async () => (await others.getFresh('lamp'))?.['count'] === 1);
    for (let index = 0; index < 64; index += 1) await others.update('lamp', request(1, 0, `other ${index}`), more);
    wire.next('devices', 'findOne');
    expect(await answer).to.have.property('code', 'outcome-unknown');
    expect((await others.getFresh('lamp'))?.['count']).to.equal(65);
  });

  it('creates one document', async () => {
    const { wire, devices } = await open();
    wire.next('devices', 'insertOne', 'lose');
    expect((await devices.insert(lamp))._rollcall?.rev).to.equal(1);
    wire.next('devices', 'insertOne', 'drop', 'lose');
    expect((await devices.insert({ ...lamp, _id: 'bell', uuid: 'bell' }, request(1))).uuid).to.equal('bell');
    expect(await bench().store.collection('devices').countDocuments({})).to.equal(2);
  });

  it('fails with an error of the store if the store says no', async () => {
    const { devices } = await open();
    await devices.insert(lamp);
    const answer = await devices
      .update('lamp', null, (before) => ({ next: { ...before!, uuid: 'lamp', $bad: Symbol('x') }, visible: true }))
      .catch((error: unknown) => error);
    expect(answer).to.not.have.property('code', 'unavailable');
    expect((await devices.update('lamp', null, more)).document['count']).to.equal(1);
  });
});

onBothEngines('a stale cache', (bench) => {
  /** A node that has the lamp in its cache and does not hear of the change that another one makes. */
  const behind = async (): Promise<TestNode & { readonly wire: BrokenWire }> => {
    const wire = breakWire(bench().store);
    const node = await bench().node({ store: wire.store });
    await node.devices.insert({ ...lamp, open: false });
    wire.mute();
    const [stored] = await bench().store.collection('devices').find({ uuid: 'lamp' }).toArray();
    const _rollcall = { ...stored!._rollcall!, rev: 2, shown: 2 };
    await bench()
      .store.collection('devices')
      .replaceOne({ uuid: 'lamp' }, { ...stored!, open: true, count: 5, _rollcall });
    return { wire, ...node };
  };

  it('costs a round, and refuses nobody who may', async () => {
    const { devices } = await behind();
    const { document } = await devices.update('lamp', null, (before) => {
      if (before?.['open'] !== true) throw new RegistryError('forbidden');
      return more(before);
    });
    expect([document['count'], document._rollcall?.rev]).to.deep.equal([6, 3]);
  });

  it('does not make "nothing to change" of a change', async () => {
    const { devices } = await behind();
    const { outcome } = await devices.update('lamp', null, (before) => (before?.['count'] === 0 ? null : more(before)));
    expect(outcome).to.equal('changed');
  });

  it('does not refuse the revision that is the right one by now', async () => {
    const { devices } = await behind();
    expect((await devices.update('lamp', null, more, { expectedRev: 2 })).document['count']).to.equal(6);
  });

  it('does not make a change of the document that it was', async () => {
    const { devices } = await behind();
    expect((await devices.update('lamp', null, more)).document['count']).to.equal(6);
  });
});
