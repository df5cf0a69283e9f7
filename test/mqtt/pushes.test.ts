import { connect, type Client } from '@rollcall/client';
import type { Registry } from '@rollcall/server';
import { expect } from 'chai';
import { quick } from '../sdk/support/session.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { closeClients, connectMqtt, refusalOf } from './support/client.ts';

const adminPassword = 'admin-of-the-tests';

onBothStores('pushes of MQTT tokens and client records (MT-8; MC-6)', (registries) => {
  let registry: Registry;
  let admin: Client;
  const clients: Client[] = [];

  const login = async (username: string, password = 'secret1'): Promise<Client> => {
    const response = await fetch(`${registry.url}/api/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username, password }),
    });
    const { token } = (await response.json()) as { token: string };
    const client = await connect(registry.url, { token }, { ...quick, autoSetOnline: false });
    clients.push(client);
    return client;
  };
  const person = async (username: string) => {
    const { id } = await admin.users.create({ username, password: 'secret1' });
    return { id, client: await login(username) };
  };

  before(async () => {
    registry = await registries.start({ adminPassword, mqttPort: 0, temporaryClientMs: 500 });
    admin = await login('admin', adminPassword);
  });
  afterEach(closeClients);
  after(() => {
    for (const client of clients.splice(0)) client.close();
  });

  it('whoever may read a group is told of its tokens, without secrets', async () => {
    const [reader, stranger] = [await person('reader'), await person('stranger')];
    const whitelists = { discover: { view: [{ uuid: reader.id }] } };
    const { uuid: group } = await admin.register({ type: 'group', name: 'G', meshblu: { version: '2.0.0', whitelists } });
    const told: unknown[] = [];
    const strange: unknown[] = [];
    reader.client.on('mqttTokens:created', (body) => told.push(body));
    reader.client.on('mqttTokens:revoked', (body) => told.push(body));
    stranger.client.on('mqttTokens:created', (body) => strange.push(body));
    const { secret: _secret, groupName: _name, ...made } = await admin.mqttTokens.create({ groupName: 'G', username: 'one' });
    await until(() => told.length === 1);
    expect(told[0]).to.deep.equal({ ...made, group });
    await admin.mqttTokens.revoke({ groupName: 'G' });
    await until(() => told.length === 2);
    expect(told[1]).to.deep.equal({ uuid: made.uuid, token: made.token, group });
    expect(strange).to.deep.equal([]);
  });

  it('47: an account is told of its records and their clients, and nobody else is', async () => {
    const [mike, zoe] = [await person('mike'), await person('zoe')];
    const told: string[] = [];
    const strange: string[] = [];
    for (const [client, list] of [
      [mike.client, told],
      [zoe.client, strange],
    ] as const)
      for (const verb of ['created', 'updated', 'deleted', 'expired', 'connected', 'disconnected'] as const)
        client.on(
          `mqttClients:${verb}` as 'mqttClients:created',
          ({ id, clientId, uuid }) => void list.push(`${verb} ${id} ${clientId} ${uuid}`),
        );
    const tell = async (verb: string, { id, clientId, uuid }: { id: string; clientId: string; uuid: string }) => {
      const wanted = `${verb} ${id} ${clientId} ${uuid}`;
      await until(() => told.includes(wanted), 15_000);
      expect(told.filter((one) => one === wanted)).to.have.length(1);
    };
    const record = await mike.client.mqttClients.create({ name: 'n', clientId: 'mike-1', key: 'chosen-key' });
    await tell('created', record);
    await mike.client.mqttClients.update({ id: record.id, name: 'other' });
    await tell('updated', record);
    const client = await connectMqtt(registry.mqtt[0] ?? '', { username: 'mike', password: 'chosen-key', clientId: 'mike-1' });
    await tell('connected', record);
    await client.end();
    await tell('disconnected', record);
    await mike.client.mqttClients.delete({ id: record.id });
    await tell('deleted', record);
    await tell('expired', await mike.client.mqttClients.create({}));
    expect(strange).to.deep.equal([]);
  });

  it('26, 43, 44: a connection ends with the key that it showed, with its record, and at its time', async () => {
    const { client: mike } = await person('anna');
    const url = registry.mqtt[0] ?? '';
    const { id } = await mike.mqttClients.create({ name: 'n', clientId: 'anna-1', key: 'first-key' });
    const as = (password: string, clientId = 'anna-1') => connectMqtt(url, { username: 'anna', password, clientId });
    const one = await as('first-key');
    await mike.mqttClients.update({ id, key: 'second-key' });
    await one.closed();
    expect(await refusalOf(url, { username: 'anna', password: 'first-key', clientId: 'anna-1' })).to.equal(4);
    const two = await as('second-key');
    await mike.mqttClients.delete({ id });
    await two.closed();
    const temporary = await mike.mqttClients.create({ name: 'n', clientId: 'anna-2' });
    const three = await as(temporary.key ?? '', 'anna-2');
    await three.closed();
  });
});
