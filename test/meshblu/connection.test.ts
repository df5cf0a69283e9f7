import { expect } from 'chai';
import { connectAs, connectRaw, register } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

const stranger = '00000000-0000-4000-8000-000000000000';

onBothStores('Meshblu connection (reference, 8.1)', (registries) => {
  let url = '';
  before(async () => {
    ({ url } = await registries.start());
  });

  const identify = async (identity: unknown) => {
    const raw = await connectRaw(url);
    raw.socket.emit('identity', identity);
    await until(() => raw.got('ready').length + raw.got('notReady').length > 0);
    return raw;
  };

  it('1: the right token makes a socket ready', async () => {
    const { uuid, token } = await register(url);
    const raw = await identify({ uuid, token });
    expect(raw.got('ready')).to.deep.equal([{ api: 'connect', status: 201, uuid, token }]);
    raw.close();
  });

  it('2, 7: a wrong token is told, the socket stays open and may try again', async () => {
    const { uuid, token } = await register(url);
    const raw = await identify({ uuid, token: 'x' });
    expect(raw.got('notReady')).to.deep.equal([{ api: 'connect', status: 401, uuid, token: 'x' }]);
    expect(raw.socket.connected).to.equal(true);
    raw.socket.emit('identity', { uuid, token });
    await until(() => raw.got('ready').length === 1);
    raw.close();
  });

  it('3: an unknown uuid is not ready', async () => {
    const raw = await identify({ uuid: stranger, token: 'x' });
    expect(raw.got('notReady')).to.deep.equal([{ api: 'connect', status: 401, uuid: stranger, token: 'x' }]);
    raw.close();
  });

  it('4: an empty identity registers a device', async () => {
    const raw = await identify({ type: 'stray' });
    const [ready] = raw.got('ready') as { uuid: string; token: string }[];
    expect(ready?.token).to.match(/^[0-9a-f]{40}$/);
    const own = await raw.ask('whoami', {});
    expect(own).to.include({ uuid: ready?.uuid, type: 'stray' });
    expect(own).to.not.have.any.keys('auto_set_online', 'protocol');
    raw.close();
  });

  it('5: a uuid without a token, or a token without a uuid, registers nothing', async () => {
    const { uuid, token } = await register(url);
    for (const identity of [{ uuid }, { token }]) {
      const raw = await identify(identity);
      expect(raw.got('notReady')).to.deep.equal([{ api: 'connect', status: 401, ...identity }]);
      expect(raw.got('ready')).to.deep.equal([]);
      raw.close();
    }
  });

  it('6: a session token makes ready', async () => {
    const a = await connectAs(url, await register(url));
    const { token } = await a.ask<{ token: string }>('generateAndStoreToken', { uuid: a.uuid });
    const raw = await identify({ uuid: a.uuid, token });
    expect(raw.got('ready')).to.deep.equal([{ api: 'connect', status: 201, uuid: a.uuid, token }]);
    raw.close();
    a.close();
  });

  it('8: a socket that was refused can make no token', async () => {
    const { uuid } = await register(url);
    const raw = await identify({ uuid, token: 'x' });
    expect(await raw.ask('generateAndStoreToken', { uuid })).to.deep.equal({ error: 'Unauthorized' });
    raw.close();
  });

  it('9, 10: a socket shows its device as online as long as it lives', async () => {
    const a = await register(url);
    const watcher = await connectAs(url, a);
    const online = async () => (await watcher.ask('whoami', {}))['online'];
    const socket = await connectAs(url, a, { auto_set_online: true });
    await until(async () => (await online()) === true);
    socket.close();
    await until(async () => (await online()) === false);
    watcher.close();
  });

  it('11: auto_set_online false leaves presence alone', async () => {
    const a = await register(url);
    const socket = await connectAs(url, a, { auto_set_online: false });
    const before = await socket.ask('whoami', {});
    socket.close();
    const again = await connectAs(url, a);
    expect(await again.ask('whoami', {})).to.deep.equal(before);
    expect(before['online']).to.equal(false);
    again.close();
  });

  it('12: presence ends with the last socket', async () => {
    const a = await register(url);
    const watcher = await connectAs(url, a);
    const configs = () => watcher.got('config').map((config) => (config as { online: boolean }).online);
    const first = await connectAs(url, a, { auto_set_online: true });
    const second = await connectAs(url, a, { auto_set_online: true });
    await until(() => configs().length === 1);
    first.close();
    second.close();
    await until(() => configs().length === 2);
    expect(configs()).to.deep.equal([true, false]);
    watcher.close();
  });

  it('15: register needs no identity', async () => {
    const raw = await connectRaw(url);
    const made = await raw.ask('register', { type: 'x' });
    expect(made).to.include({ type: 'x' });
    expect(made['uuid']).to.match(/^[0-9a-f-]{36}$/);
    expect(made['token']).to.match(/^[0-9a-f]{40}$/);
    raw.close();
  });

  it('answers what needs no identity, and refuses the rest, before one is there', async () => {
    const raw = await connectRaw(url);
    expect(await raw.ask('status', {})).to.deep.equal({ meshblu: 'online' });
    expect(await raw.ask('status')).to.deep.equal({ meshblu: 'online' });
    expect(await raw.ask('whoami', {})).to.deep.equal({ error: 'Unauthorized' });
    expect(await raw.ask('devices', {})).to.deep.equal({ error: 'Unauthorized' });
    expect(await raw.ask('no such event', {})).to.deep.equal({ error: 'Not Found' });
    raw.close();
  });

  it('keeps what belongs to the registration switch', async () => {
    const { url: closed } = await registries.start({ openRegistration: false });
    const raw = await connectRaw(closed);
    expect(await raw.ask('register', {})).to.deep.equal({ error: 'Forbidden' });
    raw.socket.emit('identity', {});
    await until(() => raw.got('notReady').length > 0);
    expect(raw.got('notReady')).to.deep.equal([{ api: 'connect', status: 401 }]);
    raw.close();
  });
});
