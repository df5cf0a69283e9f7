import { createHmac } from 'node:crypto';
import { expect } from 'chai';
import { io } from 'socket.io-client';
import { connectRaw } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

const adminPassword = 'admin-of-the-tests';
const path = '/api/v2/auth/token';
const person = { username: 'ethan.buckley@datastoreltd.biz', password: 'S0qUx56pW!' };
interface Envelope {
  readonly errorCode: string;
  readonly errorMessage: string;
  readonly content: readonly Record<string, unknown>[] | '';
  readonly pageable: unknown;
}

onBothStores('access tokens (access token reference, 7)', (registries) => {
  let url = '';
  let admin = '';
  let id = '';
  before(async () => {
    ({ url } = await registries.start({ refreshGraceMs: 2_000, adminPassword }));
    admin =
      ((await ask('POST', '/api/login', { username: 'admin', password: adminPassword })).body as { token?: string }).token ?? '';
    id = ((await ask('POST', '/api/users', person, admin)).body as { id?: string }).id ?? '';
    const certificate = [{ method: 'certificate', isRequired: false }];
    await ask('POST', '/api/users', { username: 'certo', grantTypes: certificate }, admin);
  });

  const ask = async (method: string, route: string, body?: unknown, token?: string) => {
    const response = await fetch(url + route, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: (text === '' ? {} : JSON.parse(text)) as object };
  };
  const post = async (body: unknown) => {
    const answer = await ask('POST', path, body);
    return { ...answer, body: answer.body as Envelope };
  };
  const pairOf = async (credentials: object = person): Promise<{ token: string; refreshToken: string }> => {
    const { content } = (await post(credentials)).body;
    return content[0] as unknown as { token: string; refreshToken: string };
  };
  const put = async (body: object) => {
    const answer = await ask('PUT', path, body);
    return { ...answer, body: answer.body as Envelope };
  };
  const works = async (token: string): Promise<boolean> => (await ask('GET', '/api/session', undefined, token)).status === 200;
  const failed = (errorCode: string, errorMessage: string) => ({ errorCode, errorMessage, content: '', pageable: '' });
  const payloadOf = (token: string) =>
    JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;

  it('1, 4, 37: the right pair gives both tokens in the envelope', async () => {
    const { status, body, headers } = await post(person);
    expect(status).to.equal(200);
    expect(Object.keys(body)).to.have.members(['errorCode', 'errorMessage', 'content', 'pageable']);
    expect(body).to.deep.include({
      errorCode: '',
      errorMessage: '',
      pageable: { page: 0, size: 10, totalPages: 1, totalElements: 1 },
    });
    expect(body.content).to.have.lengthOf(1);
    const [only] = body.content;
    expect(only).to.include({ validityTime: 3600 }).and.have.all.keys('customerId', 'token', 'refreshToken', 'validityTime');
    expect((only as unknown as { token: string }).token).to.not.equal((only as unknown as { refreshToken: string }).refreshToken);
    expect(headers.get('cache-control')).to.equal('no-store');
    expect(headers.get('content-type')).to.match(/^application\/json/);
  });

  it('2, 3, 13, 16, 17: whatever is wrong with the pair, the answer is the same to the byte', async () => {
    const wrong = await post({ ...person, password: 'wrong' });
    expect(wrong).to.deep.include({ status: 401, body: failed('AUTH_1001', 'Invalid credentials') });
    const disabled = await ask('POST', '/api/users', { username: 'disabled', password: 'secret1' }, admin);
    await ask('PUT', `/api/users/${(disabled.body as { id: string }).id}`, { disabled: true }, admin);
    for (const pair of [
      { username: 'nobody', password: 'wrong' },
      { ...person, username: `${person.username} ` },
      { username: 'certo', password: 'anything' },
      { username: 'disabled', password: 'secret1' },
    ]) {
      const answer = await post(pair);
      expect(answer.status, pair.username).to.equal(401);
      expect(answer.text).to.equal(wrong.text);
    }
  });

  it('5, 6, 7, 8, 9, 10, 11, 14: an input of another shape is named, in the envelope', async () => {
    expect(await post({ password: 'x' })).to.deep.include({
      status: 400,
      body: failed('GEN_1001', 'Missing mandatory parameter: username'),
    });
    expect((await post({ username: 'x' })).body).to.deep.equal(failed('GEN_1001', 'Missing mandatory parameter: password'));
    expect((await post({ ...person, password: 12345 })).body).to.deep.equal(failed('GEN_1002', 'Invalid parameter: password'));
    expect((await post({ ...person, username: '' })).body.errorCode).to.equal('GEN_1001');
    for (const body of ['not json', '[]', '"text"', '']) {
      expect(await post(body), body).to.deep.include({ status: 400, body: failed('GEN_1003', 'Malformed request') });
    }
    expect((await post({ ...person, username: { $gt: '' } })).body.errorCode).to.equal('GEN_1002');
    for (const length of [2_000, 1_048_576]) {
      expect(await post({ ...person, password: 'x'.repeat(length) })).to.deep.include({
        status: 400,
        body: failed('GEN_1002', 'Invalid parameter: password'),
      });
    }
    expect((await post({ ...person, more: 'is ignored' })).status).to.equal(200);
  });

  it('12, 19: an address is folded, and each login is one of its own', async () => {
    const [one, other] = [await pairOf({ ...person, username: person.username.toUpperCase() }), await pairOf()];
    expect(one.token).to.not.equal(other.token);
    expect([await works(one.token), await works(other.token)]).to.deep.equal([true, true]);
  });

  it('18: ten failures lock the name, for the right password too, and say for how long', async () => {
    await ask('POST', '/api/users', { username: 'locked', password: 'secret1' }, admin);
    for (let count = 0; count < 10; count += 1) await post({ username: 'locked', password: 'wrong' });
    const { status, body, headers } = await post({ username: 'locked', password: 'secret1' });
    expect({ status, body }).to.deep.equal({ status: 429, body: failed('AUTH_1004', 'Account is temporarily locked') });
    expect(Number(headers.get('retry-after'))).to.be.within(590, 600);
  });

  it('20, 21: the token says who it is, and nothing of what he may', async () => {
    const { token } = await pairOf();
    expect((await ask('GET', '/api/session', undefined, token)).body).to.include({ username: person.username });
    const header = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as object;
    expect(header).to.include({ alg: 'HS256', typ: 'JWT' }).and.have.property('kid');
    const payload = payloadOf(token);
    expect(Number(payload['exp']) - Number(payload['iat'])).to.equal(3600);
    expect(payload).to.include({ sub: id, aud: 'registry', preferred_username: person.username, email: person.username });
    expect(payload).to.not.have.any.keys('roles', 'permissions');
  });

  it('22, 23, 25: a token that was changed, re-signed or is of another kind is worth nothing', async () => {
    const { token, refreshToken } = await pairOf();
    const [head = '', body = '', signature = ''] = token.split('.');
    const other = signature.startsWith('A') ? 'B' : 'A';
    const unsigned = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url');
    const kept = JSON.parse(Buffer.from(head, 'base64url').toString()) as object;
    const none = Buffer.from(JSON.stringify({ ...kept, alg: 'none' })).toString('base64url');
    const guessed = createHmac('sha256', 'secret').update(`${head}.${body}`).digest('base64url');
    for (const forged of [
      `${head}.${body}.${other}${signature.slice(1)}`,
      `${unsigned}.${body}.`,
      `${none}.${body}.`,
      `${none}.${body}.${signature}`,
      `${head}.${body}.${guessed}`,
      refreshToken,
    ]) {
      expect(await works(forged), forged).to.equal(false);
    }
    expect(await works(token)).to.equal(true);
  });

  it('24: an expired token is worth nothing, and its socket is closed', async () => {
    const login = await ask('POST', '/api/login', { ...person, expireTimeInHours: 2 / 3600 });
    const { token } = login.body as { token: string };
    const raw = await connectRaw(url);
    raw.socket.emit('identity', { token });
    await until(() => raw.got('ready').length > 0);
    await until(async () => !(await works(token)));
    await until(() => raw.socket.disconnected, 15_000);
  });

  it('26, 27: a refresh token works once: a repeat gets the same pair for a while, a later use ends the whole login (W6)', async () => {
    const first = await pairOf();
    const { status, body } = await put(first);
    expect(status).to.equal(200);
    expect(body).to.deep.include({ errorCode: '', pageable: { page: 0, size: 10, totalPages: 1, totalElements: 1 } });
    const second = body.content[0] as unknown as { token: string; refreshToken: string };
    expect(second).to.have.all.keys('token', 'refreshToken', 'validityTime');
    expect(second.token).to.not.equal(first.token);
    expect(await works(second.token)).to.equal(true);
    const { status: repeated, body: same } = await put(first);
    expect([repeated, same]).to.deep.equal([200, body]);
    await until(async () => (await put(first)).status !== 200, 15_000);
    expect(await put(first)).to.deep.include({ status: 401, body: failed('AUTH_1002', 'Invalid token') });
    expect(await works(second.token)).to.equal(false);
    expect((await put(second)).status).to.equal(401);
  });

  it('of many who show a refresh token at once, all get the same pair, or are refused by 401 (W6)', async () => {
    const pair = await pairOf();
    const answers = await Promise.all(Array.from({ length: 20 }, () => put(pair)));
    const given = answers.filter(({ status }) => status === 200);
    const pairs = new Set(given.map(({ body }) => JSON.stringify(body.content[0])));
    expect(pairs.size).to.equal(1);
    for (const { status, body } of answers)
      if (status !== 200) expect([status, body.errorCode]).to.deep.equal([401, 'AUTH_1002']);
  });

  it('28, 29: both tokens must be of one login, and both be there', async () => {
    const [one, other] = [await pairOf(), await pairOf()];
    expect((await put({ token: one.token, refreshToken: other.refreshToken })).body.errorCode).to.equal('AUTH_1002');
    expect((await put({ refreshToken: one.refreshToken })).body).to.deep.equal(
      failed('GEN_1001', 'Missing mandatory parameter: token'),
    );
    expect((await put({ token: 'x', refreshToken: 'y' })).status).to.equal(401);
    expect((await put(one)).status).to.equal(200);
  });

  it('30: a role that is withdrawn is gone with the next call', async () => {
    const role = (
      await ask(
        'POST',
        '/api/roles',
        { name: 'lists', permissions: [{ resource: '/api/listUsers', operation: 'read', context: 'http' }] },
        admin,
      )
    ).body as { id: string };
    await ask('POST', `/api/users/${id}/roles`, { roleId: role.id }, admin);
    const { token } = await pairOf();
    expect((await ask('GET', '/api/listUsers', undefined, token)).status).to.equal(200);
    await ask('DELETE', `/api/users/${id}/roles`, { roleId: role.id }, admin);
    expect((await ask('GET', '/api/listUsers', undefined, token)).status).to.equal(403);
  });

  it('31: who changes his password ends his other logins, and their refresh tokens', async () => {
    const [calling, other] = [await pairOf(), await pairOf()];
    const change = { password: person.password, newPassword: 'another-1' };
    expect((await ask('PUT', '/api/users/change-password', change, calling.token)).status).to.equal(204);
    expect([await works(calling.token), await works(other.token)]).to.deep.equal([true, false]);
    expect((await put(other)).status).to.equal(401);
    expect((await put(calling)).status).to.equal(200);
    await ask('PUT', `/api/users/${id}`, { password: person.password }, admin);
    expect(await works(calling.token)).to.equal(false);
  });

  it('32, 33: the token is listed by its fingerprint, and ended by it, with its socket', async () => {
    const { token, refreshToken } = await pairOf();
    const listed = await ask('GET', `/api/users/${id}/tokens`, undefined, token);
    expect(listed.text).to.not.include(token);
    const [newest] = listed.body as unknown as { fingerprint: string; expiresAt: string; label: string }[];
    expect(newest).to.include({ label: 'api-v2' });
    expect(Date.parse(newest?.expiresAt ?? '')).to.equal(Number(payloadOf(token)['exp']) * 1000);
    const raw = await connectRaw(url);
    raw.socket.emit('identity', { token });
    await until(() => raw.got('ready').length > 0);
    const gone = await ask(
      'DELETE',
      `/api/users/${id}/tokens?tokenId=${encodeURIComponent(newest?.fingerprint ?? '')}`,
      undefined,
      admin,
    );
    expect(gone.status).to.equal(204);
    expect(await works(token)).to.equal(false);
    await until(() => raw.got('notReady').length > 0 && raw.socket.disconnected);
    expect(raw.got('notReady')[0]).to.include({ status: 401 });
    expect((await put({ token, refreshToken })).status).to.equal(401);
  });

  it('34: the token in the handshake is enough', async () => {
    const { token } = await pairOf();
    const socket = io(url, { transports: ['websocket'], reconnection: false, forceNew: true, auth: { token } });
    const ready = await new Promise<object>((resolve) => socket.on('ready', resolve));
    expect(ready).to.include({ uuid: id });
    const own = await new Promise<object>((resolve) => socket.emit('whoami', {}, resolve));
    expect(own).to.include({ uuid: id, type: 'user' });
    socket.disconnect();
  });

  it('35: over Socket.IO there is no envelope, and the socket stays who it is', async () => {
    const raw = await connectRaw(url);
    expect(await raw.ask('auth:token', { ...person, password: 'wrong' })).to.deep.equal({
      error: 'Invalid credentials',
      status: 401,
      code: 'invalid-credentials',
    });
    const pair = await raw.ask<{ token: string; refreshToken: string }>('auth:token', person);
    expect(pair)
      .to.include({ validityTime: 3600 })
      .and.have.all.keys('customerId', 'token', 'refreshToken', 'validityTime', 'expiresAt');
    expect(await raw.ask('whoami', {})).to.deep.equal({ error: 'Unauthorized' });
    const again = await raw.ask<{ token: string }>('auth:refresh', { token: pair.token, refreshToken: pair.refreshToken });
    expect(again).to.have.all.keys('token', 'refreshToken', 'validityTime', 'expiresAt');
    expect(await raw.ask('auth:revoke', { token: again.token })).to.deep.equal({});
    expect(await works(again.token)).to.equal(false);
    expect(await raw.ask('auth:revoke', {}, {})).to.include({ code: 'unauthenticated', status: 401 });
    raw.close();
  });

  it('a refresh that is repeated under its number is no second use', async () => {
    const raw = await connectRaw(url);
    const { token, refreshToken } = await pairOf();
    const reqId = `${'b'.repeat(22)}:1`;
    const first = await raw.ask<{ token: string }>('auth:refresh', { token, refreshToken }, { reqId });
    const again = await raw.ask<{ token: string }>('auth:refresh', { token, refreshToken }, { reqId, again: 1 });
    expect(again).to.include.keys('token', 'refreshToken');
    expect(await works(first.token)).to.equal(true);
    expect(await works(again.token)).to.equal(true);
    raw.close();
  });

  it('a logout ends both tokens', async () => {
    const pair = await pairOf();
    const { status, body } = await ask('DELETE', path, undefined, pair.token);
    expect(status).to.equal(200);
    expect(body).to.deep.equal({
      errorCode: '',
      errorMessage: '',
      content: [],
      pageable: { page: 0, size: 0, totalPages: 0, totalElements: 0 },
    });
    expect(await works(pair.token)).to.equal(false);
    expect((await put(pair)).status).to.equal(401);
    expect(await ask('DELETE', path, undefined, pair.token)).to.deep.include({
      status: 401,
      body: failed('AUTH_1002', 'Invalid token'),
    });
  });

  it('38: other methods are refused in the envelope', async () => {
    const { status, body, headers } = await ask('GET', path);
    expect({ status, body }).to.deep.equal({ status: 405, body: failed('GEN_1005', 'Method not allowed') });
    expect(headers.get('allow')).to.equal('POST, PUT, DELETE');
  });
});
