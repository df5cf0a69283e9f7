import { expect } from 'chai';
import { connectAsync } from 'mqtt';
import { connectAs, register, type MeshbluSocket } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

const maxBytes = 262_144;

onBothStores('the size of a message to devices', (registries) => {
  let url = '';
  let mqttUrl = '';
  const open: MeshbluSocket[] = [];
  before(async () => {
    const registry = await registries.start({ mqttPort: 0 });
    url = registry.url;
    mqttUrl = registry.mqtt[0] ?? '';
  });
  afterEach(() => {
    for (const socket of open.splice(0)) socket.close();
  });
  const make = async (): Promise<MeshbluSocket> => {
    const socket = await connectAs(url, await register(url));
    open.push(socket);
    return socket;
  };
  /** A message to a device that has so many bytes as JSON. */
  const sized = (uuid: string, bytes: number) => {
    const empty = { devices: [uuid], payload: '' };
    return { ...empty, payload: 'x'.repeat(bytes - JSON.stringify(empty).length) };
  };

  it('may be 256 KiB over Socket.IO; beyond it is too-large, and the connection stays', async () => {
    const [a, b] = [await make(), await make()];
    await a.ask('message', sized(b.uuid, maxBytes), {});
    await until(() => b.got('message').length === 1);
    for (const bytes of [maxBytes + 1, maxBytes + 60_000, 2 * maxBytes - 1_000])
      expect(await a.ask('message', sized(b.uuid, bytes), {})).to.include({ code: 'too-large' });
    expect(await a.ask('status', {})).to.have.property('meshblu', 'online');
    expect(b.got('message')).to.have.lengthOf(1);
  });

  it('does not raise the bound of other calls: beyond 128 KiB they are too-large', async () => {
    const a = await make();
    const text = 'x'.repeat(131_072);
    for (const event of ['update', 'data', 'devices', 'no-such-event'])
      expect(JSON.stringify(await a.ask(event, { text }, {})), event).to.include('Payload Too Large');
    expect(await a.ask('status', {})).to.have.property('meshblu', 'online');
  });

  it('is the same over HTTP', async () => {
    const [a, b] = [await make(), await make()];
    const post = (path: string, body: unknown) =>
      fetch(url + path, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`${a.uuid}:${a.token}`).toString('base64')}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify(body),
      });
    expect((await post('/messages', sized(b.uuid, maxBytes))).status).to.equal(204);
    await until(() => b.got('message').length === 1);
    for (const bytes of [maxBytes + 1, 2 * maxBytes + 10])
      expect((await post('/messages', sized(b.uuid, bytes))).status).to.equal(413);
    expect((await post('/devices', { text: 'x'.repeat(131_072) })).status).to.equal(413);
  });

  it('is the same over MQTT', async () => {
    const [a, b] = [await make(), await make()];
    const client = await connectAsync(mqttUrl, { username: a.uuid, password: a.token, reconnectPeriod: 0 });
    const answers: { topic: string; data: { code?: string } }[] = [];
    client.on('message', (_topic, payload) => {
      const answer = JSON.parse(payload.toString()) as (typeof answers)[number];
      if (answer.topic !== 'config') answers.push(answer);
    });
    await client.subscribeAsync(a.uuid);
    const call = (topic: string, given: object) =>
      client.publishAsync(topic, JSON.stringify({ ...given, callbackId: '1' }), { qos: 1 });
    await call('message', sized(b.uuid, maxBytes));
    await until(() => b.got('message').length === 1);
    await until(() => answers.length === 1);
    await call('message', sized(b.uuid, maxBytes + 1));
    await until(() => answers.length === 2);
    await call('update', { text: 'x'.repeat(131_072) });
    await until(() => answers.length === 3);
    expect(answers.map(({ topic, data }) => [topic, data.code])).to.deep.equal([
      ['message', undefined],
      ['error', 'too-large'],
      ['error', 'too-large'],
    ]);
    expect(client.connected).to.equal(true);
    await client.endAsync();
  });
});

onBothStores('the size of a message to devices, at its largest setting', (registries) => {
  it('may be 1 MiB', async () => {
    const { url } = await registries.start({ messageBytes: 1_048_576 });
    const [a, b] = [await connectAs(url, await register(url)), await connectAs(url, await register(url))];
    const payload = 'x'.repeat(1_048_576 - 100);
    for (let sent = 0; sent < 3; sent += 1)
      expect(await a.ask('message', { devices: [b.uuid], payload }, {})).to.have.property('id');
    await until(() => b.got('message').length === 3);
    a.close();
    b.close();
  });
});
