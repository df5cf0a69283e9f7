import { expect } from 'chai';
import type { Registry } from '@rollcall/server';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { closeClients, connectMqtt, type TestClient } from './support/client.ts';
import { adminPassword, openStage } from './support/ground.ts';

onBothStores('Retained MQTT messages are bounded', (registries) => {
  let registry: Registry;
  const bounds = {
    mqttRetained: 8,
    mqttRetainedBytes: 3_000,
    mqttRetainedPerOwner: 4,
    mqttRetainedBytesPerOwner: 2_000,
  };
  const options = { mqttPort: 0, adminPassword, ...bounds };
  before(async () => {
    registry = await registries.start(options);
    const stage = await openStage(registry.url);
    for (const name of ['anna', 'bert', 'carl']) await stage.user(name, { 'plant/#': 'readWrite' });
  });
  afterEach(async () => {
    const client = await as('anna');
    for (const { topic } of await kept()) await client.publish(topic, '', { qos: 1, retain: true });
    expect(await kept()).to.deep.equal([]);
    closeClients();
  });

  let clients = 0;
  const as = (username: string, more: object = {}): Promise<TestClient> =>
    connectMqtt(registry.mqtt[0] ?? '', { username, password: 'secret1', clientId: `c${(clients += 1)}`, ...more });
  const keep = (client: TestClient, topic: string, payload: string | Buffer = 'x', qos: 0 | 1 | 2 = 1): Promise<void> =>
    client.publish(topic, payload, { qos, retain: true });

  /** What a client finds that comes now. */
  const kept = async () => {
    const client = await as('bert');
    await client.subscribe('plant/#', 1);
    await client.publish('plant/mark', 'mark', { qos: 1 });
    await until(() => client.texts('plant/mark').length === 1);
    await client.end();
    return client.got.filter(({ retain }) => retain);
  };
  const topics = async () => (await kept()).map(({ topic }) => topic).sort();
  const figure = async (name: string): Promise<number> => {
    const text = await (await fetch(`${registry.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
  };

  it('beyond the number of one owner a message goes to those who are there, is acknowledged, and is not kept', async () => {
    const [anna, bert] = [await as('anna'), await as('bert')];
    await bert.subscribe('plant/#', 1);
    const dropped = await figure('rollcall_mqtt_retained_dropped');
    for (const [n, qos] of ([0, 1, 2, 1, 0, 1, 2] as const).entries()) await keep(anna, `plant/${n}`, 'x', qos);
    await until(() => bert.got.length === 7);
    expect(await topics()).to.deep.equal(['plant/0', 'plant/1', 'plant/2', 'plant/3']);
    expect(await figure('rollcall_mqtt_retained')).to.equal(4);
    expect(await figure('rollcall_mqtt_retained_bytes')).to.equal(4 * ('plant/0'.length + 1));
    expect((await figure('rollcall_mqtt_retained_dropped')) - dropped).to.equal(3);
  });

  it('an empty message always removes, and makes room; to replace takes none', async () => {
    const anna = await as('anna');
    for (let n = 0; n < 4; n += 1) await keep(anna, `plant/${n}`);
    await keep(anna, 'plant/3', 'y');
    await keep(anna, 'plant/0', '');
    await keep(anna, 'plant/more');
    await keep(anna, 'plant/none');
    const found = await kept();
    expect(found.map(({ topic, text }) => `${topic} ${text}`).sort()).to.deep.equal([
      'plant/1 x',
      'plant/2 x',
      'plant/3 y',
      'plant/more x',
    ]);
  });

  it('a message that there is no room for leaves none that is out of date', async () => {
    const anna = await as('anna');
    await keep(anna, 'plant/a', 'small');
    await keep(anna, 'plant/a', Buffer.alloc(1_994));
    expect(await topics()).to.deep.equal([]);
    await keep(anna, 'plant/a', Buffer.alloc(1_993));
    await keep(anna, 'plant/b');
    expect(await topics()).to.deep.equal(['plant/a']);
  });

  it('the bounds of one owner are his own; those of all hold for all', async () => {
    const [anna, bert, carl] = [await as('anna'), await as('bert'), await as('carl')];
    for (let n = 0; n < 4; n += 1)
      for (const client of [anna, bert]) await keep(client, `plant/${client.mqtt.options.username}/${n}`);
    expect(await topics()).to.have.length(8);
    await keep(carl, 'plant/carl/0');
    expect(await topics()).to.have.length(8);
    await keep(anna, 'plant/anna/0', '');
    await keep(carl, 'plant/carl/0');
    expect(await topics())
      .to.include('plant/carl/0')
      .and.have.length(8);
  });

  it('what somebody else has kept is his who replaces it', async () => {
    const [anna, bert] = [await as('anna'), await as('bert')];
    for (let n = 0; n < 4; n += 1) await keep(anna, `plant/${n}`);
    await keep(bert, 'plant/0', 'of bert');
    await keep(anna, 'plant/4');
    expect(await topics()).to.have.length(5);
  });

  it('a will counts as its client, and client records count as their account', async () => {
    const credentials = `Basic ${Buffer.from('anna:secret1').toString('base64')}`;
    const record = { name: 'a', clientId: 'anna-retains', key: 'its-own-key' };
    const made = await fetch(`${registry.url}/api/client`, {
      method: 'POST',
      headers: { authorization: credentials, 'content-type': 'application/json' },
      body: JSON.stringify(record),
    });
    expect(made.status).to.equal(200);
    const anna = await as('anna', { clientId: record.clientId, password: record.key });
    for (let n = 0; n < 4; n += 1) await keep(anna, `users/anna/${n}`);
    const dying = await as('anna', { will: { topic: 'plant/will', payload: Buffer.from('gone'), qos: 1, retain: true } });
    const bert = await as('bert');
    await bert.subscribe('plant/will', 1);
    dying.cut();
    await until(() => bert.texts('plant/will').length === 1);
    expect(await topics()).to.deep.equal([]);
    for (let n = 0; n < 4; n += 1) await keep(anna, `users/anna/${n}`, '');
  });

  it('many at once are counted as they come, and a new start counts what there is', async () => {
    const anna = await as('anna');
    await Promise.all(Array.from({ length: 40 }, (_, n) => keep(anna, `plant/${n}`)));
    expect(await topics()).to.have.length(4);
    closeClients();
    await registry.close();
    registry = await registries.again(options);
    expect(await figure('rollcall_mqtt_retained')).to.equal(4);
    await keep(await as('anna'), 'plant/more');
    expect(await topics())
      .to.have.length(4)
      .and.not.include('plant/more');
  });
});
