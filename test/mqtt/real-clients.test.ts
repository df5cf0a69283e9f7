import { createRequire } from 'node:module';
import { expect } from 'chai';
import { makeRequest, makeRoot, openOpenssl, type Openssl } from '../identity/support/openssl.ts';
import { connectAs, register, type Made } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { refusalOf } from './support/client.ts';
import { adminPassword, openStage, type Stage } from './support/ground.ts';
import { ask, basic } from './support/http.ts';
import { endMosquitto, mosquitto, mosquittoMissing, mosquittoPub, mosquittoSub } from './support/mosquitto.ts';

const require = createRequire(import.meta.url);

const hostOf = (url: string): readonly string[] => {
  const { hostname, port } = new URL(url);
  return ['-h', hostname, '-p', port];
};

onBothStores('mosquitto_pub and mosquitto_sub', (registries) => {
  let url = '';
  let broker = '';
  let at: readonly string[] = [];
  let secure: readonly string[] = [];
  let stage: Stage;
  let openssl: Openssl;
  const anna = ['-u', 'anna', '-P', 'secret1'];

  before(async function () {
    const missing = mosquittoMissing();
    if (missing !== undefined) {
      this.test!.title = `skipped: ${missing}`;
      this.skip();
    }
    openssl = await openOpenssl(this);
    const registry = await registries.start({ mqttPort: 0, mqttDeniedPublish: 'close', mqttsPort: 0, adminPassword });
    url = registry.url;
    broker = registry.mqtt[0] ?? '';
    at = hostOf(broker);
    secure = [...hostOf(registry.mqtt[1] ?? ''), '--cafile', openssl.path('ca.crt')];
    stage = await openStage(url);
    await stage.user('anna', { 'plant/#': 'readWrite' });
    const { body } = await stage.call('certificates:list');
    const [own] = body['certificates'] as { id: string }[];
    await openssl.write('ca.crt', String((await stage.call('certificates:content', { id: own?.id })).body['pem']));
  });
  after(() => openssl?.remove());
  afterEach(endMosquitto);

  it('a device gets its messages on its uuid, and sends what its listeners get', async () => {
    const [device, other] = [await register(url), await register(url)];
    const login = ['-u', device.uuid, '-P', device.token];
    const sub = await mosquittoSub(...at, ...login, '-t', device.uuid);
    const socket = await connectAs(url, other);
    await socket.ask('message', { devices: [device.uuid], payload: 'on' });
    await until(() => sub.messages().some((line) => line.includes('"payload":"on"')));
    await socket.ask('subscribe', { uuid: device.uuid, types: ['broadcast'] });
    const sent = await mosquittoPub(...at, ...login, '-q', '1', '-t', 'message', '-m', '{"devices":"*","payload":"hello"}');
    expect(sent.status).to.equal(0);
    // That the device has come on line is a broadcast too, and may come before.
    const hello = (): unknown => socket.got('message').find((message) => (message as { payload?: unknown }).payload === 'hello');
    await until(() => hello() !== undefined);
    expect(hello()).to.include({ fromUuid: device.uuid });
    socket.close();
  });

  for (const version of ['mqttv31', 'mqttv311']) {
    it(`QoS 0, 1 and 2 go through, with ${version} too`, async () => {
      const here = `plant/${version}`;
      const sub = await mosquittoSub(...at, ...anna, '-V', version, '-i', `sub-${version}`, '-q', '2', '-t', `${here}/#`);
      for (const qos of ['0', '1', '2']) {
        const { status } = await mosquittoPub(
          ...at,
          ...anna,
          '-V',
          version,
          '-i',
          'pub',
          '-q',
          qos,
          '-t',
          `${here}/x`,
          '-m',
          qos,
        );
        expect(status).to.equal(0);
      }
      expect(await sub.got(3)).to.deep.equal(['0', '1', '2'].map((qos) => `${here}/x ${qos}`));
    });
  }

  it('MQTT 5 is refused in words that it understands', async () => {
    for (const there of [at, secure]) {
      const { status, text } = await mosquittoPub(...there, ...anna, '-V', 'mqttv5', '-t', 'plant/x', '-m', 'x');
      expect(status).to.not.equal(0);
      expect(text).to.match(/protocol version/i);
    }
  });

  it('wrong credentials, and a filter without permission, are refused in words', async () => {
    const wrong = await mosquittoPub(...at, '-u', 'anna', '-P', 'wrong', '-t', 'plant/x', '-m', 'x');
    expect(wrong.text).to.match(/bad user name or password/i);
    const { text } = await mosquitto('mosquitto_sub', ...at, ...anna, '-t', 'other/#');
    expect(text).to.include('All subscription requests were denied');
  });

  it('retained messages and wills', async () => {
    await mosquittoPub(...at, ...anna, '-q', '1', '-r', '-t', 'plant/kept', '-m', 'kept');
    const dying = await mosquittoSub(...at, ...anna, '-t', 'plant/y', '--will-topic', 'plant/will', '--will-payload', 'gone');
    const sub = await mosquittoSub(...at, ...anna, '-q', '1', '-t', 'plant/kept', '-t', 'plant/will');
    expect(await sub.got(1)).to.deep.equal(['plant/kept kept']);
    await dying.kill();
    expect(await sub.got(2)).to.include('plant/will gone');
    await mosquittoPub(...at, ...anna, '-q', '1', '-r', '-n', '-t', 'plant/kept');
  });

  it('what comes while a session’s client is away waits for it', async () => {
    const session = [...at, ...anna, '-i', 'away', '-c', '-q', '1', '-t', 'plant/away'];
    await (await mosquittoSub(...session)).end();
    for (const text of ['one', 'two']) await mosquittoPub(...at, ...anna, '-q', '1', '-t', 'plant/away', '-m', text);
    const again = await mosquittoSub(...session);
    expect(await again.got(2)).to.deep.equal(['plant/away one', 'plant/away two']);
  });

  it('a message of 250 KB goes through, one of 600 KB ends the connection', async () => {
    await openssl.write('fits', 'x'.repeat(250_000));
    await openssl.write('large', 'x'.repeat(600_000));
    const sub = await mosquittoSub(...at, ...anna, '-t', 'plant/file');
    const file = (name: string): readonly string[] => [...at, ...anna, '-q', '1', '-t', 'plant/file', '-f', openssl.path(name)];
    expect((await mosquittoPub(...file('fits'))).status).to.equal(0);
    expect((await sub.got(1))[0]).to.have.length(250_000 + 'plant/file '.length);
    expect((await mosquittoPub('-d', ...file('large'))).text).to.match(/connection was lost|CONNECT[^]*CONNECT/);
    expect(sub.messages()).to.have.length(1);
  });

  it('an MQTT token and a client record log in with what they were given', async () => {
    const permissions = [{ resource: '/m2m/token/mqtt', operation: 'readWrite', context: 'http' }];
    const ops = await stage.user('ops', {}, { initialPermissions: permissions });
    const whitelists = { discover: { view: [{ uuid: ops }] }, configure: { update: [{ uuid: ops }] } };
    const body = { type: 'group', name: 'PLANT', meshblu: { version: '2.0.0', whitelists } };
    await ask(`${url}/devices`, 'POST', { body, authorization: basic('admin', adminPassword) });
    const made = await ask(`${url}/m2m/token/mqtt`, 'PUT', {
      body: { groupName: 'PLANT', username: 'sensor' },
      authorization: basic('ops', 'secret1'),
    });
    const { token, username, secret } = (made.body as { tokenResponse: Record<'token' | 'username' | 'secret', string> })
      .tokenResponse;
    const login = ['-u', username, '-P', secret];
    const sub = await mosquittoSub(...at, ...login, '-i', 'observer', '-t', `${token}/#`);
    await mosquittoPub(...at, ...login, '-i', '4711', '-q', '1', '-t', `${token}/4711/device`, '-m', '{"manufacturer":"Acme"}');
    expect(await sub.got(1)).to.deep.equal([`${token}/4711/device {"manufacturer":"Acme"}`]);

    const record = { name: 'pump', clientId: 'anna-pump', key: 'pump-key' };
    await ask(`${url}/api/client`, 'POST', { body: record, authorization: basic('anna', 'secret1') });
    const client = ['-u', 'anna', '-P', 'pump-key', '-i', 'anna-pump'];
    const sent = await mosquittoPub(...at, ...client, '-q', '1', '-t', 'users/anna/pump', '-m', 'x');
    expect(sent.status).to.equal(0);
  });

  describe('over TLS', () => {
    it('with the registry’s authority as --cafile; with another one it does not connect', async () => {
      const sub = await mosquittoSub(...secure, ...anna, '-t', 'plant/tls');
      const sent = await mosquittoPub(...secure, ...anna, '-q', '1', '-t', 'plant/tls', '-m', 'x');
      expect(sent).to.deep.equal({ status: 0, text: '' });
      expect(await sub.got(1)).to.deep.equal(['plant/tls x']);
      await makeRoot(openssl, 'foreign');
      const foreign = [...secure.slice(0, -1), openssl.path('foreign.crt')];
      const refused = await mosquittoPub(...foreign, ...anna, '-t', 'plant/tls', '-m', 'x');
      expect(refused.status).to.not.equal(0);
    });

    const keyed = (name: string): readonly string[] => [
      ...secure,
      '--cert',
      openssl.path(`${name}.crt`),
      '--key',
      openssl.path(`${name}.key`),
    ];

    it('a certificate that openssl made logs its user in, if its authority is trusted', async () => {
      const grantTypes = [{ method: 'certificate', isRequired: false }];
      await stage.user('robot', { 'plant/#': 'readWrite' }, { password: undefined, grantTypes });
      for (const root of ['trusted', 'rogue']) {
        const pem = await makeRoot(openssl, root);
        await makeRequest(openssl, `${root}-robot`, '/CN=robot');
        await openssl.run(
          `x509 -req -in $${root}-robot.csr -CA $${root}.crt -CAkey $${root}.key -CAcreateserial -days 30 -out $${root}-robot.crt`,
        );
        if (root === 'trusted') expect((await stage.call('certificates:add', { pem })).outcome).to.equal('ok');
      }
      const sub = await mosquittoSub(...keyed('trusted-robot'), '-t', 'plant/robot');
      const sent = await mosquittoPub(...keyed('trusted-robot'), '-q', '1', '-t', 'plant/robot', '-m', 'x');
      expect(sent.status).to.equal(0);
      expect(await sub.got(1)).to.deep.equal(['plant/robot x']);
      const refused = await mosquittoPub(...keyed('rogue-robot'), '-t', 'plant/robot', '-m', 'x');
      expect(refused.text).to.match(/not authorised/i);
    });

    it('a certificate that the registry’s own authority issued for a request of openssl logs in', async () => {
      await stage.call('clientRegistry:open', { duration: 60_000 });
      const csr = Buffer.from(await makeRequest(openssl, 'pump', '/CN=pump')).toString('base64');
      const asking = (): Promise<{ readonly body: unknown }> =>
        ask(`${url}/api/client-registry/register`, 'POST', { body: { username: 'pump', csr } });
      await asking();
      const initialPermissions = [{ resource: 'plant/#', operation: 'readWrite', context: 'mqtt' }];
      expect((await stage.call('clientRegistry:confirm', { username: 'pump', initialPermissions })).outcome).to.equal('ok');
      const { certificate } = (await asking()).body as { certificate: string };
      await openssl.write('pump.crt', Buffer.from(certificate, 'base64').toString());
      const sub = await mosquittoSub(...keyed('pump'), '-t', 'plant/pump');
      await mosquittoPub(...keyed('pump'), '-q', '1', '-t', 'plant/pump', '-m', 'x');
      expect(await sub.got(1)).to.deep.equal(['plant/pump x']);
    });
  });
});

