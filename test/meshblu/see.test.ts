import { expect } from 'chai';
import { connectAs, register, v2, type MeshbluSocket } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';

const nobody = '00000000-0000-4000-8000-000000000000';
const uuidsOf = ({ devices }: { devices: { uuid: string }[] }): string[] => devices.map(({ uuid }) => uuid);

onBothStores('Meshblu register and see (reference, 8.2)', (registries) => {
  let url = '';
  let a: MeshbluSocket;
  let w: MeshbluSocket;
  before(async () => {
    ({ url } = await registries.start());
    a = await connectAs(url, await register(url, v2()));
    w = await connectAs(url, await register(url, v2()));
  });
  after(() => {
    a.close();
    w.close();
  });

  const everybody = ['*'];
  const forbidden = { error: 'Forbidden' };
  const found = (uuid: string) => ({ type: 'found', uuid });
  const look = async (socket: MeshbluSocket, argument: unknown) => {
    const answer = await socket.ask<{ device?: { uuid: string; token?: unknown } }>('device', argument);
    if (answer.device === undefined) return answer;
    expect(answer.device).to.not.have.any.keys('token', '_id', '_rollcall');
    return found(answer.device.uuid);
  };

  it('16: a registered device has its defaults and its plain token', async () => {
    const made = await register(url, { type: 'yo' });
    expect(made).to.include({ type: 'yo', online: false });
    expect(made).to.deep.include({
      discoverWhitelist: everybody,
      configureWhitelist: everybody,
      sendWhitelist: everybody,
      receiveWhitelist: everybody,
    });
    expect(made['token']).to.match(/^[0-9a-f]{40}$/);
    expect(made['meshblu']).to.include.keys('createdAt', 'hash');
    expect(made).to.not.have.any.keys('_id', '_rollcall');
  });

  it('17: an owner is put into discover and configure', async () => {
    const made = await register(url, { owner: a.uuid });
    expect(made).to.deep.include({
      discoverWhitelist: [a.uuid],
      configureWhitelist: [a.uuid],
      sendWhitelist: everybody,
      receiveWhitelist: everybody,
    });
  });

  it('18: a list that names everybody stays', async () => {
    const made = await register(url, { owner: a.uuid, discoverWhitelist: everybody });
    expect(made).to.deep.include({ discoverWhitelist: everybody, configureWhitelist: [a.uuid] });
  });

  it('19: a version 2 device gets no version 1 list', async () => {
    const made = await register(url, { owner: a.uuid, meshblu: { version: '2.0.0' } });
    expect(made).to.not.have.any.keys('discoverWhitelist', 'configureWhitelist', 'sendWhitelist', 'receiveWhitelist');
  });

  it('20: uuid and token in the argument are ignored', async () => {
    const made = await register(url, { uuid: 'mine', token: 'mine' });
    expect(made.uuid).to.match(/^[0-9a-f-]{36}$/);
    expect(made.token).to.match(/^[0-9a-f]{40}$/);
  });

  it('21: online may be given', async () => {
    expect(await register(url, { online: true })).to.include({ online: true });
  });

  it('22: what is no object counts as {}', async () => {
    for (const argument of ['text', undefined, null, 5, ['x']])
      expect(await register(url, argument)).to.include.keys('uuid', 'token');
  });

  it('23: whoami gives the own document without secrets', async () => {
    const own = await a.ask('whoami', {});
    expect(own['uuid']).to.equal(a.uuid);
    expect(own).to.not.have.any.keys('token', '_id', '_rollcall');
  });

  it('24, 25, 26, 29: discover.view decides what is seen; missing and not permitted are one', async () => {
    const open = await register(url, {});
    const closed = await register(url, v2());
    const all = await register(url, v2({ 'discover.view': ['*'] }));
    expect(await look(a, { uuid: open.uuid })).to.deep.equal(found(open.uuid));
    expect(await look(a, { uuid: closed.uuid })).to.deep.equal(forbidden);
    expect(await look(a, { uuid: nobody })).to.deep.equal(forbidden);
    expect(await look(a, { uuid: all.uuid })).to.deep.equal(found(all.uuid));
  });

  it('27: only the listed see', async () => {
    const b = await register(url, v2({ 'discover.view': [a.uuid] }));
    expect(await look(a, { uuid: b.uuid })).to.deep.equal(found(b.uuid));
    expect(await look(w, { uuid: b.uuid })).to.deep.equal(forbidden);
  });

  it('28: with the token of the device a call is made as that device; a wrong one is refused', async () => {
    const b = await register(url, v2());
    expect(await look(a, { uuid: b.uuid, token: b.token })).to.deep.equal(found(b.uuid));
    expect(await look(a, { uuid: b.uuid, token: 'x' })).to.deep.equal(forbidden);
  });

  it('30, 31: owner and version 1 lists mean nothing on a version 2 device', async () => {
    const owned = await register(url, v2({}, { owner: a.uuid, type: 'thirty' }));
    const listed = await register(url, v2({}, { discoverWhitelist: ['*'] }));
    expect(await look(a, { uuid: owned.uuid })).to.deep.equal(forbidden);
    expect(await a.ask('devices', { type: 'thirty' })).to.deep.equal({ devices: [] });
    expect(await a.ask('mydevices', { type: 'thirty' })).to.deep.equal({ devices: [] });
    expect(await look(a, { uuid: listed.uuid })).to.deep.equal(forbidden);
  });

  it('32: the owner sees a version 1 device that lists nobody', async () => {
    const b = await register(url, { owner: a.uuid, discoverWhitelist: [] });
    await registerAsOwnerListless(b.uuid, b.token);
    expect(await look(a, { uuid: b.uuid })).to.deep.equal(found(b.uuid));
  });

  const registerAsOwnerListless = async (uuid: string, token: string) => {
    const b = await connectAs(url, { uuid, token });
    await b.ask('update', { discoverWhitelist: [], configureWhitelist: [] });
    b.close();
  };

  it('34: a search gives what the caller owns, what lists him, and what lists everybody', async () => {
    const only = { configureWhitelist: ['*'], sendWhitelist: ['*'], receiveWhitelist: ['*'], type: 'light-saber' };
    const owned = await register(url, { ...only, owner: a.uuid });
    const listing = await register(url, { ...only, discoverWhitelist: [a.uuid] });
    const open = await register(url, { ...only, discoverWhitelist: ['*'] });
    await register(url, { ...only, discoverWhitelist: [w.uuid] });
    await register(url, v2({}, { type: 'light-saber' }));
    const hits = await a.ask<{ devices: { uuid: string }[] }>('devices', { type: 'light-saber' });
    expect(uuidsOf(hits)).to.have.members([owned.uuid, listing.uuid, open.uuid]);
  });

  it('34: the caller finds himself', async () => {
    const me = await connectAs(url, await register(url, v2({}, { type: 'self' })));
    expect(uuidsOf(await me.ask('devices', { type: 'self' }))).to.deep.equal([me.uuid]);
    me.close();
  });

  it('35: nothing found is an empty list', async () => {
    expect(await a.ask('devices', { type: 'none' })).to.deep.equal({ devices: [] });
  });

  it('37: online may be text or boolean', async () => {
    const on = await register(url, { type: 'lit', online: true });
    await register(url, { type: 'lit', online: false });
    expect(uuidsOf(await a.ask('devices', { type: 'lit', online: 'true' }))).to.deep.equal([on.uuid]);
    expect(uuidsOf(await a.ask('devices', { type: 'lit', online: true }))).to.deep.equal([on.uuid]);
  });

  it('38: an empty text and "null" mean that the property does not exist', async () => {
    await register(url, { type: 'paint', color: 'red' });
    const plain = await register(url, { type: 'paint' });
    for (const color of ['', 'null'])
      expect(uuidsOf(await a.ask('devices', { type: 'paint', color }))).to.deep.equal([plain.uuid]);
  });

  it('39: a query cannot widen what is seen', async () => {
    const b = await register(url, v2());
    const hits = await a.ask<{ devices: { uuid: string }[] }>('devices', { $or: [{ uuid: b.uuid }] });
    expect(hits).to.deep.equal({ devices: [] });
  });

  it('40: mydevices gives the devices of the caller only', async () => {
    const b = await register(url, { owner: a.uuid, type: 'forty' });
    await register(url, { type: 'forty' });
    expect(uuidsOf(await a.ask('mydevices', { type: 'forty' }))).to.deep.equal([b.uuid]);
  });

  it('gives the newest first', async () => {
    const made: string[] = [];
    for (let index = 0; index < 3; index += 1) {
      made.unshift((await register(url, { type: 'ordered' })).uuid);
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    expect(uuidsOf(await a.ask('devices', { type: 'ordered' }))).to.deep.equal(made);
  });

  it('refuses queries that would be an oracle, and operators that it does not know', async () => {
    for (const query of [
      { token: 'x' },
      { 'meshblu.tokens.abc': { $exists: true } },
      { meshblu: { $gt: {} } },
      { _rollcall: { $exists: true } },
      { '_rollcall.rev': 1 },
      { $where: 'true' },
      { $or: [{ $expr: {} }] },
      { name: { $regex: '^a' } },
      { a: { b: { $function: 1 } } },
    ]) {
      expect(await a.ask('devices', query), JSON.stringify(query)).to.deep.equal({ error: 'Unprocessable Entity' });
    }
  });

  it('answers the same-network searches of old clients with nothing', async () => {
    expect(await a.ask('localdevices', {})).to.deep.equal({ devices: [] });
    expect(await a.ask('unclaimeddevices')).to.deep.equal({ devices: [] });
  });
});

onBothStores('Meshblu search limits (reference, 8.2)', (registries) => {
  it('33: a version 1 device of an old database without lists is seen by nobody; 36: a search gives 1000 at most', async () => {
    const { url } = await registries.start({}, async (store) => {
      const many = Array.from({ length: 1100 }, (_, index) => ({
        _id: `many-${index}`,
        uuid: `many-${index}`,
        type: 'many',
        discoverWhitelist: ['*'],
        meshblu: { createdAt: new Date(index) },
      }));
      await store.collection('devices').insertMany(many);
      await store.collection('devices').insertOne({ _id: 'closed', uuid: 'closed', type: 'old' });
    });
    const a = await connectAs(url, await register(url));
    const { devices } = await a.ask<{ devices: { uuid: string }[] }>('devices', { type: 'many' });
    expect(devices).to.have.lengthOf(1000);
    expect(devices[0]?.uuid).to.equal('many-1099');
    expect(await a.ask('device', { uuid: 'closed' })).to.deep.equal({ error: 'Forbidden' });
    a.close();
  });
});
