import type { Registry } from '@rollcall/server';
import { expect } from 'chai';
import { closeClients, connectMqtt, refusalOf } from '../mqtt/support/client.ts';
import { connectRaw } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { authenticatorOf, backupCodesOf, earlyInStep } from './support/authenticator.ts';

const adminPassword = 'admin-of-the-tests';

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

const bearer = (token: string): string => `Bearer ${token}`;
const basic = (username: string, password = 'secret1'): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

onBothStores('the doors of whoever has a second factor', (registries) => {
  let registry: Registry;
  let others: Registry[] = [];
  let admin = '';
  let count = 0;

  const ask = async (url: string, method: string, path: string, authorization: string, body?: object): Promise<Reply> => {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(authorization !== '' && { authorization }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const { status, headers } = response;
    return { status, headers, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> };
  };
  const post = (path: string, authorization: string, body?: object, url = registry.url) =>
    ask(url, 'POST', path, authorization, body);
  const login = async (username: string, password = 'secret1', url = registry.url) =>
    (await post('/api/login', '', { username, password }, url)).body;
  const person = async (more: object = {}) => {
    const username = `mia${(count += 1)}`;
    const { body } = await post('/api/users', admin, { username, password: 'secret1', ...more });
    return { username, id: String(body['id']), token: bearer(String((await login(username))['token'])) };
  };
  const enrol = async (token: string) => {
    await earlyInStep();
    const { body } = await post('/api/mfa/enable', token);
    const device = authenticatorOf(String(body['uri']));
    const validated = await post('/api/mfa/validate', token, { otp: device.code(-1) });
    return { device, backupCodes: backupCodesOf(validated.body) };
  };

  before(async () => {
    registry = await registries.start({ adminPassword, mqttPort: 0 });
    admin = bearer(String((await login('admin', adminPassword))['token']));
    // Only MongoDB serves several nodes.
    others = await registries.again({ adminPassword }).then(
      (other) => [other],
      () => [],
    );
  });
  after(closeClients);

  it('over HTTP they answer by the letter', async () => {
    const { username, id, token } = await person();
    expect((await post('/api/mfa/enable', '')).status).to.equal(401);
    expect((await post('/api/mfa/enable', token, {})).status).to.equal(200);
    const typed = { authorization: token, 'content-type': 'application/json' };
    expect((await fetch(`${registry.url}/api/mfa/enable`, { method: 'POST', headers: typed })).status).to.equal(200);
    const enabled = await post('/api/mfa/enable', token);
    expect([enabled.status, Object.keys(enabled.body), enabled.headers.get('cache-control')]).to.deep.equal([
      200,
      ['uri'],
      'no-store',
    ]);
    await earlyInStep();
    const device = authenticatorOf(String(enabled.body['uri']));
    const wrong = await post('/api/mfa/validate', token, { otp: device.wrong() });
    expect([wrong.status, wrong.body['code']]).to.deep.equal([400, 'VALIDATION']);
    expect((await post('/api/mfa/validate', token, {})).status).to.equal(400);
    const validated = await post('/api/mfa/validate', token, { otp: device.code(-1) });
    expect([validated.status, Object.keys(validated.body)]).to.deep.equal([200, ['backupCodes']]);
    expect((await ask(registry.url, 'GET', `/api/users/${id}`, admin)).body).to.include({ mfa_is_enrolled: true });
    const again = await post('/api/mfa/enable', token);
    expect([again.status, again.body['code']]).to.deep.equal([409, 'CONFLICT']);
    const { secret } = await login(username);
    const refused = await post('/api/mfa/login', '', { username, secret, otp: device.wrong() });
    expect([refused.status, refused.body['code']]).to.deep.equal([401, 'INVALID_CREDENTIALS']);
    expect((await post('/api/mfa/login', '', { username, secret })).status).to.equal(400);
    // Whatever comes along as Authorization counts for nothing.
    const done = await post('/api/mfa/login', basic(username), { username, secret, otp: device.code() });
    expect([done.status, done.body['needsMfa'], done.headers.get('cache-control')]).to.deep.equal([200, false, 'no-store']);
    const pair = await post('/api/v2/auth/token', '', { username, password: 'secret1' });
    expect([pair.status, pair.body]).to.deep.equal([
      401,
      { errorCode: 'AUTH_1003', errorMessage: 'Multi-factor authentication required', content: '', pageable: '' },
    ]);
    const codes = await post('/api/mfa/regenerate/backupcodes', token, { otp: device.code(1) });
    expect(codes.status).to.equal(200);
    const [backupCode] = backupCodesOf(codes.body);
    const disabled = await post('/api/mfa/disable', token, { backupCode });
    expect([disabled.status, disabled.body]).to.deep.equal([204, {}]);
    const device2 = await post('/api/mfa/disable', token, { backupCode });
    expect(device2.status).to.equal(409);
  });

  it('a token for enrolling is refused elsewhere by the letter of each wire', async () => {
    const { username, id } = await person();
    await ask(registry.url, 'PUT', `/api/users/${id}`, admin, { enforceMFAEnrollment: true });
    const body = await login(username);
    const token = bearer(String(body['token']));
    expect(body).to.include({ enforceMFAEnrollment: true, needsMfa: false });
    const list = await ask(registry.url, 'GET', '/api/listUsers', token);
    expect([list.status, list.body['code']]).to.deep.equal([403, 'MFA_ENROLLMENT_REQUIRED']);
    expect((await ask(registry.url, 'GET', `/v2/devices/${id}`, token)).status).to.equal(403);
    expect((await ask(registry.url, 'GET', '/live', token)).status).to.equal(403);
    expect((await ask(registry.url, 'GET', '/api/session', token)).status).to.equal(200);
    expect((await ask(registry.url, 'GET', '/status', token)).status).to.equal(200);
    expect((await ask(registry.url, 'GET', '/api/session', basic(username, token.slice(7)))).status).to.equal(200);
    expect(await refusalOf(registry.mqtt[0] ?? '', { username, password: token.slice(7) })).to.equal(4);
  });

  it('devices over MQTT, that nobody can ask for a code, come in by password and stay', async () => {
    const topics = [{ resource: 'plant/#', operation: 'readWrite', context: 'mqtt' }];
    const { username, token } = await person({ initialPermissions: topics });
    const before = await connectMqtt(registry.mqtt[0] ?? '', { username, password: 'secret1' });
    await enrol(token);
    const after = await connectMqtt(registry.mqtt[0] ?? '', { username, password: 'secret1' });
    await before.subscribe('plant/#');
    await after.publish('plant/x', 'on', { qos: 1 });
    await until(() => before.texts('plant/x').length === 1);
  });

  it('a stream that was opened by password alone ends when a second factor is turned on, on every node', async () => {
    const { username, token } = await person();
    const streams = await Promise.all(
      [registry, ...others].map(async ({ url }) => {
        const control = new AbortController();
        const response = await fetch(`${url}/live?filter={}`, {
          headers: { authorization: basic(username) },
          signal: control.signal,
        });
        expect(response.status).to.equal(200);
        return { text: response.text() };
      }),
    );
    await enrol(token);
    for (const { text } of streams) expect(await text).to.include('event: closed');
    for (const { url } of [registry, ...others])
      expect((await ask(url, 'GET', '/api/session', basic(username))).status).to.equal(401);
  });

  it('a code and a challenge count once on all nodes together, and so do wrong ones', async () => {
    const { username, token } = await person();
    const { device } = await enrol(token);
    const nodes = [registry, ...others];
    const secrets = await Promise.all(nodes.map(async ({ url }) => (await login(username, 'secret1', url))['secret']));
    const finish = (secret: unknown, otp: string, url: string) => post('/api/mfa/login', '', { username, secret, otp }, url);
    const otp = device.code();
    const outcomes = await Promise.all(nodes.map(({ url }, index) => finish(secrets[index], otp, url)));
    expect(outcomes.filter(({ status }) => status === 200)).to.have.length(1);
    const { secret } = await login(username);
    // The code that came second may have been looked at, and then it was a wrong one.
    const wrong: number[] = [];
    while (wrong.at(-1) !== 429 && wrong.length < 6)
      wrong.push((await finish(secret, device.wrong(), nodes[wrong.length % nodes.length]?.url ?? '')).status);
    expect(wrong.slice(0, -1)).to.have.length.within(4, 5);
    expect(new Set(wrong.slice(0, -1))).to.deep.equal(new Set([401]));
    for (const { url } of nodes) expect((await finish(secret, device.code(1), url)).status).to.equal(429);
  });

  it('invariant 3: whoever is disabled comes in by no door, whatever he had begun', async () => {
    const { username, id, token } = await person();
    const { device } = await enrol(token);
    const { secret } = await login(username);
    const held = await person();
    await ask(registry.url, 'PUT', `/api/users/${held.id}`, admin, { enforceMFAEnrollment: true });
    const enrolling = String((await login(held.username))['token']);
    const raw = await connectRaw(registry.url);
    raw.socket.emit('identity', { token: enrolling });
    await until(() => raw.got('ready').length > 0);
    for (const uuid of [id, held.id])
      expect((await ask(registry.url, 'PUT', `/api/users/${uuid}`, admin, { disabled: true })).status).to.equal(200);
    await until(() => raw.socket.disconnected);
    expect(raw.got('session:revoked')).to.have.length(1);
    expect((await post('/api/mfa/login', '', { username, secret, otp: device.code() })).status).to.equal(401);
    expect((await post('/api/mfa/enable', bearer(enrolling))).status).to.equal(401);
    expect((await ask(registry.url, 'GET', '/api/session', token)).status).to.equal(401);
    expect(await refusalOf(registry.mqtt[0] ?? '', { username, password: 'secret1' })).to.equal(4);
  });
});
