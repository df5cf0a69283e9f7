import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { ObjectId } from 'mongodb';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { closeClients, connectMqtt, refusalOf } from './support/client.ts';
import { adminPassword, openStage } from './support/ground.ts';
import { ask, basic } from './support/http.ts';

onBothStores('logins by MQTT client records (MQTT client reference, vectors 36 to 42, 45, 46)', (registries) => {
  let url = '';
  let broker = '';
  const key = 'test-password';
  const mike = { username: 'mike', password: key, clientId: 'mike-9999' };

  before(async () => {
    const registry = await registries.start({ mqttPort: 0, mqttDeniedPublish: 'close', adminPassword }, async (store) => {
      const hash = createHash('sha256').update('old-tokenold-lampim-a-pepper').digest('base64');
      await store.collection('devices').insertOne({ _id: new ObjectId(), uuid: 'old-lamp', meshblu: { tokens: { [hash]: {} } } });
    });
    url = registry.url;
    broker = registry.mqtt[0] ?? '';
    const stage = await openStage(url);
    for (const username of ['mike', 'zoe']) await stage.user(username, {});
    for (const [username, clientId, secret] of [
      ['mike', 'mike-9999', key],
      ['zoe', 'zoe-1', 'key-of-zoe'],
    ] as const) {
      const body = { name: 'n', clientId, key: secret };
      const made = await ask(`${url}/api/client`, 'POST', { body, authorization: basic(username, 'secret1') });
      expect(made.status).to.equal(200);
    }
  });
  afterEach(closeClients);

  it('36, 37, 38, 39: a client id is good with its account and its key, and with nothing else', async () => {
    expect(await refusalOf(broker, mike)).to.equal(0);
    expect(await refusalOf(broker, { ...mike, password: 'secret1' })).to.equal(4);
    for (const password of ['secret1', key, 'key-of-zoe'])
      expect(await refusalOf(broker, { ...mike, username: 'zoe', password }), password).to.equal(4);
    expect(await refusalOf(broker, { ...mike, clientId: 'mike-777' })).to.equal(4);
    expect(await refusalOf(broker, { ...mike, clientId: 'MIKE-9999' })).to.equal(4);
  });

  it('40, 41, 42: has the topics of its account, and no others', async () => {
    const client = await connectMqtt(broker, mike);
    const other = await connectMqtt(broker, { username: 'zoe', password: 'key-of-zoe', clientId: 'zoe-1' });
    expect(await client.subscribe('users/mike/test', 1)).to.deep.equal([1]);
    await client.publish('users/mike/test', 'own', { qos: 1 });
    expect(await client.subscribe(['users/zoe/test', 'users/+/test', '#', 'users/mike/#'])).to.deep.equal([128, 128, 128, 0]);
    expect(await other.subscribe('users/zoe/test')).to.deep.equal([0]);
    await until(() => client.texts('users/mike/test').includes('own'));
    client.publish('users/zoe/test', 'foreign').catch(() => undefined);
    await client.closed();
    await other.publish('users/zoe/test', 'own', { qos: 1 });
    await until(() => other.got.length > 0);
    expect(other.texts('users/zoe/test')).to.deep.equal(['own']);
  });

  it('45, 46: a second connection takes the place of the first, but only with the right key', async () => {
    const first = await connectMqtt(broker, mike);
    expect(await refusalOf(broker, { ...mike, password: 'wrong-key' })).to.equal(4);
    expect(await first.subscribe('users/mike/x')).to.deep.equal([0]);
    const second = await connectMqtt(broker, mike);
    await first.closed();
    expect(await second.subscribe('users/mike/x')).to.deep.equal([0]);
  });

  it('a client id that anybody could use before is its record’s alone from the moment it is registered, and free again without it', async () => {
    const zoe = { username: 'zoe', password: 'secret1', clientId: 'mike-new' };
    expect(await refusalOf(broker, zoe)).to.equal(0);
    expect(await refusalOf(broker, zoe)).to.equal(0);
    const authorization = basic('mike', 'secret1');
    const made = await ask(`${url}/api/client`, 'POST', { body: { name: 'n', clientId: 'mike-new', key }, authorization });
    expect(made.status).to.equal(200);
    expect(await refusalOf(broker, zoe)).to.equal(4);
    await until(async () => (await refusalOf(broker, { ...mike, clientId: 'mike-new' })) === 0);
    const { id } = made.body as { id: string };
    expect((await ask(`${url}/api/client/${id}`, 'DELETE', { authorization })).status).to.equal(200);
    await until(async () => (await refusalOf(broker, zoe)) === 0);
  });

  it('a device of an older database whose id is no uuid logs in by it', async () => {
    const lamp = { username: 'old-lamp', password: 'old-token', clientId: 'lamp' };
    expect(await refusalOf(broker, lamp)).to.equal(0);
    expect(await refusalOf(broker, { ...lamp, password: 'wrong' })).to.equal(4);
    expect(await refusalOf(broker, { ...lamp, clientId: 'mike-9999' })).to.equal(4);
  });
});
