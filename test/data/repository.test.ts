import { RegistryError } from '@rollcall/client/contract';
import { expect } from 'chai';
import { onBothEngines } from './support/engines.ts';
import type { RequestId, Mutation } from '@rollcall/server/internal/domain/revision';
import type { Repository } from '@rollcall/server/internal/data/repository/types';
import type { DeviceDocument } from '@rollcall/server/internal/domain/documents/device';

const request = (counter: number, again = 0, instance = 'client'): RequestId => ({ actor: 'phone', instance, counter, again });
const lamp = (more: object = {}): DeviceDocument => ({ _id: 'lamp', uuid: 'lamp', count: 0, ...more });
const more: Mutation<DeviceDocument> = (before) => ({ next: { ...before!, count: Number(before!['count']) + 1 }, visible: true });
const hidden: Mutation<DeviceDocument> = (before) => ({ next: { ...before!, secret: true }, visible: false });

const refusal = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof RegistryError) return error.code;
    throw error;
  }
  return 'not refused';
};

const rev = (document: DeviceDocument | null): [number, number] => [
  document?._rollcall?.rev ?? 0,
  document?._rollcall?.shown ?? 0,
];

onBothEngines('the door', (bench) => {
  const open = async (documents: readonly DeviceDocument[] = [lamp()]): Promise<Repository<DeviceDocument>> => {
    const { devices } = await bench().node();
    for (const document of documents) await devices.insert(document);
    return devices;
  };

  it('loses none of 100 updates that come at once', async () => {
    const devices = await open();
    const all = await Promise.all(Array.from({ length: 100 }, () => devices.update('lamp', null, more)));
    expect(new Set(all.map(({ document }) => document['count'])).size).to.equal(100);
    const after = await devices.getFresh('lamp');
    expect(after?.['count']).to.equal(100);
    expect(rev(after)).to.deep.equal([101, 101]);
  });

  it('lets a request take effect once, however often it is sent', async () => {
    const devices = await open();
    const first = await devices.update('lamp', request(1), more);
    const second = await devices.update('lamp', request(1, 1), more);
    const [third, fourth] = await Promise.all([
      devices.update('lamp', request(2), more),
      devices.update('lamp', request(2, 1), more),
    ]);
    expect([first, second, third, fourth].map(({ outcome }) => outcome)).to.deep.equal([
      'changed',
      'repeated',
      'changed',
      'repeated',
    ]);
    expect((await devices.getFresh('lamp'))?.['count']).to.equal(2);
  });

  it('does not ask the step about a repeat: the document may forbid by now what it has done', async () => {
    const devices = await open();
    await devices.update('lamp', request(1), more);
    const never: Mutation<DeviceDocument> = () => {
      throw new RegistryError('forbidden');
    };
    expect((await devices.update('lamp', request(1, 1), never)).outcome).to.equal('repeated');
    expect(await refusal(devices.update('lamp', request(2), never))).to.equal('forbidden');
  });

  it('says that it cannot know the outcome of a request older than the window', async () => {
    const devices = await open();
    await devices.update('lamp', request(1), more);
    await devices.update('lamp', request(100), more);
    expect(await refusal(devices.update('lamp', request(1, 1), more))).to.equal('outcome-unknown');
    expect((await devices.getFresh('lamp'))?.['count']).to.equal(2);
  });

  it('says so too when the instance had to make room for 64 others', async () => {
    const devices = await open();
    await devices.update('lamp', request(1), more);
    for (let index = 0; index < 64; index += 1) await devices.update('lamp', request(1, 0, `other ${index}`), more);
    expect(await refusal(devices.update('lamp', request(1, 1), more))).to.equal('outcome-unknown');
  });

  it('returns the document of a creation to its repeat', async () => {
    const devices = await open([]);
    const first = await devices.insert(lamp({ name: 'first' }), request(1));
    const again = await devices.insert(lamp({ name: 'second' }), request(1, 1));
    expect(rev(first)).to.deep.equal([1, 1]);
    expect(again).to.deep.equal(first);
  });

  it('refuses to insert what is there', async () => {
    const devices = await open();
    expect(await refusal(devices.insert(lamp()))).to.equal('conflict');
    expect(await refusal(devices.insert(lamp(), request(9)))).to.equal('conflict');
  });

  it('never fills a gone document again', async () => {
    const devices = await open([]);
    await devices.insert(lamp(), request(1));
    await devices.update('lamp', request(2), (before) => ({
      next: { ...before!, _rollcall: { ...before!._rollcall!, gone: { at: 0, by: 'phone' } } },
      visible: true,
    }));
    expect(await devices.get('lamp')).to.equal(null);
    expect(await devices.getFresh('lamp')).to.equal(null);
    expect(await refusal(devices.insert(lamp(), request(1, 1)))).to.equal('outcome-unknown');
    expect(await refusal(devices.insert(lamp()))).to.equal('conflict');
    const revive: Mutation<DeviceDocument> = (before) => ({ next: before ?? lamp(), visible: true });
    expect(await refusal(devices.update('lamp', request(3), revive))).to.equal('conflict');
    expect((await devices.update('lamp', request(2, 1), revive)).outcome).to.equal('repeated');
  });

  it('compares an expected revision with the one that clients know', async () => {
    const devices = await open();
    await devices.update('lamp', null, hidden);
    expect(rev(await devices.getFresh('lamp'))).to.deep.equal([2, 1]);
    expect(await refusal(devices.update('lamp', null, more, { expectedRev: 2 }))).to.equal('conflict');
    const { document } = await devices.update('lamp', null, more, { expectedRev: 1 });
    expect(rev(document)).to.deep.equal([3, 3]);
  });

  it('lets one of two win that expect the same revision', async () => {
    const devices = await open();
    const both = await Promise.allSettled(
      [1, 2].map((counter) => devices.update('lamp', request(counter), more, { expectedRev: 1 })),
    );
    expect(both.map(({ status }) => status).sort()).to.deep.equal(['fulfilled', 'rejected']);
    expect((await devices.getFresh('lamp'))?.['count']).to.equal(1);
  });

  it('changes nothing when the step has nothing to change', async () => {
    const devices = await open();
    const { document, outcome } = await devices.update('lamp', request(1), () => null);
    expect(outcome).to.equal('unchanged');
    expect(rev(document)).to.deep.equal([1, 1]);
  });

  it('writes documents of an old database as revision 1', async () => {
    const devices = await open([]);
    await bench().store.collection('devices').insertOne({ _id: 'some other id', uuid: 'lamp', count: 7 });
    await Promise.all([1, 2, 3].map(() => devices.update('lamp', null, more)));
    const after = await devices.getFresh('lamp');
    expect([after?._id, after?.['count'], ...rev(after)]).to.deep.equal(['some other id', 10, 3, 3]);
  });

  it('inserts what is missing, if the step makes something of it', async () => {
    const devices = await open([]);
    const make: Mutation<DeviceDocument> = (before) => ({
      next: before ? { ...before, count: 2 } : lamp({ count: 1 }),
      visible: true,
    });
    const both = await Promise.all([devices.update('lamp', request(1), make), devices.update('lamp', request(2), make)]);
    expect(both.map(({ document }) => document['count'])).to.deep.equal([1, 2]);
  });

  it('hands out documents that nobody can change', async () => {
    const devices = await open([lamp({ deep: { list: [1] } })]);
    const found = await devices.get('lamp');
    expect(() => (found!['deep'] as { list: number[] }).list.push(2)).to.throw(TypeError);
  });

  it('keeps 64-bit integers that nobody touched', async () => {
    const { Long } = await import('mongodb');
    const devices = await open([]);
    await bench()
      .store.collection('devices')
      .insertOne({ _id: 'lamp', uuid: 'lamp', count: 0, big: Long.fromString('9007199254740993') });
    await devices.update('lamp', null, more);
    expect(String((await devices.getFresh('lamp'))?.['big'])).to.equal('9007199254740993');
  });

  it('answers loads that come together by few queries', async () => {
    const { devices } = await bench().node();
    const many = Array.from({ length: 300 }, (_, index) => `device ${index}`);
    await bench()
      .store.collection('devices')
      .insertMany(many.map((uuid) => ({ _id: uuid, uuid })));
    const found = await Promise.all([...many, 'missing'].map((uuid) => devices.getFresh(uuid)));
    expect(found.map((document) => document?.uuid ?? null)).to.deep.equal([...many, null]);
  });
});
