import type { Client, ConnectOptions, Login } from '@rollcall/client';
import { connect } from '@rollcall/client';
import type { Registry } from '@rollcall/server';
import { expect } from 'chai';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { command } from './support/cli.ts';
import { startProxy } from './support/proxy.ts';
import { loss, quick, refusalCode } from './support/session.ts';

onBothStores('the client with a registry', ({ start, again }) => {
  let registry: Registry;
  const clients: Client[] = [];
  const open = async (login: Login = {}, options: ConnectOptions & { url?: string } = {}): Promise<Client> => {
    const client = await connect(options.url ?? registry.url, login, { ...quick, autoSetOnline: false, ...options });
    clients.push(client);
    return client;
  };
  before(async () => (registry = await start()));
  afterEach(() => clients.splice(0).forEach((client) => client.close()));

  it('registers a device, and is that device again with its credentials', async () => {
    const { credentials } = await open();
    const again = await open(credentials);
    const self = await again.whoami();
    expect(self).to.include({ uuid: credentials.uuid });
    expect(self).to.not.have.any.keys('token', 'sdk', 'cursor', '_rollcall');
  });

  it('is refused with a wrong token', async () => {
    const { credentials } = await open();
    expect(await refusalCode(open({ ...credentials, token: 'wrong' }))).to.equal('unauthenticated');
  });

  it('changes its own document, and hears of it once', async () => {
    const device = await open();
    const names: unknown[] = [];
    device.on('config', (document) => names.push(document['name']));
    expect(await device.update({ name: 'hall' })).to.deep.equal({ uuid: device.credentials.uuid, status: 200 });
    await device.update({ name: 'attic' });
    await until(() => names.length === 2);
    expect(names).to.deep.equal(['hall', 'attic']);
    expect(await device.whoami()).to.include({ name: 'attic' });
  });

  it('is refused what the whitelists of another device do not allow, as what does not exist', async () => {
    const [one, other] = [await open(), await open()];
    const hidden = await other.register({ meshblu: { version: '2.0.0' } });
    expect(await refusalCode(one.device({ uuid: hidden.uuid }))).to.equal('forbidden');
    expect(await refusalCode(one.device({ uuid: 'nobody' }))).to.equal('forbidden');
    expect(await refusalCode(one.update({ uuid: hidden.uuid, name: 'mine' }))).to.equal('forbidden');
  });

  it('overwrites no newer revision than the one it names', async () => {
    const device = await open();
    await device.update({ name: 'hall' });
    const rev = Number((await device.whoami()).meshblu?.['rev']);
    await device.update({ name: 'attic' }, { rev });
    expect(await refusalCode(device.update({ name: 'cellar' }, { rev }))).to.equal('conflict');
    expect(await device.whoami()).to.include({ name: 'attic' });
  });

  it('makes a request once though it is made twice', async () => {
    const device = await open();
    const { uuid } = device.credentials;
    const reqId = device.reqId();
    const count = { uuid, update: { $inc: { count: 1 } } };
    await device.documents.update(count, { reqId });
    const { document } = await device.documents.update(count, { reqId });
    expect(document['count']).to.equal(1);
    expect(await device.whoami()).to.include({ count: 1 });
  });

  it('makes a request once though its answer was lost with the connection', async () => {
    const proxy = await startProxy(registry.url);
    const device = await open({}, { url: proxy.url });
    const { uuid } = device.credentials;
    const watcher = await open(device.credentials);
    proxy.muteServer();
    const call = device.documents.update({ uuid, update: { $inc: { count: 1 } } });
    await until(async () => (await watcher.whoami())['count'] === 1);
    proxy.cut();
    expect((await call).document['count']).to.equal(1);
    expect(await watcher.whoami()).to.include({ count: 1 });
    device.close();
    proxy.close();
  });

  it('makes each of many requests once though answers are lost again and again', async () => {
    const proxy = await startProxy(registry.url);
    const device = await open({}, { url: proxy.url });
    const { uuid } = device.credentials;
    const watcher = await open(device.credentials);
    const count = async (): Promise<number> => Number((await watcher.whoami())['count'] ?? 0);
    const calls = Array.from({ length: 150 }, () => device.documents.update({ uuid, update: { $inc: { count: 1 } } }));
    for (const reached of [5, 30, 70, 110]) {
      await until(async () => (await count()) >= reached);
      proxy.muteServer();
      await count();
      proxy.cut();
    }
    await Promise.all(calls);
    expect(await count()).to.equal(150);
    device.close();
    proxy.close();
  });

  it('makes, lists, uses and ends session tokens; who used one is told and closed', async () => {
    const device = await open();
    const { uuid } = device.credentials;
    const { token, createdAt } = await device.generateAndStoreToken({ uuid, tag: 'phone' });
    expect(new Date(createdAt).toISOString()).to.equal(createdAt);
    expect((await device.searchTokens({ tag: 'phone' })).tokens).to.have.length(1);
    const phone = await open({ uuid, token });
    await device.revokeToken({ uuid, token });
    await until(() => phone.state === 'closed');
    expect(await refusalCode(phone.whoami())).to.equal('unauthenticated');
    expect(await refusalCode(open({ uuid, token }))).to.equal('unauthenticated');
  });

  it('goes on with its new token after resetToken, and the old one is dead', async () => {
    const device = await open();
    const old = device.credentials;
    const lost = loss(device);
    const { token } = await device.resetToken({ uuid: old.uuid });
    expect(device.credentials).to.deep.equal({ uuid: old.uuid, token });
    await lost;
    expect(await device.whoami()).to.include({ uuid: old.uuid });
    expect(await refusalCode(open(old))).to.equal('unauthenticated');
  });

  it('can remove its own device: the call is answered, then the client is closed', async () => {
    const device = await open();
    const { uuid } = device.credentials;
    expect(await device.unregister({ uuid })).to.deep.equal({ uuid });
    await until(() => device.state === 'closed');
    expect(await refusalCode(open(device.credentials))).to.equal('unauthenticated');
  });

  it('waits for a registry that is started again, with the calls made in the meantime', async () => {
    const own = await start();
    const device = await open({}, { url: own.url });
    const lost = loss(device);
    await own.close();
    await lost;
    const call = device.update({ name: 'hall' });
    const restarted = await again({ port: Number(new URL(own.url).port) });
    expect(await call).to.include({ status: 200 });
    expect(await device.whoami()).to.include({ name: 'hall' });
    device.close();
    await restarted.close();
  });

  it('carries the command: call, token', async () => {
    const as = { ROLLCALL_URL: registry.url };
    const registered = await command(['call', 'register', '{"type":"lamp"}'], as);
    const { uuid, token } = JSON.parse(registered.stdout) as { uuid: string; token: string };
    const variables = { ...as, ROLLCALL_UUID: uuid, ROLLCALL_TOKEN: token };
    expect(JSON.parse((await command(['call', 'whoami'], variables)).stdout)).to.include({ uuid, type: 'lamp' });
    const made = JSON.parse((await command(['token', '--tag', 'phone'], variables)).stdout) as { token: string };
    const phone = await open({ uuid, token: made.token });
    expect((await phone.searchTokens({ tag: 'phone' })).tokens).to.have.length(1);
    const refused = await command(['call', 'device', '{"uuid":"nobody"}'], variables);
    expect(refused).to.include({ code: 1, stdout: '', stderr: 'forbidden: Forbidden\n' });
  });
});
