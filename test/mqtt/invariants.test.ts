import { connect, type Client } from '@rollcall/client';
import type { Registry } from '@rollcall/server';
import { expect } from 'chai';
import { quick } from '../sdk/support/session.ts';
import { onBothStores } from '../support/registries.ts';
import { closeClients, connectMqtt, refusalOf } from './support/client.ts';
import { ask, basic, type Reply } from './support/http.ts';

const adminPassword = 'admin-of-the-tests';
const admin = basic('admin', adminPassword);

type Body = Record<string, unknown>;

onBothStores('what holds across the systems (DM-9)', (registries) => {
  let registry: Registry;
  const clients: Client[] = [];
  const call = (method: string, path: string, body?: unknown, authorization = admin): Promise<Reply> =>
    ask(`${registry.url}${path}`, method, { ...(body !== undefined && { body }), authorization });
  const post = async (path: string, body: unknown, authorization?: string): Promise<Body> => {
    const reply = await call('POST', path, body, authorization);
    expect(reply.status, JSON.stringify(reply.body)).to.be.below(300);
    return reply.body as Body;
  };
  const user = async (username: string, more: Body = {}): Promise<string> =>
    String((await post('/api/users', { username, password: 'secret1', ...more }))['id']);
  /** A connection by the access token of `/api/v2/auth/token`. */
  const connected = async (username: string): Promise<Client> => {
    const { content } = (await post('/api/v2/auth/token', { username, password: 'secret1' })) as { content: [{ token: string }] };
    const client = await connect(registry.url, { token: content[0].token }, { ...quick, autoSetOnline: false });
    clients.push(client);
    return client;
  };
  const lists = (update: readonly string[]) => ({
    meshblu: { version: '2.0.0', whitelists: { configure: { update: update.map((uuid) => ({ uuid })) } } },
  });

  before(async () => {
    registry = await registries.start({ adminPassword, mqttPort: 0 });
  });
  afterEach(closeClients);
  after(() => {
    for (const client of clients.splice(0)) client.close();
  });

  it('1: one user goes through five doors and is the same behind each', async () => {
    const group = String((await post('/devices', { type: 'group', name: 'FIVE', ...lists([]) }))['uuid']);
    const permissions = [
      { resource: '/m2m/token/mqtt', operation: 'write', context: 'http' },
      { resource: '/groups/FIVE', operation: 'write', context: 'http' },
    ];
    const id = await user('five', { group, initialPermissions: permissions });
    const client = await connected('five');
    expect((await client.whoami()).uuid).to.equal(id);
    const record = await post('/api/client', { name: 'n', clientId: 'five-1', key: 'a-good-key' }, basic('five', 'secret1'));
    const { device } = await client.device({ uuid: (await client.mqttClients.get({ id: String(record['id']) })).uuid });
    expect(device).to.include({ type: 'mqtt-client', owner: id });
    const token = await client.mqttTokens.create({ groupName: 'FIVE', username: 'five-token' });
    expect((await call('GET', `/v2/devices/${token.uuid}`)).body).to.include({ type: 'mqtt-token', owner: group });
    expect((await client.users.revokeTokens({ id: (await client.whoami()).uuid })).revoked).to.be.above(0);
  });

  it('2: his uuid in a list lets him make tokens, and so does a role', async () => {
    const id = await user('listed');
    const client = await connected('listed');
    const { uuid } = await post('/devices', lists([id]));
    const make = async (): Promise<string> =>
      client.generateAndStoreToken({ uuid: String(uuid) }).then(
        () => 'ok',
        ({ code }: { code: string }) => code,
      );
    expect(await make()).to.equal('ok');
    await call('PUT', `/devices/${String(uuid)}`, lists([]));
    expect(await make()).to.equal('forbidden');
    const permissions = [{ resource: '/devices/+/tokens', operation: 'write', context: 'http' }];
    await call('PUT', `/api/users/${id}`, { permissions });
    expect(await make()).to.equal('ok');
  });

  it('3: a user who is disabled is nowhere any more, nor are his MQTT clients', async () => {
    const id = await user('disabled');
    const client = await connected('disabled');
    await client.mqttClients.create({ name: 'n', clientId: 'disabled-1', key: 'a-good-key' });
    const login = { username: 'disabled', password: 'a-good-key', clientId: 'disabled-1' };
    const mqtt = await connectMqtt(registry.mqtt[0] ?? '', login);
    const closed = new Promise<void>((resolve) => {
      client.on('notReady', () => resolve());
    });
    await call('PUT', `/api/users/${id}`, { disabled: true });
    await mqtt.closed();
    await closed;
    expect(await refusalOf(registry.mqtt[0] ?? '', login)).to.equal(5);
    expect((await call('GET', '/api/client', undefined, basic('disabled', 'secret1'))).status).to.equal(302);
    await call('PUT', `/api/users/${id}`, { disabled: false });
    expect(await refusalOf(registry.mqtt[0] ?? '', login)).to.equal(0);
  });

  it('4, 5: no document says who somebody is to the registry, and none can', async () => {
    const id = await user('plain', { initialPermissions: [{ resource: '/devices/#', operation: 'read', context: 'http' }] });
    const client = await connected('plain');
    await client.update({ uuid: id, roles: ['registry-admin'], username: 'admin', mfa: { state: 'off' }, kind: 'group' });
    const { body } = await call('GET', '/api/session', undefined, basic('plain', 'secret1'));
    expect(body).to.include({ username: 'plain' });
    const { devices } = await client.devices({});
    expect(devices.length).to.be.above(3);
    const known = devices.filter(({ uuid }) => uuid !== id);
    expect(JSON.stringify(known)).not.to.match(/loginName|roleIds|passwordHash|hashedToken|topicToken|"mfa|_rollcall/);
  });

  it('6: nobody has a name that somebody of another kind has, in whatever case', async () => {
    await post('/devices', { type: 'group', name: 'NAMES', ...lists([]) });
    const name = 'same-name';
    const token = () => call('PUT', '/m2m/token/mqtt', { groupName: 'NAMES', username: name });
    const account = () => call('POST', '/api/users', { username: name.toUpperCase(), password: 'secret1' });
    const statuses = (await Promise.all([token(), account(), token(), account()])).map(({ status }) => status);
    expect(statuses.filter((status) => status < 300)).to.have.length(1);
    expect(statuses.filter((status) => status === 409)).to.have.length(3);
  });

  it('10: what a user owned keeps his uuid, which nobody else gets; his clients go', async () => {
    const id = await user('leaver');
    const { uuid } = await post('/devices', { owner: id, ...lists([id]) });
    const { id: record } = await post(
      '/api/client',
      { name: 'n', clientId: 'leaver-1', key: 'a-good-key' },
      basic('leaver', 'secret1'),
    );
    expect((await call('DELETE', `/api/users/${id}`)).status).to.equal(204);
    const kept = (await call('GET', `/v2/devices/${String(uuid)}`)).body as Body;
    expect(kept).to.include({ owner: id });
    expect(kept['meshblu']).to.deep.include({ whitelists: lists([id]).meshblu.whitelists });
    expect((await call('GET', `/api/client/${String(record)}`)).status).to.equal(404);
    expect(await user('leaver')).not.to.equal(id);
  });
});
