import { expect } from 'chai';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { closeClients, connectMqtt, refusalOf, type TestClient } from './support/client.ts';
import { adminPassword, openStage, type Stage } from './support/ground.ts';

onBothStores('MQTT sessions and delivery (MQTT 3.1.1)', (registries) => {
  let broker = '';
  let stage: Stage;
  const begin = async (again = false): Promise<() => Promise<void>> => {
    const options = { mqttPort: 0, mqttDeniedPublish: 'close' as const, adminPassword };
    const registry = again ? await registries.again(options) : await registries.start(options);
    broker = registry.mqtt[0] ?? '';
    stage = await openStage(registry.url);
    return () => registry.close();
  };
  let close: () => Promise<void>;
  before(async () => {
    close = await begin();
    await stage.user('anna', { 'plant/#': 'readWrite' });
    await stage.user('bert', { 'plant/#': 'readWrite' });
  });
  afterEach(closeClients);

  const as = (clientId: string, more: object = {}, username = 'anna'): Promise<TestClient> =>
    connectMqtt(broker, { username, password: 'secret1', clientId, ...more });
  const kept = (clientId: string): Promise<TestClient> => as(clientId, { clean: false });
  let count = 0;
  const topic = (): string => `plant/${(count += 1)}`;

  for (const qos of [0, 1, 2] as const) {
    it(`a message with QoS ${qos} comes once to each client, with the lower QoS of message and subscription`, async () => {
      const [publisher, low, high] = [await as('p'), await as('low'), await as('high')];
      const here = topic();
      await low.subscribe([here, 'plant/+'], 0);
      await high.subscribe(['plant/#', here], 2);
      for (let n = 0; n < 20; n += 1) await publisher.publish(here, String(n), { qos });
      const expected = Array.from({ length: 20 }, (_, n) => String(n));
      await until(() => high.texts(here).length >= 20 && low.texts(here).length >= 20);
      await publisher.publish(here, 'last', { qos });
      await until(() => high.texts(here).includes('last') && low.texts(here).includes('last'));
      expect(high.texts(here)).to.deep.equal([...expected, 'last']);
      expect(low.texts(here)).to.deep.equal([...expected, 'last']);
      expect(new Set(high.got.map((one) => one.qos))).to.deep.equal(new Set([qos]));
      expect(new Set(low.got.map((one) => one.qos))).to.deep.equal(new Set([0]));
    });
  }

  it('what comes while the client of a kept session is away waits for it, in order; QoS 0 does not', async () => {
    const here = topic();
    const first = await kept('away');
    expect(first.sessionPresent).to.equal(false);
    await first.subscribe(here, 2);
    await first.end();
    const publisher = await as('p', {}, 'bert');
    for (const [text, qos] of [
      ['zero', 0],
      ['one', 1],
      ['two', 2],
      ['three', 1],
    ] as const)
      await publisher.publish(here, text, { qos });
    const second = await kept('away');
    expect(second.sessionPresent).to.equal(true);
    await until(() => second.texts(here).length === 3);
    // The client hands on a message with QoS 2 only when it was released.
    const ofQos = (wanted: number) => second.got.filter(({ qos }) => qos === wanted).map(({ text }) => text);
    expect([ofQos(1), ofQos(2)]).to.deep.equal([['one', 'three'], ['two']]);
    await publisher.publish(here, 'live', { qos: 1 });
    await until(() => second.texts(here).includes('live'));
    await second.end();
    const third = await kept('away');
    await publisher.publish(here, 'mark', { qos: 1 });
    await until(() => third.texts(here).includes('mark'));
    expect(third.texts(here)).to.deep.equal(['mark']);
  });

  it('a message that was not acknowledged comes again, as a duplicate under its packet identifier', async () => {
    const here = topic();
    const first = await kept('unacked');
    await first.subscribe(here, 1);
    const ids: number[] = [];
    first.mqtt.handleMessage = (packet) => {
      ids.push(packet.messageId ?? 0);
    };
    const publisher = await as('p');
    await publisher.publish(here, 'again', { qos: 1 });
    await until(() => ids.length === 1);
    first.cut();
    const second = await kept('unacked');
    second.mqtt.on('packetreceive', (packet) => packet.cmd === 'publish' && ids.push(packet.messageId ?? 0));
    await until(() => second.texts(here).length === 1);
    expect(second.got[0]).to.include({ text: 'again', dup: true });
    expect(ids[0]).to.be.above(0);
  });

  it('a session without subscriptions goes on too, and a clean one ends what was kept', async () => {
    await (await kept('bare')).end();
    const again = await kept('bare');
    expect(again.sessionPresent).to.equal(true);
    const here = topic();
    await again.subscribe(here, 1);
    await again.end();
    await (await as('bare')).end();
    const anew = await kept('bare');
    expect(anew.sessionPresent).to.equal(false);
  });

  it('the retained message of a topic comes to who subscribes later, marked; an empty one removes it', async () => {
    const here = topic();
    const publisher = await as('p');
    await publisher.publish(`${here}/a`, 'old', { qos: 1, retain: true });
    await publisher.publish(`${here}/a`, 'new', { qos: 1, retain: true });
    await publisher.publish(`${here}/b`, 'b', { qos: 1, retain: true });
    const late = await as('late');
    await late.subscribe(`${here}/#`, 1);
    await until(() => late.got.length === 2);
    expect(late.got.map(({ text, retain }) => [text, retain]).sort((a, b) => String(a).localeCompare(String(b)))).to.deep.equal([
      ['b', true],
      ['new', true],
    ]);
    await publisher.publish(`${here}/a`, 'live', { retain: true, qos: 1 });
    await until(() => late.got.some(({ text, retain }) => text === 'live' && !retain));
    await publisher.publish(`${here}/a`, '', { retain: true, qos: 1 });
    await publisher.publish(`${here}/b`, '', { retain: true, qos: 1 });
    const none = await as('none');
    await none.subscribe(`${here}/#`, 1);
    await publisher.publish(here, 'mark', { qos: 1 });
    await until(() => none.got.length > 0);
    expect(none.got.map(({ text }) => text)).to.deep.equal(['mark']);
  });

  it('the will of a client that was cut is published, not of one that takes its leave', async () => {
    const here = topic();
    const watcher = await as('watcher');
    await watcher.subscribe(here, 1);
    const will = { topic: here, payload: Buffer.from('gone'), qos: 1 as const, retain: false };
    await (await as('polite', { will: { ...will, payload: Buffer.from('wrong') } })).end();
    (await as('rude', { will })).cut();
    await until(() => watcher.got.length === 1);
    expect(watcher.texts(here)).to.deep.equal(['gone']);
  });

  it('a client id that connects again takes over; with wrong credentials, or as somebody else, it does not', async () => {
    const first = await as('mine');
    expect(await refusalOf(broker, { username: 'anna', password: 'wrong', clientId: 'mine' })).to.equal(4);
    expect(await refusalOf(broker, { username: 'bert', password: 'secret1', clientId: 'mine' })).to.equal(2);
    expect(first.mqtt.connected).to.equal(true);
    const second = await as('mine');
    await first.closed();
    expect(second.mqtt.connected).to.equal(true);
    const keeper = await kept('kept-mine');
    await keeper.end();
    expect(await refusalOf(broker, { username: 'bert', password: 'secret1', clientId: 'kept-mine' })).to.equal(2);
  });

  it('a subscription is granted only if it is covered wholly, a publish elsewhere ends the connection and reaches nobody', async () => {
    const client = await as('limits');
    expect(await client.subscribe(['plant/x', 'plant/+/temp', 'plant/#', '#', '+/x', 'other', '$SYS/#'], 1)).to.deep.equal([
      1, 1, 1, 128, 128, 128, 128,
    ]);
    const admin = await connectMqtt(broker, { username: 'admin', password: adminPassword, clientId: 'admin' });
    await admin.subscribe('#', 1);
    client.mqtt.publish('other', 'x', { qos: 1 });
    await client.closed();
    await admin.publish('mark', '', { qos: 1 });
    await until(() => admin.texts('mark').length === 1);
    expect(admin.texts('other')).to.deep.equal([]);
  });

  it('131: the publish prefix stands in front of each topic, and the right is asked for the whole', async () => {
    await stage.user('pre', { 'topicA/some/values': 'readWrite' }, { mqttPublishPrefix: 'topicA/' });
    await stage.user('pre2', { 'some/values': 'readWrite' }, { mqttPublishPrefix: 'topicA/' });
    const client = await as('pre', {}, 'pre');
    await client.subscribe('topicA/some/values', 1);
    await client.publish('some/values', 'x', { qos: 1 });
    await until(() => client.texts('topicA/some/values').length === 1);
    const other = await as('pre2', {}, 'pre2');
    other.mqtt.publish('some/values', 'y', { qos: 1 });
    await other.closed();
  });

  it('132: a role that is withdrawn stops deliveries and the next publish', async () => {
    const id = await stage.user('was', { 'hall/#': 'readWrite' });
    const [client, admin] = [
      await as('was', {}, 'was'),
      await connectMqtt(broker, { username: 'admin', password: adminPassword }),
    ];
    await client.subscribe('hall/#', 1);
    await admin.publish('hall/1', 'before', { qos: 1 });
    await until(() => client.texts('hall/1').length === 1);
    await stage.call('users:update', { id, permissions: [] });
    await admin.publish('hall/1', 'after', { qos: 1 });
    client.mqtt.publish('hall/2', 'x', { qos: 1 });
    await client.closed();
    expect(client.texts('hall/1')).to.deep.equal(['before']);
  });

  it('a right that was withdrawn when a session came back, and given again, delivers again', async () => {
    const here = topic();
    const id = await stage.user('back', { 'plant/#': 'readWrite' });
    const permit = async (operations: readonly string[]): Promise<void> => {
      const permissions = operations.map((operation) => ({ resource: 'plant/#', operation, context: 'mqtt' }));
      expect((await stage.call('users:update', { id, permissions })).outcome).to.equal('ok');
    };
    const kept = () => as('comes-back', { clean: false }, 'back');
    const first = await kept();
    await first.subscribe(here, 1);
    await first.end();
    const publisher = await as('p', {}, 'bert');
    await permit([]);
    const second = await kept();
    await publisher.publish(here, 'forbidden', { qos: 1 });
    await permit(['readWrite']);
    for (const qos of [1, 0] as const) await publisher.publish(here, `allowed ${qos}`, { qos });
    await until(() => second.texts(here).length >= 2);
    expect(second.texts(here)).to.have.members(['allowed 1', 'allowed 0']);
    await second.end();
    expect((await kept()).got).to.deep.equal([]);
  });

  it('a user who is deleted, or whose password is another one, is closed out', async () => {
    const id = await stage.user('brief', { 'hall/#': 'readWrite' });
    const client = await as('brief', {}, 'brief');
    await stage.call('users:update', { id, password: 'secret2' });
    await client.closed();
    const again = await connectMqtt(broker, { username: 'brief', password: 'secret2', clientId: 'brief' });
    await stage.call('users:delete', { id });
    await again.closed();
  });

  it('a restart keeps sessions with what waits for them, retained messages, and publishes the wills of whoever was there', async () => {
    const here = topic();
    const client = await kept('restart');
    await client.subscribe(`${here}/#`, 1);
    await client.end();
    const publisher = await as(
      'p',
      { will: { topic: `${here}/will`, payload: Buffer.from('will'), qos: 1, retain: false } },
      'bert',
    );
    await publisher.publish(`${here}/a`, 'waits', { qos: 1, retain: true });
    await close();
    close = await begin(true);
    const back = await kept('restart');
    expect(back.sessionPresent).to.equal(true);
    await until(() => back.got.length >= 2);
    expect(back.got.map(({ text }) => text).sort((a, b) => String(a).localeCompare(String(b)))).to.deep.equal(['waits', 'will']);
    const late = await as('late');
    await late.subscribe(`${here}/a`, 1);
    await until(() => late.texts(`${here}/a`).length === 1);
  });

  it('a session that waits for seven days ends, and so does one whose owner is no more', async () => {
    const day = 86_400_000;
    const session = (clientId: string, days: number, uuid: string) => ({
      _id: clientId,
      rev: 1,
      uuid,
      clean: false,
      subscriptions: [],
      since: new Date(Date.now() - days * day),
    });
    await close();
    await registries.inspect(async (store) => {
      const anna = await store.collection('principals').findOne({ loginName: 'anna' });
      const all = [session('old', 7.1, anna?._id ?? ''), session('young', 6.9, anna?._id ?? ''), session('orphan', 1, 'nobody')];
      await store.collection('mqtt-sessions').insertMany(all);
      await store.collection('mqtt-incoming').insertOne({ _id: '5/old', client: 'old', messageId: 5 });
    });
    close = await begin(true);
    expect((await kept('young')).sessionPresent).to.equal(true);
    expect((await kept('old')).sessionPresent).to.equal(false);
    expect((await kept('orphan')).sessionPresent).to.equal(false);
  });
});
