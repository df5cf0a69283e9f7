import { expect } from 'chai';
import { connectAs, register } from '../support/meshblu.ts';
import { onTwoNodes } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { closeClients, connectMqtt, refusalOf } from './support/client.ts';
import { adminPassword, openStage, type Stage } from './support/ground.ts';
import { ask, basic } from './support/http.ts';

onTwoNodes('MQTT on two nodes of one MongoDB', { mqttPort: 0, adminPassword, mqttRetainedPerOwner: 3 }, (nodes) => {
  let brokers: string[] = [];
  let stage: Stage;
  before(async () => {
    brokers = nodes.map(({ mqtt }) => mqtt[0] ?? '');
    stage = await openStage(nodes[0]?.url ?? '');
    await stage.user('anna', { 'plant/#': 'readWrite' });
    await stage.user('bert', { 'plant/#': 'readWrite' });
  });
  afterEach(closeClients);

  const as = (node: number, clientId: string, more: object = {}, username = 'anna') =>
    connectMqtt(brokers[node] ?? '', { username, password: 'secret1', clientId, ...more });

  it('what is published on one reaches subscribers on the other, once and in order', async () => {
    const [publisher, here, there] = [await as(0, 'p'), await as(0, 'here'), await as(1, 'there')];
    for (const client of [here, there]) await client.subscribe(['plant/a', 'plant/#'], 1);
    for (let n = 0; n < 50; n += 1) await publisher.publish('plant/a', String(n), { qos: 1 });
    const expected = Array.from({ length: 50 }, (_, n) => String(n));
    for (const client of [here, there]) {
      await until(() => client.got.length >= 50);
      expect(client.texts('plant/a')).to.deep.equal(expected);
    }
  });

  it('what is retained on one is found, counted and removed on the other', async () => {
    const [here, there] = [await as(0, 'here'), await as(1, 'there')];
    const keep = (client: typeof here, topic: string, payload: string) =>
      client.publish(topic, payload, { qos: 1, retain: true });
    const found = async (node: number) => {
      const late = await as(node, 'late');
      await late.subscribe('plant/kept/#', 1);
      await late.publish('plant/kept/mark', '', { qos: 1 });
      await until(() => late.texts('plant/kept/mark').length === 1);
      await late.end();
      return late.got.filter(({ retain }) => retain).map(({ topic }) => topic.slice(-1));
    };
    for (const name of ['a', 'b', 'c']) await keep(here, `plant/kept/${name}`, 'x');
    // How much there is comes by the feed.
    await until(async () => {
      await keep(there, 'plant/kept/d', 'x');
      const [one, other] = [await found(0), await found(1)];
      expect(one).to.deep.equal(other);
      if (one.length === 3) return true;
      await keep(there, 'plant/kept/d', '');
      return false;
    });
    for (const name of ['a', 'b']) await keep(there, `plant/kept/${name}`, '');
    await until(async () => {
      await keep(here, 'plant/kept/e', 'x');
      return (await found(1)).includes('e');
    });
    for (const name of ['c', 'e']) await keep(here, `plant/kept/${name}`, '');
    expect(await found(1)).to.deep.equal([]);
  });

  it('a kept session goes with its client from node to node, with what waits for it', async () => {
    const first = await as(0, 'moves', { clean: false });
    await first.subscribe('plant/b', 1);
    await first.end();
    const publisher = await as(0, 'p');
    await publisher.publish('plant/b', 'waits', { qos: 1 });
    const second = await as(1, 'moves', { clean: false });
    expect(second.sessionPresent).to.equal(true);
    await until(() => second.texts('plant/b').length === 1);
    await publisher.publish('plant/b', 'live', { qos: 1 });
    await until(() => second.texts('plant/b').length === 2);
    expect(second.texts('plant/b')).to.deep.equal(['waits', 'live']);
  });

  it('a client id lives on one node at a time, and is its owner’s on all of them', async () => {
    const first = await as(0, 'single');
    expect(await refusalOf(brokers[1] ?? '', { username: 'bert', password: 'secret1', clientId: 'single' })).to.equal(2);
    expect(first.mqtt.connected).to.equal(true);
    const second = await as(1, 'single');
    await first.closed();
    expect(second.mqtt.connected).to.equal(true);
    await second.end();
    await until(
      async () => (await refusalOf(brokers[0] ?? '', { username: 'bert', password: 'secret1', clientId: 'single' })) === 0,
    );
  });

  it('messages of the registry reach MQTT devices on another node, and broadcasts of theirs come back', async () => {
    const [lamp, switcher] = [await register(nodes[0]?.url ?? ''), await register(nodes[0]?.url ?? '')];
    const client = await connectMqtt(brokers[1] ?? '', { username: lamp.uuid, password: lamp.token, clientId: 'lamp' });
    await client.subscribe(lamp.uuid, 1);
    const socket = await connectAs(nodes[0]?.url ?? '', switcher);
    await socket.ask('subscribe', { uuid: lamp.uuid, types: ['broadcast'] });
    await socket.ask('message', { devices: [lamp.uuid], payload: 'on' });
    await until(() => client.got.some(({ text }) => text.includes('"payload":"on"')));
    await client.publish('message', JSON.stringify({ devices: '*', payload: 'is on' }), { qos: 1 });
    await until(() => socket.got('message').some((message) => (message as { payload?: unknown }).payload === 'is on'));
    socket.close();
  });

  it('a credential that ends on one node closes the connection on the other before the answer', async () => {
    const id = await stage.user('brief', { 'plant/#': 'read' });
    const client = await as(1, 'brief', {}, 'brief');
    await stage.call('users:delete', { id });
    await client.closed();
  });

  it('43, 44: what a client record logs in with ends on every node: its key, the record, its account', async () => {
    const [here = '', there = ''] = nodes.map(({ url }) => url);
    const id = await stage.user('carl', {});
    const call = async (node: string, method: string, path: string, body?: unknown, authorization = basic('carl', 'secret1')) => {
      const reply = await ask(`${node}${path}`, method, { ...(body !== undefined && { body }), authorization });
      expect(reply.status, JSON.stringify(reply.body)).to.equal(200);
      return String((reply.body as { id?: string }).id);
    };
    const make = (clientId: string) => call(here, 'POST', '/api/client', { name: 'n', clientId, key: 'first-key' });
    const connected = (clientId: string) => connectMqtt(brokers[1] ?? '', { username: 'carl', password: 'first-key', clientId });
    const [rekeyed, removed] = [await make('carl-1'), await make('carl-2')];
    await make('carl-3');
    const links = [await connected('carl-1'), await connected('carl-2'), await connected('carl-3')];
    await call(here, 'PUT', `/api/client/${rekeyed}`, { key: 'second-key' });
    await links[0]?.closed();
    await call(here, 'DELETE', `/api/client/${removed}`);
    await links[1]?.closed();
    await call(here, 'PUT', `/api/users/${id}`, { disabled: true }, basic('admin', adminPassword));
    await links[2]?.closed();
    expect((await ask(`${there}/api/client`, 'GET', { authorization: basic('carl', 'secret1') })).status).to.equal(302);
  });
});