/** The part of the published client that is used here. */
interface MeshbluMqtt {
  connect(done: (response: Made) => void): void;
  on(event: string, listener: (data: Record<string, unknown>) => void): void;
  message(params: object): void;
  whoami(done: Done): void;
  update(data: object, done: Done): void;
  generateAndStoreToken(data: object, done: Done): void;
  resetToken(data: object, done: Done): void;
  getPublicKey(data: object, done: Done): void;
  /** The client of mqtt.js below it. */
  readonly client: { end(force: boolean): void };
}
type Done = (error: unknown, data: Record<string, unknown>) => void;

onBothStores('the published client meshblu-mqtt 3.1.3', (registries) => {
  let url = '';
  let broker = '';
  const opened: MeshbluMqtt[] = [];
  before(async () => {
    const registry = await registries.start({ mqttPort: 0, mqttDeniedPublish: 'close' });
    url = registry.url;
    broker = registry.mqtt[0] ?? '';
  });
  afterEach(() => {
    for (const { client } of opened.splice(0)) client.end(true);
  });

  const open = async (device: Made): Promise<MeshbluMqtt> => {
    const Client = require('meshblu-mqtt') as new (options: object) => MeshbluMqtt;
    const { hostname, port } = new URL(broker);
    const client = new Client({ ...device, hostname, port: Number(port), reconnectPeriod: 0 });
    opened.push(client);
    await new Promise<void>((resolve) => client.connect(() => resolve()));
    return client;
  };
  const answered = (call: (done: Done) => void): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('not answered')), 5_000);
      call((error, data) => {
        clearTimeout(timer);
        if (error === null) resolve(data);
        else reject(new Error(JSON.stringify(error)));
      });
    });
  const login = ({ uuid, token }: Made) => ({ username: uuid, password: token });

  it('asks who it is, changes itself, is told of it, and hands out tokens', async () => {
    const device = await register(url, { color: 'red' });
    const client = await open(device);
    const configs: Record<string, unknown>[] = [];
    client.on('config', (config) => configs.push(config));
    expect(await answered((done) => client.whoami(done))).to.include({ uuid: device.uuid, color: 'red' });
    await answered((done) => client.update({ color: 'blue' }, done));
    expect(await answered((done) => client.whoami(done))).to.include({ color: 'blue' });
    await until(() => configs.some(({ color }) => color === 'blue'));
    const session = await answered((done) => client.generateAndStoreToken({ uuid: device.uuid }, done));
    expect(await refusalOf(broker, login({ uuid: device.uuid, token: String(session['token']) }))).to.equal(0);
  });

  it('sends and gets messages', async () => {
    const [device, other] = [await register(url), await register(url)];
    const [sender, receiver] = [await open(device), await open(other)];
    const got: Record<string, unknown>[] = [];
    receiver.on('message', (message) => got.push(message));
    await answered((done) => receiver.whoami(done));
    sender.message({ devices: [other.uuid], payload: { on: true } });
    await until(() => got.length === 1);
    expect(got[0]).to.deep.include({ fromUuid: device.uuid, payload: { on: true } });
    const socket = await connectAs(url, device);
    await socket.ask('message', { devices: [other.uuid], payload: 'from a socket' });
    await until(() => got.length === 2);
    expect(got[1]).to.include({ payload: 'from a socket' });
    socket.close();
  });

  it('resets its token, with which it gets in again', async () => {
    const device = await register(url);
    const client = await open(device);
    const { token } = (await answered((done) => client.resetToken({ uuid: device.uuid }, done))) as { token: string };
    await until(async () => (await refusalOf(broker, login(device))) === 4);
    await answered((done) => void open({ uuid: device.uuid, token }).then((again) => again.whoami(done)));
  });

  it('is refused with a wrong token', async () => {
    const device = await register(url);
    expect(await refusalOf(broker, { ...login({ ...device, token: 'wrong' }), protocolId: 'MQIsdp' })).to.equal(4);
  });
});
