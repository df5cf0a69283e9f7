import type { Registry } from '@rollcall/server';
import type { Store } from '@rollcall/server/internal/data/store';
import { expect } from 'chai';
import { connectRaw } from '../support/meshblu.ts';
import { onBothStores, type Registries } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { ask, basic, type Reply } from './support/http.ts';

const adminPassword = 'admin-of-the-tests';
const admin = basic('admin', adminPassword);
const mike = basic('mike', 'mikepass');
const zoe = basic('zoe', 'zoepass');

type Body = Record<string, unknown>;
interface Invalid {
  readonly status: number;
  readonly error: string;
  readonly summary: string;
  readonly invalidAttributes: Readonly<Record<string, readonly { readonly rule: string; readonly message: string }[]>>;
}

const nobody = '000000000000000000000000';

/** A registry with the accounts of the reference, and the calls of its vectors. */
const accounts = (registries: Registries) => {
  let registry: Registry | undefined;
  const ids = new Map<string, string>();
  const call = (
    method: string,
    path: string,
    body?: unknown,
    authorization: string | null = mike,
    type?: string,
  ): Promise<Reply> =>
    ask(`${registry?.url ?? ''}${path}`, method, {
      ...(body !== undefined && { body }),
      ...(authorization !== null && { authorization }),
      ...(type !== undefined && { type }),
    });
  return {
    async start(options: Parameters<Registries['start']>[0] = {}) {
      registry = await registries.start({ adminPassword, ...options });
      for (const username of ['mike', 'zoe', 'idle']) {
        const { body } = await call('POST', '/api/users', { username, password: `${username}pass` }, admin);
        ids.set(username, String((body as Body)['id']));
      }
      return registry;
    },
    call,
    id: (name: string) => ids.get(name) ?? '',
    async made(body: Body, authorization = mike): Promise<Body> {
      const reply = await call('POST', '/api/client', body, authorization);
      expect(reply.status, JSON.stringify(reply.body)).to.equal(200);
      return reply.body as Body;
    },
    async event(name: string) {
      const raw = await connectRaw(registry?.url ?? '');
      const login = await call('POST', '/api/login', { username: name, password: `${name}pass` }, null);
      raw.socket.emit('identity', { token: (login.body as Body)['token'], auto_set_online: false });
      await until(() => raw.got('ready').length > 0);
      return raw;
    },
  };
};

