import { expect } from 'chai';
import { connectAs, connectRaw, register, v2, type Made, type MeshbluSocket } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

const nobody = '00000000-0000-4000-8000-000000000000';

onBothStores('Meshblu update, claim, unregister (reference, 8.3)', (registries) => {
  let url = '';
  let a: MeshbluSocket;
  let w: Made;
  before(async () => {
    ({ url } = await registries.start());
    a = await connectAs(url, await register(url, v2()));
    w = await register(url, v2());
  });
  after(() => a.close());

  const done = (uuid: string) => ({ uuid, status: 200 });
  const refused = (uuid: string) => ({ uuid, status: 403, error: 'Forbidden' });
  const documentOf = async (device: Made): Promise<Record<string, unknown>> => {
    const own = await connectAs(url, device);
    const document = await own.ask('whoami', {});
    own.close();
    return document;
  };
  const logsIn = async ({ uuid }: Made, token: string): Promise<boolean> =>
    connectAs(url, { uuid, token }).then(
      (socket) => {
        socket.close();
        return true;
      },
      () => false,
    );

  it('41, 42: a change is told to all sockets of the device; the same values again change nothing', async () => {
    const device = await register(url);
    const [one, two] = [await connectAs(url, device), await connectAs(url, device)];
    expect(await one.ask('update', { uuid: device.uuid, color: 'blue' })).to.deep.equal(done(device.uuid));
    await until(() => one.got('config').length === 1 && two.got('config').length === 1);
    const [config] = two.got('config') as [{ color: string; meshblu: { updatedAt: string } }];
    expect(config.color).to.equal('blue');
    expect(config).to.not.have.any.keys('token', '_id', '_rollcall');
    expect(await one.ask('update', { uuid: device.uuid, color: 'blue' })).to.deep.equal(done(device.uuid));
    await one.ask('update', { uuid: device.uuid, color: 'green' });
    await until(() => two.got('config').length === 2);
    expect((two.got('config')[1] as { color: string }).color).to.equal('green');
    one.close();
    two.close();
  });

  it('42: an update without effect renews nothing', async () => {
    const device = await register(url, { color: 'blue' });
    const before = await documentOf(device);
    const own = await connectAs(url, device);
    expect(await own.ask('update', { color: 'blue' })).to.deep.equal(done(device.uuid));
    expect(await own.ask('update', {})).to.deep.equal(done(device.uuid));
    own.close();
    expect(await documentOf(device)).to.deep.equal(before);
  });

  it('43, 44: configure.update decides', async () => {
    const b = await register(url, v2({ 'configure.update': [a.uuid] }));
    expect(await a.ask('update', { uuid: b.uuid, x: 1 })).to.deep.equal(done(b.uuid));
    const after = await documentOf(b);
    expect(after['x']).to.equal(1);
    expect(after['meshblu']).to.include({ updatedBy: a.uuid });
    const seen = await register(url, v2({ 'discover.view': [a.uuid] }));
    expect(await a.ask('update', { uuid: seen.uuid, x: 1 })).to.deep.equal(refused(seen.uuid));
    expect(await documentOf(seen)).to.not.have.property('x');
  });

  it('45: a device that is not there is refused in the same way', async () => {
    expect(await a.ask('update', { uuid: nobody, x: 1 })).to.deep.equal(refused(nobody));
  });

  it('46, 47: a key replaces the old value whole, a key with dots addresses inside', async () => {
    const b = await register(url, { a: 1, b: { c: 2 } });
    await a.ask('update', { uuid: b.uuid, 'b.d': 3 });
    expect(await documentOf(b)).to.deep.include({ a: 1, b: { c: 2, d: 3 } });
    await a.ask('update', { uuid: b.uuid, b: { d: 3 } });
    expect(await documentOf(b)).to.deep.include({ a: 1, b: { d: 3 } });
  });

  it('48, 49: token in an update is a credential, and never written', async () => {
    const b = await register(url, v2());
    expect(await a.ask('update', { uuid: b.uuid, token: b.token, x: 1 })).to.deep.equal(done(b.uuid));
    expect(await a.ask('update', { uuid: b.uuid, token: 'evil' })).to.deep.equal(refused(b.uuid));
    expect(await logsIn(b, b.token)).to.equal(true);
    expect(await logsIn(b, 'evil')).to.equal(false);
  });

  it('50: the owner of a version 1 device may configure it', async () => {
    const b = await register(url, { owner: a.uuid, configureWhitelist: [w.uuid] });
    expect(await a.ask('update', { uuid: b.uuid, x: 1 })).to.deep.equal(done(b.uuid));
  });

  it('51: without uuid an update is for the own device', async () => {
    expect(await a.ask('update', { color: 'x' })).to.deep.equal(done(a.uuid));
    expect(await a.ask('whoami', {})).to.include({ color: 'x' });
  });

  it('52: an open device can be claimed, and names its owner in both lists (W8)', async () => {
    const b = await register(url);
    expect(await a.ask('claimdevice', { uuid: b.uuid })).to.deep.equal(done(b.uuid));
    const after = await documentOf(b);
    expect(after['owner']).to.equal(a.uuid);
    expect(after['discoverWhitelist']).to.include(a.uuid);
    expect(after['configureWhitelist']).to.include(a.uuid);
  });

  it('52: a version 2 device that is claimed lists its owner in version 2 lists', async () => {
    const b = await register(url, v2({ 'configure.update': [a.uuid] }));
    await a.ask('claimdevice', { uuid: b.uuid });
    const { meshblu } = (await documentOf(b)) as { meshblu: { whitelists: { discover: { view: unknown } } } };
    expect(meshblu.whitelists.discover.view).to.deep.equal([{ uuid: a.uuid }]);
  });

  it('53: a device of another owner cannot be claimed', async () => {
    const b = await register(url, { owner: w.uuid });
    expect(await a.ask('claimdevice', { uuid: b.uuid })).to.deep.equal(refused(b.uuid));
    expect((await documentOf(b))['owner']).to.equal(w.uuid);
  });

  it('54: an unregistered device is gone, with all its tokens', async () => {
    const b = await register(url);
    const own = await connectAs(url, b);
    const { token } = await own.ask<{ token: string }>('generateAndStoreToken', { uuid: b.uuid });
    const unused = await own.ask<{ token: string }>('generateAndStoreToken', { uuid: b.uuid });
    own.close();
    expect(await logsIn(b, token)).to.equal(true);
    expect(await a.ask('unregister', { uuid: b.uuid })).to.deep.equal({ uuid: b.uuid });
    expect(await a.ask('device', { uuid: b.uuid })).to.deep.equal({ error: 'Forbidden' });
    for (const old of [b.token, token, unused.token]) expect(await logsIn(b, old)).to.equal(false);
  });

  it('55, 56: who may not configure may not unregister', async () => {
    const b = await register(url, v2({ 'discover.view': [a.uuid] }));
    expect(await a.ask('unregister', { uuid: b.uuid })).to.deep.equal({ error: 'Forbidden' });
    expect(await documentOf(b)).to.include({ uuid: b.uuid });
    expect(await a.ask('unregister', { uuid: nobody })).to.deep.equal({ error: 'Forbidden' });
  });

  it('57: the sockets of an unregistered device are told and can do no more', async () => {
    const b = await connectAs(url, await register(url));
    await a.ask('unregister', { uuid: b.uuid });
    await until(() => b.got('unregistered').length === 1);
    expect(b.got('unregistered')[0]).to.include({ uuid: b.uuid });
    expect(b.got('unregistered')[0]).to.not.have.any.keys('token', '_id', '_rollcall');
    expect(await b.ask('whoami', {})).to.deep.equal({ error: 'Unauthorized' });
    await until(() => b.socket.disconnected);
  });

  it('what only the server writes is kept by any update', async () => {
    const b = await register(url);
    const own = await connectAs(url, b);
    const { meshblu } = (await own.ask('whoami', {})) as { meshblu: { createdAt: string; hash: string } };
    await own.ask('update', { meshblu: { createdAt: 'never', hash: 'x', tokens: { h: {} }, mine: 1 }, uuid: b.uuid });
    const after = (await own.ask('whoami', {})) as { meshblu: Record<string, unknown> };
    expect(after.meshblu).to.include({ createdAt: meshblu.createdAt, mine: 1 });
    expect(after.meshblu['hash']).to.not.equal('x');
    expect(after.meshblu).to.not.have.property('tokens');
    for (const path of ['meshblu.hash', 'meshblu.tokens.abc', '_rollcall', '_rollcall.rev', '_id']) {
      expect(await own.ask('update', { [path]: 1 }), path).to.deep.equal({
        uuid: b.uuid,
        status: 422,
        error: 'Unprocessable Entity',
      });
    }
    own.close();
  });

  it('keys that begin with $ are kept and read back', async () => {
    const b = await register(url, { rules: [{ $or: [1] }] });
    const own = await connectAs(url, b);
    await own.ask('update', { more: { $set: { $a: 1 } } });
    expect(await own.ask('whoami', {})).to.deep.include({ rules: [{ $or: [1] }], more: { $set: { $a: 1 } } });
    own.close();
  });

  it('111: acting for another device asks both lists, and never on that device itself', async () => {
    const x = await register(url, v2({ 'configure.as': [a.uuid] }));
    const t = await register(url, v2({ 'configure.update': [x.uuid] }));
    const as = async (toUuid: string, fromUuid: string) => {
      const { metadata } = await a.ask<{ metadata: { code: number } }>('updateas', {
        metadata: { toUuid, fromUuid },
        data: { x: 1 },
      });
      return metadata.code;
    };
    expect(await as(t.uuid, x.uuid)).to.equal(204);
    expect(await documentOf(t)).to.include({ x: 1 });
    expect(await as(x.uuid, x.uuid)).to.equal(403);
    expect(await as(t.uuid, w.uuid)).to.equal(403);
  });

  it('a second sending of a numbered call changes nothing more', async () => {
    const b = await connectAs(url, await register(url, { count: 0 }));
    const options = { reqId: 'abcdefghijklmnopqrstuv:1' };
    const add = (extra: object) =>
      b.ask('documents:update', { uuid: b.uuid, update: { $inc: { count: 1 } } }, { ...options, ...extra });
    const first = await add({});
    const again = await add({ again: 1 });
    expect(first).to.deep.equal(again);
    expect((first as { document: { count: number } }).document.count).to.equal(1);
    b.close();
  });

  it('an expected revision that is not the present one is a conflict', async () => {
    const b = await connectAs(url, await register(url));
    const { meshblu } = (await b.ask('whoami', {})) as { meshblu: { rev: number } };
    expect(await b.ask('update', { x: 1 }, { rev: meshblu.rev })).to.deep.equal(done(b.uuid));
    expect(await b.ask('update', { x: 2 }, { rev: meshblu.rev })).to.include({ code: 'conflict', status: 409 });
    expect(await b.ask('whoami', {})).to.include({ x: 1 });
    b.close();
  });

  it('a document may not outgrow its limit', async () => {
    const raw = await connectRaw(url);
    expect(await raw.ask('register', { blob: 'x'.repeat(70_000) })).to.deep.equal({ error: 'Payload Too Large' });
    raw.close();
  });
});
