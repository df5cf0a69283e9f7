import { expect } from 'chai';
import { Long, ObjectId } from 'mongodb';
import { connectAs, register, type Made } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

/** Everybody may do anything, as an old version 1 device has it. */
const open = { discoverWhitelist: ['*'], configureWhitelist: ['*'], sendWhitelist: ['*'], receiveWhitelist: ['*'] };

onBothStores('an existing Meshblu database', (registries) => {
  let url = '';
  let a: Awaited<ReturnType<typeof connectAs>>;
  const long = Long.fromString('9007199254740993');
  before(async () => {
    ({ url } = await registries.start({}, async (store) => {
      const devices = store.collection('devices');
      await devices.insertOne({
        _id: new ObjectId(),
        uuid: 'one',
        ...open,
        big: long,
        rules: [{ '\uFF04or': [1] }],
        socketid: 'x',
      });
      await devices.insertOne({ _id: new ObjectId(), uuid: 'two', ...open, meshblu: { createdAt: '2016-05-04T03:02:01+00:00' } });
      await devices.insertOne({
        _id: new ObjectId(),
        uuid: 'three',
        meshblu: { version: '2.0.0', createdAt: new Date(0), whitelists: { discover: { view: [{ uuid: '*' }] } } },
      });
      await devices.insertOne({ _id: new ObjectId(), uuid: 'four', ...open, type: 'large', blob: 'x'.repeat(80_000) });
      const subscriptions = store.collection('subscriptions');
      await subscriptions.insertOne({ _id: new ObjectId(), subscriberUuid: 'two', emitterUuid: 'one', type: 'broadcast.sent' });
      await subscriptions.insertOne({
        _id: new ObjectId(),
        subscriberUuid: 'two',
        emitterUuid: 'three',
        type: 'sent',
        deleted: true,
      });
    }));
    a = await connectAs(url, await register(url));
  });
  after(() => a.close());

  const read = async (uuid: string) => (await a.ask<{ device: Record<string, unknown> }>('device', { uuid })).device;

  it('is read as it is, without what is secret', async () => {
    const one = await read('one');
    expect(one).to.deep.include({ uuid: 'one', big: '9007199254740993', rules: [{ $or: [1] }] });
    expect(one).to.not.have.any.keys('_id', 'socketid', '_rollcall');
    expect((await read('two'))['meshblu']).to.deep.equal({ createdAt: '2016-05-04T03:02:01+00:00', rev: 0 });
    expect((await read('three'))['meshblu']).to.include({ createdAt: '1970-01-01T00:00:00.000Z' });
  });

  it('is changed without touching what nobody named', async () => {
    expect(await a.ask('update', { uuid: 'one', colour: 'red' })).to.deep.equal({ uuid: 'one', status: 200 });
    expect(await read('one')).to.deep.include({ colour: 'red', big: '9007199254740993', rules: [{ $or: [1] }] });
    await a.ask('update', { uuid: 'two', x: 1 });
    expect((await read('two'))['meshblu']).to.deep.include({ createdAt: '2016-05-04T03:02:01+00:00', rev: 1 });
  });

  it('keeps a document that is too large: it can be read, and may only shrink', async () => {
    expect((await read('four'))['blob']).to.have.lengthOf(80_000);
    expect(await a.ask('update', { uuid: 'four', more: 1 })).to.include({ status: 413 });
    expect(await a.ask('update', { uuid: 'four', blob: 'x'.repeat(70_000) })).to.include({ status: 200 });
    expect((await read('four'))['blob']).to.have.lengthOf(70_000);
  });

  it('has subscriptions, but for those that are marked as deleted', async () => {
    const { subscriptions } = await a.ask<{ subscriptions: unknown[] }>('subscriptions', { uuid: 'two' });
    expect(subscriptions).to.deep.equal([{ subscriberUuid: 'two', emitterUuid: 'one', type: 'broadcast.sent' }]);
  });

  it('can be unregistered, and a token made for it dies with it', async () => {
    const session = await a.ask<Made>('generateAndStoreToken', { uuid: 'two' });
    const own = await connectAs(url, session);
    expect(await a.ask('unregister', { uuid: 'two' })).to.deep.equal({ uuid: 'two' });
    await until(() => own.socket.disconnected);
    expect(await a.ask('device', { uuid: 'two' })).to.deep.equal({ error: 'Forbidden' });
    const refused = await connectAs(url, session).catch((error: Error) => error.message);
    expect(refused).to.include('401');
  });

  it('with a uuid twice is reported by uuid, and the registry does not start', async () => {
    const started = registries.start({}, async (store) => {
      for (const type of ['a', 'b']) await store.collection('devices').insertOne({ _id: new ObjectId(), uuid: 'doubled', type });
    });
    const error = await started.catch((refused: Error) => refused);
    expect(error).to.be.an('error').with.property('message').that.includes('doubled');
  });
});