onBothStores('MQTT client records (MC-7)', (registries) => {
  const { start, call, made, event, id: uuidOf } = accounts(registries);
  let registry: Registry;
  let first: Body;
  const keys: string[] = ['test-password', 'new-password'];
  const path = (id: unknown = first['id']): string => `/api/client/${String(id)}`;
  const whole = { name: 'new client', description: 'test client', clientId: 'mike-9999', key: 'test-password' };
  let count = 0;
  const record = (body: Body = {}): Body => ({ name: 'one', clientId: `mike-a${(count += 1)}`, key: 'a-good-key', ...body });
  const rulesOf = async (method: string, where: string, body: unknown, authorization?: string): Promise<Body> => {
    const reply = await call(method, where, body, authorization);
    expect(reply.status, JSON.stringify(reply.body)).to.equal(400);
    const { invalidAttributes, error, status } = reply.body as Invalid;
    expect({ error, status }).to.deep.equal({ error: 'E_VALIDATION', status: 400 });
    return Object.fromEntries(Object.entries(invalidAttributes).map(([name, all]) => [name, all.map(({ rule }) => rule)]));
  };

  before(async () => {
    registry = await start();
  });

  it('1: answers what was sent, and never the key', async () => {
    first = await made(whole);
    const { id, createdAt, updatedAt, ...rest } = first;
    expect(rest).to.deep.equal({ name: 'new client', description: 'test client', clientId: 'mike-9999', owner: 'mike' });
    expect(id).to.match(/^[0-9a-f]{24}$/);
    expect(createdAt)
      .to.equal(updatedAt)
      .and.to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it("2, 3, 4: lists and gives the account's own", async () => {
    expect(await call('GET', '/api/client')).to.deep.include({ status: 200, body: [first] });
    expect(await call('GET', '/api/client', undefined, basic('idle', 'idlepass'))).to.deep.include({ status: 200, body: [] });
    expect(await call('GET', path())).to.deep.include({ status: 200, body: first });
  });

  it('5, 6, 7, 16: names that are no id of a record name nothing', async () => {
    for (const id of ['mike-9999', nobody, 'xyz', `${String(first['id'])}0`, String(first['id']).toUpperCase(), '%00']) {
      const missing = { status: 404, error: 'E_NOT_FOUND', summary: 'No record found with the specified `id`.' };
      expect(await call('GET', path(id)), id).to.deep.include({ status: 404, body: missing });
    }
    expect((await call('PUT', path(nobody), { name: 'x' })).status).to.equal(404);
  });

  it('8, 9, 10, 12, 13: a change says only what changes', async () => {
    const changed = { name: 'updated client', description: 'test client updated' };
    const after = await call('PUT', path(), { ...changed, key: 'new-password' });
    expect(after.status).to.equal(200);
    const { updatedAt } = after.body as Body;
    expect(after.body).to.deep.equal({ ...first, ...changed, updatedAt });
    expect(Date.parse(String(updatedAt))).to.be.above(Date.parse(String(first['updatedAt'])));
    const { updatedAt: moved, ...same } = (await call('PUT', path(), {})).body as Body;
    expect({ ...same, updatedAt }).to.deep.equal(after.body);
    expect(moved).not.to.equal(updatedAt);
    const without = (await call('PUT', path(), { description: null })).body as Body;
    expect(without).not.to.have.any.keys('description');
    expect((await call('PUT', path(), { clientId: 'mike-9999', id: nobody, createdAt: 'x', updatedAt: 5 })).status).to.equal(200);
    expect((await call('PUT', path(), { owner: 'zoe' })).body).to.include({ owner: 'mike' });
    first = (await call('GET', path())).body as Body;
    const device = (await call('POST', '/search/devices', { type: 'mqtt-client' })).body as Body[];
    expect(device.map(({ name, owner }) => ({ name, owner }))).to.deep.equal([{ name: 'updated client', owner: uuidOf('mike') }]);
    expect(device[0]).not.to.have.any.keys('description');
  });

  it('11, 14, 15, 28, 29: a value that breaks a rule is named with it, and nothing changes', async () => {
    const { call: again, id } = { call, id: path() };
    expect(await rulesOf('PUT', id, { clientId: 'mike-1' })).to.deep.equal({ clientId: ['readOnly'] });
    expect(await rulesOf('PUT', id, { clientId: 5 })).to.deep.equal({ clientId: ['readOnly'] });
    expect(await rulesOf('PUT', id, { name: '' })).to.deep.equal({ name: ['minLength'] });
    expect(await rulesOf('PUT', id, { key: '' })).to.deep.equal({ key: ['minLength'] });
    expect(await rulesOf('PUT', id, { key: 'k'.repeat(129) })).to.deep.equal({ key: ['maxLength'] });
    expect(await rulesOf('PUT', id, { name: null })).to.deep.equal({ name: ['string'] });
    expect(await rulesOf('PUT', id, { description: 5 })).to.deep.equal({ description: ['string'] });
    expect(await rulesOf('POST', '/api/client', { clientId: 'a b/#' })).to.deep.equal({ clientId: ['pattern'] });
    expect(await rulesOf('POST', '/api/client', { name: 5 })).to.deep.equal({ name: ['string'] });
    expect(await rulesOf('POST', '/api/client', { description: 'd'.repeat(1001) })).to.deep.equal({ description: ['maxLength'] });
    expect(await rulesOf('POST', '/api/client', record({ clientId: 'c'.repeat(65) }))).to.deep.equal({ clientId: ['maxLength'] });
    const two = await again('POST', '/api/client', { name: 5, key: 'four' });
    expect((two.body as Invalid).summary).to.equal('2 attributes are invalid');
    expect((await call('GET', path())).body).to.deep.equal(first);
  });

  it('19, 20: a client id is given once, over all accounts, and begins with nobody else’s name', async () => {
    const taken = await call('POST', '/api/client', whole);
    expect(taken.body).to.deep.equal({
      status: 400,
      error: 'E_VALIDATION',
      summary: '1 attribute is invalid',
      invalidAttributes: {
        clientId: [{ rule: 'unique', message: 'A record with that `clientId` already exists (`mike-9999`).' }],
      },
    });
    expect(await rulesOf('POST', '/api/client', whole, zoe)).to.deep.equal({ clientId: ['unique', 'prefix'] });
    expect(await rulesOf('POST', '/api/client', record({ clientId: 'mike-of-zoe' }), zoe)).to.deep.equal({
      clientId: ['prefix'],
    });
    await made(record({ clientId: 'nobody-1' }), zoe);
    await made(record({ clientId: 'MIKE-9999' }));
  });

  it('of two who want the same client id at once one gets it', async () => {
    const body = record();
    const both = await Promise.all([call('POST', '/api/client', body), call('POST', '/api/client', body)]);
    expect(both.map(({ status }) => status)).to.have.members([200, 400]);
  });

  it('21, 22, 23, 24, 25: what is missing is made, for a while', async () => {
    const later = (expiresAt: unknown): boolean => Date.parse(String(expiresAt)) > Date.now();
    const empty = await made({});
    expect(empty['name']).to.equal('temporary client');
    expect(empty['clientId']).to.match(/^mike-[0-9a-f]{8}$/);
    expect(empty['key']).to.match(/^[0-9a-z]{20}$/);
    keys.push(String(empty['key']));
    const keyless = await made({ name: 'keyless', clientId: 'mike-keyless' });
    expect(keyless).to.include({ name: 'keyless', clientId: 'mike-keyless' });
    expect(keyless['key']).to.be.a('string');
    keys.push(String(keyless['key']));
    const unnamed = await made({ clientId: 'mike-unnamed', key: 'chosen-key' });
    const idless = await made({ name: 'idless', key: 'chosen-key' });
    for (const one of [unnamed, idless]) expect(one).not.to.have.any.keys('key');
    for (const one of [empty, keyless, unnamed, idless]) expect(later(one['expiresAt'])).to.equal(true);
    const { key: _key, ...rest } = keyless;
    expect((await call('GET', path(keyless['id']))).body).to.deep.equal(rest);
  });

  it('27: one that has got a name and a key of choice stays', async () => {
    const { id } = await made({});
    expect((await call('PUT', path(id), { name: 'named' })).body).to.include.keys('expiresAt');
    const { body } = await call('PUT', path(id), { key: 'chosen-key' });
    expect(body).to.include({ name: 'named' }).and.not.have.any.keys('expiresAt', 'key');
  });

  it('30: takes JSON and forms, and nothing else', async () => {
    for (const [body, summary] of [
      ['{', 'the body is not JSON'],
      ['[]', 'The body must be an object'],
      ['"x"', 'The body must be an object'],
      ['{"__proto__":{}}', 'This key is not allowed'],
    ] as const) {
      const reply = await call('POST', '/api/client', body);
      expect(reply.status, body).to.equal(400);
      expect(reply.body).to.include({ status: 400, error: 'E_VALIDATION', summary });
    }
    expect((await call('POST', '/api/client', '<a/>', mike, 'text/xml')).status).to.equal(400);
    const form = 'application/x-www-form-urlencoded';
    const reply = await call('POST', '/api/client', 'name=by+form&clientId=mike-form&key=form-key', mike, form);
    expect(reply.status).to.equal(200);
    expect(reply.body).to.include({ name: 'by form', clientId: 'mike-form' }).and.not.have.any.keys('expiresAt');
    expect(await call('POST', '/api/client', 'name=a&name=b', mike, form)).to.include({ status: 400 });
  });

  it('31, 32: whoever is not logged in is sent to the login page, and finds it', async () => {
    const before = (await call('GET', '/api/client')).body;
    for (const authorization of [null, basic('mike', 'wrong'), basic('nobody', 'wrong'), 'Bearer x']) {
      for (const [method, where, body] of [
        ['GET', '/api/client?limit=1', undefined],
        ['POST', '/api/client', whole],
        ['POST', '/api/client', '{'],
        ['DELETE', path(), undefined],
      ] as const) {
        const reply = await call(method, where, body, authorization);
        expect(reply.status).to.equal(302);
        expect(reply.headers.get('location')).to.equal(`/login?return=${encodeURIComponent(where.split('?')[0] ?? '')}`);
        expect(reply.headers.get('content-type')).to.match(/^text\/html/);
        expect(reply.headers.get('cache-control')).to.equal('no-store');
        expect(reply.headers.has('www-authenticate')).to.equal(false);
        expect(reply.body).to.match(/<form/);
      }
    }
    const login = await call('GET', '/login?return=%2Fapi%2Fclient', undefined, null);
    expect({ status: login.status, isPage: /<form/.test(String(login.body)) }).to.deep.equal({ status: 200, isPage: true });
    expect((await call('GET', '/api/client')).body).to.deep.equal(before);
  });

  it('takes an access token as the password of its own account', async () => {
    const login = async (username: string) =>
      String(((await call('POST', '/api/login', { username, password: `${username}pass` }, null)).body as Body)['token']);
    const token = await login('mike');
    expect((await call('GET', path(), undefined, basic('mike', token))).status).to.equal(200);
    expect((await call('GET', path(), undefined, `Bearer ${token}`)).status).to.equal(200);
    expect((await call('GET', path(), undefined, basic('mike', await login('zoe')))).status).to.equal(302);
  });

  it("34: another account's records are not there", async () => {
    for (const [method, body] of [['GET'], ['PUT', { name: 'stolen' }], ['DELETE']] as const)
      expect((await call(method, path(), body, zoe)).status, method).to.equal(404);
    expect((await call('GET', path())).body).to.deep.equal(first);
  });

  it('35: whoever may change all records may change and sees all', async () => {
    expect((await call('PUT', path(), { description: 'by admin' }, admin)).status).to.equal(200);
    expect((await call('GET', path(), undefined, admin)).body).to.include({ owner: 'mike', description: 'by admin' });
    const all = (await call('GET', '/api/client', undefined, admin)).body as Body[];
    expect(new Set(all.map(({ owner }) => owner))).to.deep.equal(new Set(['mike', 'zoe']));
    const times = all.map(({ createdAt }) => String(createdAt));
    expect(times).to.deep.equal(times.toSorted());
    const page = (await call('GET', '/api/client?limit=2&skip=1', undefined, admin)).body;
    expect(page).to.deep.equal(all.slice(1, 3));
    expect((await call('GET', '/api/client?limit=1001')).status).to.equal(400);
  });

  it('names the methods of a path that a request does not use', async () => {
    const patched = await call('PATCH', path(), {});
    expect({ status: patched.status, allow: patched.headers.get('allow') }).to.deep.equal({
      status: 405,
      allow: 'GET, PUT, DELETE',
    });
  });

  it('47: the event answers with the uuid too, 48: and fails with our code and the same sentence', async () => {
    const raw = await event('mike');
    try {
      const answer = await raw.ask('mqttClients:create', { ...record(), description: 'by event' }, {});
      expect(answer).to.include({ owner: 'mike', description: 'by event' }).and.include.keys('uuid', 'id');
      const { id } = answer;
      expect(await raw.ask('mqttClients:get', { id }, {})).to.deep.equal(answer);
      expect(await raw.ask('mqttClients:update', { id, name: 'renamed' }, {})).to.include({ name: 'renamed' });
      expect((await raw.ask<{ clients: Body[] }>('mqttClients:list', { limit: 2 }, {})).clients).to.have.length(2);
      const missing = { error: 'No record found with the specified `id`.', status: 404, code: 'not-found' };
      expect(await raw.ask('mqttClients:get', { id: 'xyz' }, {})).to.deep.equal(missing);
      const invalid = await raw.ask('mqttClients:create', { name: 5 }, {});
      expect(invalid).to.include({ error: '1 attribute is invalid', status: 400, code: 'invalid-input' });
      expect(await raw.ask('mqttClients:delete', { id }, {})).to.include({ id, name: 'renamed' });
      expect(await raw.ask('mqttClients:delete', { id }, {})).to.deep.equal(missing);
    } finally {
      raw.close();
    }
    const nobodyYet = await connectRaw(registry.url);
    expect(await nobodyYet.ask('mqttClients:list', {}, {})).to.include({ status: 401, code: 'unauthenticated' });
    nobodyYet.close();
  });

  it('a repeated request makes one record, and its last answer holds the key that counts', async () => {
    const raw = await event('mike');
    try {
      const reqId = `${'0'.repeat(32)}:1`;
      const one = await raw.ask('mqttClients:create', { name: 'repeated' }, { reqId });
      const again = await raw.ask('mqttClients:create', { name: 'repeated' }, { reqId, again: 1 });
      expect(again).to.include({ id: one['id'], clientId: one['clientId'] });
      expect(again['key']).to.be.a('string').and.not.equal(one['key']);
    } finally {
      raw.close();
    }
  });

  it('an account has at most a hundred temporary ones', async () => {
    const authorization = basic('idle', 'idlepass');
    const clients = Array.from({ length: 101 }, () => call('POST', '/api/client', {}, authorization));
    const refused = (await Promise.all(clients)).filter(({ status }) => status !== 200);
    expect(refused).to.have.length(1);
    expect(JSON.stringify(refused[0]?.body)).to.include('maxTemporary');
    await made({ name: 'n', clientId: 'idle-1', key: 'chosen-key' }, authorization);
  });

  it('a device has no records: only an account', async () => {
    const device = (await call('POST', '/devices', {}, null)).body as Body;
    const as = basic(String(device['uuid']), String(device['token']));
    expect((await call('POST', '/api/client', {}, as)).status).to.equal(403);
  });

  it('17, 18: a removed record is gone, and its client id is free', async () => {
    const last = (await call('GET', path())).body;
    expect(await call('DELETE', path())).to.deep.include({ status: 200, body: last });
    expect((await call('DELETE', path())).status).to.equal(404);
    await made(whole);
  });

  it('the records of a user go with him', async () => {
    const user = (await call('POST', '/api/users', { username: 'short', password: 'shortpass' }, admin)).body as Body;
    const { id } = await made({ name: 'n', clientId: 'short-1', key: 'chosen-key' }, basic('short', 'shortpass'));
    expect((await call('DELETE', `/api/users/${String(user['id'])}`, undefined, admin)).status).to.equal(204);
    expect((await call('GET', path(id), undefined, admin)).status).to.equal(404);
    await made(record({ clientId: 'short-1' }));
  });

  it('49: the store holds no key in clear', async () => {
    await registry.close();
    const text = await registries.inspect(async (store: Store) => {
      const texts: string[] = [];
      for (const name of ['principals', 'credentials', 'devices', 'tokens'] as const)
        texts.push(JSON.stringify(await store.collection(name).find({}).toArray()));
      return texts.join('\n');
    });
    expect(text).to.include('mike-9999');
    for (const key of keys) expect(text).not.to.include(key);
  });
});

onBothStores('MQTT client records that expire (MC-2)', (registries) => {
  const { start, call, made } = accounts(registries);

  it('26, 33: are gone at their time, and their client ids are free; 401 where nobody is to be redirected', async () => {
    await start({ temporaryClientMs: 700, mqttClientsUnauthorized: 'status' });
    const one = await made({ name: 'n', clientId: 'mike-1' });
    const path = `/api/client/${String(one['id'])}`;
    expect((await call('GET', path)).status).to.equal(200);
    await until(async () => (await call('GET', path)).status === 404);
    expect((await call('GET', '/api/client')).body).to.deep.equal([]);
    const again = () => call('POST', '/api/client', { name: 'n', clientId: 'mike-1', key: 'chosen-key' });
    expect((await again()).status, 'not swept yet').to.equal(400);
    await until(async () => (await again()).status === 200, 15_000);
    const refused = await call('GET', '/api/client', undefined, null);
    expect(refused).to.deep.include({
      status: 401,
      body: { status: 401, error: 'E_UNAUTHENTICATED', summary: 'Not logged in' },
    });
  });
});
