import type { Registry } from '@rollcall/server';
import { expect } from 'chai';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { ask, basic } from './support/http.ts';

const adminPassword = 'admin-of-the-tests';
const admin = basic('admin', adminPassword);
const notAllowed = { result: { error: 'not_allowed' } };
const base64 = (text: string): string => Buffer.from(text).toString('base64');

type Body = Record<string, unknown>;

onBothStores('hooks for brokers outside (AC-5.9)', (registries) => {
  let registry: Registry;
  let token: { readonly token: string; readonly username: string; readonly secret: string };
  let device: { readonly uuid: string; readonly token: string };
  let access = '';
  let userId = '';

  const post = (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
    fetch(`${registry.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  /** The answer of one of VerneMQ's hooks, which is 200 whatever it says. */
  const verne = async (path: string, body: unknown, hook = ''): Promise<unknown> => {
    const response = await post(`/api/broker/auth/${path}`, body, { 'vernemq-hook': hook });
    expect(response.status).to.equal(200);
    expect(response.headers.get('cache-control')).to.equal(null);
    return response.json();
  };
  const api = async (path: string, body: unknown, authorization = admin, method = 'POST'): Promise<Body> =>
    (await ask(`${registry.url}${path}`, method, { body, authorization })).body as Body;
  const register = (username: string | null, password: string | null, clientId = 'c', address = '192.0.2.1') =>
    verne('register', {
      peer_addr: address,
      peer_port: 1883,
      mountpoint: '',
      client_id: clientId,
      username,
      password,
      clean_session: true,
    });
  const publish = (username: string | null, topic: string, clientId = 'c') =>
    verne('publish', { username, client_id: clientId, mountpoint: '', qos: 1, topic, payload: 'eA==', retain: false });
  const subscribe = (username: string, topics: readonly string[], hook = 'auth_on_subscribe', clientId = 'c') =>
    verne('subscribe', { username, client_id: clientId, topics: topics.map((topic) => ({ topic, qos: 1 })) }, hook);
  const enhanced = (data: string | undefined, more: Body = {}, method = 'TOKEN') =>
    verne('enhanced', {
      client_id: 'c',
      properties: { p_authentication_method: method, ...(data !== undefined && { p_authentication_data: data }) },
      ...more,
    });

  before(async () => {
    registry = await registries.start({ adminPassword });
    const initialPermissions = [
      { resource: 'plant/#', operation: 'read', context: 'mqtt' },
      { resource: 'topicA/some/values', operation: 'write', context: 'mqtt' },
    ];
    const user = { username: 'oscar', password: 'oscar-pass', mqttPublishPrefix: 'topicA/', initialPermissions };
    userId = String((await api('/api/users', user))['id']);
    access = String((await api('/api/login', { username: 'oscar', password: 'oscar-pass' }))['token']);
    device = (await api('/devices', {})) as unknown as typeof device;
    await api('/devices', { type: 'group', name: 'G', meshblu: { version: '2.0.0' } });
    const made = await api('/m2m/token/mqtt', { groupName: 'G', username: 'one' }, admin, 'PUT');
    token = made['tokenResponse'] as typeof token;
    await api('/api/client', { name: 'n', clientId: 'oscar-1', key: 'a-good-key' }, basic('oscar', 'oscar-pass'));
  });

  it('127: lets a client in by its token', async () => {
    expect(await enhanced(base64(access))).to.deep.equal({ result: 'ok' });
    expect(await enhanced(base64(access).replace(/(.{20})/g, '$1\n'))).to.deep.equal({ result: 'ok' });
    expect(await enhanced(base64(`${device.uuid}:${device.token}`))).to.deep.equal({ result: 'ok' });
  });

  it('128: and nobody by another method, without one, or by one that is worth nothing', async () => {
    expect(await enhanced(base64(access), {}, 'KERBEROS')).to.deep.equal(notAllowed);
    for (const data of [undefined, '', '!', base64('x'), base64(`${access}x`), base64(`${device.uuid}:x`), base64(':')])
      expect(await enhanced(data), data).to.deep.equal(notAllowed);
    for (const body of ['{', '[]', '""', '{}', '{"properties":5}', '{"__proto__":{}}'])
      expect(await verne('enhanced', body), body).to.deep.equal(notAllowed);
    const lasts = 500 / 3_600_000;
    const short = await api('/api/login', { username: 'oscar', password: 'oscar-pass', expireTimeInHours: lasts });
    const shown = base64(String(short['token']));
    await until(async () => JSON.stringify(await enhanced(shown)) === JSON.stringify(notAllowed));
  });

  it('whoever comes by a token has the names that are his, as they are all that is told of him later', async () => {
    expect(await enhanced(base64(access), { username: 'oscar' })).to.deep.equal({ result: 'ok' });
    for (const username of ['admin', device.uuid, token.username, 'nobody'])
      expect(await enhanced(base64(access), { username }), username).to.deep.equal(notAllowed);
    expect(await enhanced(base64(access), { client_id: 'oscar-1' })).to.deep.equal(notAllowed);
  });

  it('lets clients in as the broker in the process does', async () => {
    expect(await register('oscar', 'oscar-pass')).to.deep.equal({ result: 'ok' });
    expect(await register(token.username.toLowerCase(), token.secret)).to.deep.equal({ result: 'ok' });
    expect(await register(device.uuid, device.token)).to.deep.equal({ result: 'ok' });
    expect(await register('oscar', 'a-good-key', 'oscar-1')).to.deep.equal({ result: 'ok' });
    expect(await register('oscar', 'oscar-pass', 'oscar-1')).to.deep.equal(notAllowed);
    expect(await register('admin', 'a-good-key', 'oscar-1')).to.deep.equal(notAllowed);
    for (const [username, password] of [
      ['oscar', 'x'],
      [token.username, 'x'],
      ['nobody', 'x'],
      [null, null],
      ['oscar', null],
    ] as const)
      expect(await register(username, password)).to.deep.equal(notAllowed);
  });

  it('a secret that somebody chose cannot be guessed for long from one address', async () => {
    await api('/m2m/token/mqtt', { groupName: 'G', username: 'guessed', secret: 'chosen' }, admin, 'PUT');
    for (let count = 0; count < 10; count += 1)
      expect(await register('guessed', `wrong${count}`, 'c', '192.0.2.9')).to.deep.equal(notAllowed);
    expect(await register('guessed', 'chosen', 'c', '192.0.2.9')).to.deep.equal(notAllowed);
    expect(await register('guessed', 'chosen', 'c', '192.0.2.10')).to.deep.equal({ result: 'ok' });
  });

  it('puts the prefix in front of what is published, and asks for the whole topic', async () => {
    expect(await publish('oscar', 'some/values')).to.deep.equal({ result: 'ok', modifiers: { topic: 'topicA/some/values' } });
    expect(await publish('oscar', 'other')).to.deep.equal(notAllowed);
    expect(await publish(token.username, `${token.token}/1/x`)).to.deep.equal({ result: 'ok' });
    for (const topic of ['x/1', `${token.token}/#`, `${token.token}/+`, '$SYS/x', '', 'a\0b'])
      expect(await publish(token.username, topic), topic).to.deep.equal(notAllowed);
    expect(await publish('oscar', 'users/oscar/x', 'oscar-1')).to.deep.equal({ result: 'ok' });
    expect(await publish('admin', 'users/oscar/x', 'oscar-1')).to.deep.equal(notAllowed);
    for (const username of [null, 'nobody', '00000000-0000-4000-8000-000000000000'])
      expect(await publish(username, 'some/values')).to.deep.equal(notAllowed);
  });

  it('says of each filter whether it is covered, with the code of the version', async () => {
    expect(await subscribe('oscar', ['plant/+/temp', '$share/g/plant/#'])).to.deep.equal({ result: 'ok' });
    const asked = ['plant/1', '#'] as const;
    const told = (qos: number) => [
      { topic: 'plant/1', qos: 1 },
      { topic: '#', qos },
    ];
    expect(await subscribe('oscar', asked)).to.deep.equal({ result: 'ok', topics: told(128) });
    const five = await subscribe('oscar', asked, 'auth_on_subscribe_m5');
    expect(five).to.deep.equal({ result: 'ok', modifiers: { topics: told(135) } });
    expect(await subscribe('oscar', [])).to.deep.equal(notAllowed);
    expect(await verne('subscribe', { username: 'oscar', topics: [5] })).to.deep.equal(notAllowed);
  });

  it("answers EMQX's authenticator and authorizer, in JSON and as a form", async () => {
    const emqx = async (path: string, body: unknown, type = 'application/json') => {
      const response = await post(`/api/broker/emqx/${path}`, body, { 'content-type': type });
      expect(response.status).to.equal(200);
      expect(response.headers.get('content-type')).to.match(/^application\/json/);
      return response.json();
    };
    const form = 'application/x-www-form-urlencoded';
    const allowed = { result: 'allow', is_superuser: false };
    const oscar = { username: 'oscar', password: 'oscar-pass', clientid: 'c', peerhost: '192.0.2.1' };
    expect(await emqx('authentication', oscar)).to.deep.equal(allowed);
    expect(await emqx('authentication', String(new URLSearchParams(oscar)), form)).to.deep.equal(allowed);
    expect(await emqx('authentication', { ...oscar, password: 'x' })).to.deep.equal({ result: 'deny' });
    expect(await emqx('authentication', '{')).to.deep.equal({ result: 'deny' });
    const temporary = await api('/api/client', {}, basic('oscar', 'oscar-pass'));
    const { clientId: clientid, key: password, expiresAt } = temporary;
    expect(await emqx('authentication', { username: 'oscar', clientid, password })).to.deep.equal({
      ...allowed,
      expire_at: Math.floor(Date.parse(String(expiresAt)) / 1000),
    });
    const may = async (action: string, topic: string) =>
      emqx('authorization', { clientid: 'c', username: 'oscar', action, topic });
    expect(await may('subscribe', 'plant/#')).to.deep.equal({ result: 'allow' });
    expect(await may('publish', 'topicA/some/values')).to.deep.equal({ result: 'allow' });
    for (const [action, topic] of [
      ['publish', 'some/values'],
      ['publish', 'plant/1'],
      ['subscribe', '#'],
      ['all', 'plant/1'],
    ] as const)
      expect(await may(action, topic), `${action} ${topic}`).to.deep.equal({ result: 'deny' });
  });

  it("answers the back end of Mosquitto's go-auth with a status", async () => {
    const status = async (path: string, body: Body) => (await post(`/api/broker/mosquitto/${path}`, body)).status;
    const oscar = { username: 'oscar', clientid: 'c' };
    expect(await status('user', { ...oscar, password: 'oscar-pass' })).to.equal(200);
    expect(await status('user', { ...oscar, password: 'x' })).to.equal(403);
    expect(await status('superuser', { username: 'admin' })).to.equal(403);
    // A record is for its client id alone, in whichever word a broker says it.
    const { clientId, key: password } = await api('/api/client', {}, basic('oscar', 'oscar-pass'));
    for (const word of ['clientid', 'client_id']) {
      expect(await status('user', { username: 'oscar', password, [word]: clientId }), word).to.equal(200);
      expect(await status('user', { username: 'oscar', password, [word]: 'another' }), word).to.equal(403);
    }
    const acl = (topic: string, acc: unknown) => status('acl', { ...oscar, topic, acc });
    expect(await acl('plant/1', 1)).to.equal(200);
    expect(await acl('plant/#', 4)).to.equal(200);
    expect(await acl('topicA/some/values', '2')).to.equal(200);
    for (const [topic, acc] of [
      ['plant/1', 2],
      ['plant/1', 3],
      ['#', 4],
      ['plant/1', 5],
      ['plant/1', undefined],
    ] as const)
      expect(await acl(topic, acc), `${topic} ${String(acc)}`).to.equal(403);
  });

  it('whoever is disabled has nothing at his next question', async () => {
    await api(`/api/users/${userId}`, { disabled: true }, admin, 'PUT');
    expect(await publish('oscar', 'some/values')).to.deep.equal(notAllowed);
    expect(await publish('oscar', 'users/oscar/x', 'oscar-1')).to.deep.equal(notAllowed);
    expect(await enhanced(base64(access))).to.deep.equal(notAllowed);
  });
});

