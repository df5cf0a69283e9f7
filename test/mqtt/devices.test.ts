import { expect } from 'chai';
import { connectAs, register, v2 } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { closeClients, connectMqtt, refusalOf } from './support/client.ts';

onBothStores('devices over MQTT (DM-5, DM-7)', (registries) => {
  let url = '';
  let broker = '';
  before(async () => {
    const registry = await registries.start({ mqttPort: 0, mqttDeniedPublish: 'close' });
    url = registry.url;
    broker = registry.mqtt[0] ?? '';
  });
  afterEach(closeClients);

  const make = (properties: unknown = {}) => register(url, properties);
  const login = ({ uuid, token }: { uuid: string; token: string }, clientId = `c-${uuid}`) => ({
    username: uuid,
    password: token,
    clientId,
  });

  it('a device logs in with uuid and token, over TCP and over websocket; a wrong one is refused with 4', async () => {
    const device = await make();
    expect(await refusalOf(broker, login(device))).to.equal(0);
    expect(await refusalOf(`${url.replace('http', 'ws')}/mqtt`, login(device))).to.equal(0);
    for (const wrong of [{ password: 'x' }, { username: 'nobody' }, { username: '00000000-0000-4000-8000-000000000000' }])
      expect(await refusalOf(broker, { ...login(device), ...wrong })).to.equal(4);
    expect(await refusalOf(broker, {})).to.equal(4);
  });

  it('a message to a device comes on the topic that is its uuid, as topic and data', async () => {
    const [sender, device] = [await make(), await make()];
    const client = await connectMqtt(broker, login(device));
    expect(await client.subscribe(device.uuid)).to.deep.equal([0]);
    const socket = await connectAs(url, sender);
    await socket.ask('message', { devices: [device.uuid], payload: { on: true } });
    const messages = () => client.texts(device.uuid).filter((text) => text.includes('"topic":"message"'));
    await until(() => messages().length === 1);
    expect(JSON.parse(messages()[0] ?? '')).to.deep.equal({
      topic: 'message',
      data: { devices: [device.uuid], payload: { on: true }, fromUuid: sender.uuid },
    });
    socket.close();
  });

  it('a device asks by publishing on Meshblu’s topics, and is answered under its callback id', async () => {
    const device = await make({ color: 'red' });
    const client = await connectMqtt(broker, login(device));
    await client.subscribe(device.uuid);
    const ask = async (topic: string, data: Record<string, unknown>) => {
      const callbackId = `${topic}-${Math.random()}`;
      await client.publish(topic, JSON.stringify({ ...data, callbackId }));
      type Answer = {
        readonly topic: string;
        readonly data: Record<string, unknown>;
        readonly _request?: { callbackId: string };
      };
      const answers = () => client.texts(device.uuid).map((text) => JSON.parse(text) as Answer);
      await until(() => answers().some(({ _request }) => _request?.callbackId === callbackId));
      return answers().find(({ _request }) => _request?.callbackId === callbackId)!;
    };
    expect((await ask('whoami', {})).data).to.include({ uuid: device.uuid, color: 'red' });
    expect((await ask('update', { color: 'blue' })).topic).to.equal('update');
    expect((await ask('whoami', {})).data).to.include({ color: 'blue' });
    const { data } = await ask('generateAndStoreToken', { uuid: device.uuid });
    expect(await refusalOf(broker, login({ uuid: device.uuid, token: String(data['token']) }, 'other'))).to.equal(0);
    expect((await ask('update', { uuid: '00000000-0000-4000-8000-000000000000', x: 1 })).topic).to.equal('error');
  });

  it('a call whose payload is not UTF-8 is refused, and changes nothing (D6)', async () => {
    const device = await make({ color: 'red' });
    const client = await connectMqtt(broker, login(device));
    await client.subscribe(device.uuid, 1);
    client.mqtt.publish('update', Buffer.from([...Buffer.from('{"color":"'), 0xff, ...Buffer.from('"}')]), { qos: 1 });
    const answers = () => client.texts(device.uuid).filter((text) => text.includes('"topic":"error"'));
    await until(() => answers().length === 1);
    expect(answers()[0]).to.include('invalid-input');
    await client.publish('whoami', '{}', { qos: 1 });
    await until(() => client.texts(device.uuid).some((text) => text.includes('"color":"red"')));
  });

  it('an answer comes to all connections of the device, and to nobody else who hears its uuid', async () => {
    const [device, other] = [await make(), await make()];
    const [asking, hearing, stranger] = [
      await connectMqtt(broker, login(device)),
      await connectMqtt(broker, login(device, 'hearing')),
      await connectMqtt(broker, login(other)),
    ];
    await hearing.subscribe(device.uuid, 1);
    expect(await stranger.subscribe([device.uuid, other.uuid], 1)).to.deep.equal([1, 1]);
    await asking.publish('generateAndStoreToken', '{}', { qos: 1 });
    await until(() => hearing.texts(device.uuid).some((text) => text.includes('"topic":"generateAndStoreToken"')));
    await stranger.publish('whoami', '{}', { qos: 1 });
    await until(() => stranger.texts(other.uuid).some((text) => text.includes('"topic":"whoami"')));
    // It hears that the device came online.
    expect(stranger.texts(device.uuid).filter((text) => !text.includes('device-status'))).to.deep.equal([]);
  });

  it('resetToken over MQTT ends the connection that hung on the token', async () => {
    const device = await make();
    const client = await connectMqtt(broker, login(device));
    await client.subscribe(device.uuid);
    await client.publish('resetToken', JSON.stringify({ uuid: device.uuid }));
    await client.closed();
    expect(await refusalOf(broker, login(device))).to.equal(4);
    const all = client.texts(device.uuid).map((text) => JSON.parse(text) as { topic: string; data: { token: string } });
    const token = all.find(({ topic }) => topic === 'resetToken')?.data.token ?? '';
    expect(await refusalOf(broker, login({ uuid: device.uuid, token }))).to.equal(0);
  });

  it('a device may neither publish elsewhere nor subscribe to more than its own topic and what it may hear', async () => {
    const [device, open, shut] = [await make(), await make(), await make(v2({}))];
    const client = await connectMqtt(broker, login(device));
    expect(await client.subscribe([device.uuid, open.uuid, shut.uuid, '#', '+', 'a/b'])).to.deep.equal([
      0, 0, 128, 128, 128, 128,
    ]);
    client.mqtt.publish('a/b', 'x');
    await client.closed();
  });

  it('whoever may hear a device’s broadcasts subscribes to its uuid', async () => {
    const [listener, device] = [await make(), await make()];
    const client = await connectMqtt(broker, login(listener));
    await client.subscribe(device.uuid);
    const socket = await connectAs(url, device);
    await socket.ask('message', { devices: '*', payload: 'hello' });
    await until(() => client.texts(device.uuid).length === 1);
    await socket.ask('update', v2({}));
    await socket.ask('message', { devices: '*', payload: 'secret' });
    await socket.ask('message', { devices: [listener.uuid], payload: 'last' });
    await client.subscribe(listener.uuid);
    await socket.ask('message', { devices: [listener.uuid], payload: 'mark' });
    await until(() => client.got.some(({ text }) => text.includes('mark')));
    expect(client.got.some(({ text }) => text.includes('secret'))).to.equal(false);
    socket.close();
  });

  it('a message to a device that is away waits for its kept session, once', async () => {
    const [sender, device] = [await make(), await make()];
    const kept = { ...login(device), clean: false };
    const first = await connectMqtt(broker, kept);
    await first.subscribe(device.uuid, 1);
    await first.end();
    const socket = await connectAs(url, sender);
    await socket.ask('message', { devices: [device.uuid], payload: 'waits' });
    await socket.ask('message', { devices: [device.uuid], payload: 'too' });
    const payloads = (texts: readonly string[]) =>
      texts
        .map((text) => JSON.parse(text) as { topic: string; data: { payload?: unknown } })
        .filter(({ topic }) => topic === 'message')
        .map(({ data }) => data.payload);
    const second = await connectMqtt(broker, kept);
    await until(() => payloads(second.texts(device.uuid)).length >= 2);
    await socket.ask('message', { devices: [device.uuid], payload: 'live' });
    await until(() => payloads(second.texts(device.uuid)).includes('live'));
    expect(payloads(second.texts(device.uuid))).to.deep.equal(['waits', 'too', 'live']);
    socket.close();
  });

  it('a device that is connected over MQTT is online', async () => {
    const device = await make();
    const client = await connectMqtt(broker, login(device));
    const socket = await connectAs(url, device);
    const isOnline = async () => (await socket.ask('whoami', {}))['online'] === true;
    await until(isOnline);
    await client.end();
    await until(async () => !(await isOnline()));
    socket.close();
  });
});