onBothStores('who may ask as a broker (AC-5.9)', (registries) => {
  const question = { client_id: 'c', properties: {} };
  const statusOf = async ({ url }: Registry, headers: Readonly<Record<string, string>> = {}): Promise<number> => {
    const response = await fetch(`${url}/api/broker/auth/enhanced`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(question),
    });
    return response.status;
  };

  it('129: only from where it is allowed; from this machine if nothing else is said, and not through a proxy', async () => {
    const near = await registries.start();
    expect(await statusOf(near)).to.equal(200);
    expect(await statusOf(near, { 'x-forwarded-for': '192.0.2.1' })).to.equal(403);
    expect(await statusOf(await registries.start({ brokerHookAddresses: ['192.0.2.0/24', '2001:db8::/32'] }))).to.equal(403);
    expect(await statusOf(await registries.start({ brokerHookAddresses: ['127.0.0.1'] }))).to.equal(200);
  });

  it('with a secret only who shows it, in whatever way', async () => {
    const secret = 'a shared secret';
    const registry = await registries.start({ brokerHookSecret: secret });
    expect(await statusOf(registry)).to.equal(403);
    expect(await statusOf(registry, { 'x-rollcall-hook-secret': 'another secret' })).to.equal(403);
    expect(await statusOf(registry, { 'x-rollcall-hook-secret': secret })).to.equal(200);
    expect(await statusOf(registry, { authorization: basic('broker', secret) })).to.equal(200);
    const both = await registries.start({ brokerHookSecret: secret, brokerHookAddresses: ['192.0.2.1'] });
    expect(await statusOf(both, { 'x-rollcall-hook-secret': secret })).to.equal(403);
  });

  it('and not more often than is said', async () => {
    const registry = await registries.start({ brokerHooksPerMinute: 2 });
    const statuses = [];
    for (let count = 0; count < 6; count += 1) statuses.push(await statusOf(registry));
    // The minute may change once meanwhile.
    expect(statuses.filter((status) => status === 429).length).to.be.within(2, 4);
  });
});
