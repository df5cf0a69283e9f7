import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@rollcall/client';
import { createRegistry, type Config, type Registry } from '@rollcall/server';
import { expect } from 'chai';
import { connectMqtt } from '../mqtt/support/client.ts';
import { connectAs, connectRaw, register } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { adminPassword, stewardOf, type Steward } from '../identity/support/steward.ts';

const path = '/api/maintenance/db';

onBothStores('backup and restore (access control reference, 3.8 and 5.12)', (registries) => {
  let url = '';
  let admin: Steward;
  before(async () => {
    ({ url } = await registries.start({ adminPassword }));
    admin = stewardOf(() => url);
  });

  const user = async (username: string): Promise<string> => {
    const { status, body } = await admin.ask('POST', '/api/users', { username, password: 'secret1' });
    expect(status).to.equal(201);
    return (body as { id: string }).id;
  };
  const login = async (username: string): Promise<{ readonly status: number; readonly token: string }> => {
    const response = await fetch(`${url}/api/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username, password: 'secret1' }),
    });
    return { status: response.status, token: ((await response.json()) as { token?: string }).token ?? '' };
  };
  const sessionStatus = async (token: string): Promise<number> =>
    (await fetch(`${url}/api/session`, { headers: { authorization: `Bearer ${token}` } })).status;

  it('133: a fresh registry has had no job', async () => {
    expect(await admin.ask('GET', path)).to.deep.equal({ status: 200, body: { running: false } });
    expect((await admin.ask('GET', `${path}/backup`)).status).to.equal(404);
  });

  it('134: backup, poll, download, delete a user, restore, poll: the user is back, and all old tokens are dead', async () => {
    const id = await user('anna');
    const archive = await admin.backup();
    const { backup } = await admin.status();
    expect(backup).to.include({ succeeded: true });
    expect(backup?.id).to.match(/^1_\d{4}-\d\d-\d\dT/);
    expect(Date.parse(backup?.endDate ?? '')).to.be.at.least(Date.parse(backup?.startDate ?? ''));
    expect((await admin.ask('DELETE', `/api/users/${id}`)).status).to.equal(204);
    expect((await login('anna')).status).to.equal(401);
    const before = await admin.token();
    expect(await admin.restore(archive)).to.include({ succeeded: true });
    expect(await sessionStatus(before)).to.equal(401);
    const anna = await login('anna');
    expect(anna.status).to.equal(200);
    expect(await sessionStatus(anna.token)).to.equal(200);
    const { body } = await admin.ask('GET', `/api/users/${id}`);
    expect(body).to.include({ id, username: 'anna' });
    const own = await fetch(`${url}/v2/whoami`, { headers: { authorization: `Bearer ${anna.token}` } });
    expect(await own.json()).to.include({ uuid: id, type: 'user' });
  });

  it('135: a second job is refused as long as one runs', async () => {
    const answers = await Promise.all([1, 2, 3, 4].map(() => admin.ask('POST', `${path}/backup`)));
    const statuses = answers.map(({ status }) => status).sort((one, other) => one - other);
    expect(statuses[0]).to.equal(202);
    expect(statuses.slice(1)).to.deep.equal([409, 409, 409]);
    expect(answers.find(({ status }) => status === 409)?.body).to.include({ code: 'BUSY' });
    await until(async () => !(await admin.status()).running);
  });

  it('136: what is no archive is refused at once, and nothing is kept of it', async () => {
    const before = await admin.status();
    for (const body of [
      Buffer.alloc(0),
      Buffer.from('ROLL'),
      Buffer.from(Array.from({ length: 5_000 }, (_, index) => (index * 7) % 251)),
      Buffer.from('{"devices":[]}'),
    ]) {
      expect(await admin.send(body)).to.equal(400);
    }
    const form = new FormData();
    form.append('other', new Blob(['ROLLCALL']), 'archive');
    expect(await admin.send(form)).to.equal(400);
    expect(await admin.send(new FormData())).to.equal(400);
    expect(await admin.status()).to.deep.equal(before);
  });

  it('137: an archive of a newer format ends the job with the reason, and changes nothing', async () => {
    const archive = await admin.backup();
    const id = await user('berta');
    const newer = Buffer.from(archive);
    newer.writeUInt16BE(2, 8);
    const token = await admin.token();
    const restore = await admin.restore(newer);
    expect(restore.succeeded).to.equal(false);
    expect(restore.statusMessage).to.match(/format 2/);
    expect(await sessionStatus(token)).to.equal(200);
    expect((await admin.ask('GET', `/api/users/${id}`)).status).to.equal(200);
  });

  it('an archive comes as a form too', async () => {
    const archive = await admin.backup();
    const id = await user('carla');
    const form = new FormData();
    form.append('file', new Blob([archive]), 'archive');
    expect(await admin.send(form)).to.equal(202);
    await until(async () => (await admin.ask('GET', `/api/users/${id}`)).status === 404, 30_000);
    expect((await admin.status()).restore).to.include({ succeeded: true });
  });

  it('140: the same over Socket.IO, where an archive is named by its id', async () => {
    const raw = await connectRaw(url);
    raw.socket.emit('identity', { token: await admin.token(), auto_set_online: false });
    await until(() => raw.got('ready').length > 0);
    const begun = await raw.ask<{ id: string }>('maintenance:backup', {}, {});
    expect(await raw.ask('maintenance:backup', {}, {})).to.satisfy(
      (answer: { code?: string; status?: number; id?: string }) => answer.code === 'conflict' || answer.id !== undefined,
    );
    await until(async () => (await raw.ask<{ running: boolean }>('maintenance:status', {}, {})).running === false);
    const { id, bytes } = await raw.ask<{ id: string; bytes: number }>('maintenance:archive', {}, {});
    expect(id >= begun.id).to.equal(true);
    expect(bytes).to.be.above(500);
    expect(raw.got('maintenance:progress').at(-1)).to.deep.include({ running: false });
    const dora = await user('dora');
    expect(await raw.ask('maintenance:restore', { id: 'another' }, {})).to.include({ code: 'not-found', status: 404 });
    expect(await raw.ask('maintenance:restore', { id }, {})).to.have.property('id');
    await until(() => raw.socket.disconnected, 10_000);
    await until(async () => (await admin.ask('GET', `/api/users/${dora}`)).status === 404, 30_000);
    raw.close();
  });

  it('a repeat of the same request gets the same job', async () => {
    const client = await connect(url, { token: await admin.token() });
    const reqId = client.reqId();
    const { id } = await client.maintenance.backup({}, { reqId });
    expect(await client.maintenance.backup({}, { reqId })).to.deep.equal({ id });
    await until(async () => !(await client.maintenance.status()).running);
    expect(await client.maintenance.backup({}, { reqId })).to.deep.equal({ id });
    client.close();
  });

  it('nobody may do any of it without a role that allows the path', async () => {
    await user('erna');
    const { token } = await login('erna');
    const headers = { authorization: `Bearer ${token}` };
    const huge = Buffer.alloc(4_194_304, 'ROLLCALL');
    for (const [method, route, body] of [
      ['GET', path],
      ['POST', `${path}/backup`],
      ['GET', `${path}/backup`],
      ['POST', `${path}/restore`, huge],
    ] as const) {
      const init = body === undefined ? { method } : { method, body };
      expect((await fetch(url + route, { ...init, headers })).status, route).to.equal(403);
      expect((await fetch(url + route, init)).status, route).to.equal(401);
    }
    const raw = await connectRaw(url);
    raw.socket.emit('identity', { token, auto_set_online: false });
    await until(() => raw.got('ready').length > 0);
    for (const event of ['status', 'backup', 'archive'])
      expect(await raw.ask(`maintenance:${event}`, {}, {}), event).to.include({ code: 'forbidden' });
    expect(await raw.ask('maintenance:restore', { id: 'x' }, {})).to.include({ code: 'forbidden' });
    raw.close();
  });

  it('devices, tokens, subscriptions and lists come back as they were; presence, logins and later revisions do not', async () => {
    const owner = await register(url, { type: 'owner' });
    const lamp = await register(url, { type: 'lamp', owner: owner.uuid, discoverWhitelist: [owner.uuid], on: false });
    const socket = await connectAs(url, lamp, { auto_set_online: true });
    const { token: session } = await socket.ask<{ token: string }>('generateAndStoreToken', { uuid: lamp.uuid, tag: 'before' });
    await socket.ask('update', { on: true, level: 4_000_000_000, ratio: 0.5 });
    const eyes = await connectAs(url, owner);
    await until(
      async () => (await eyes.ask<{ device: { online?: boolean } }>('device', { uuid: lamp.uuid })).device.online === true,
    );
    const archive = await admin.backup();
    const { device: before } = await eyes.ask<{ device: { meshblu: { rev: number } } }>('device', { uuid: lamp.uuid });

    const { token: later } = await socket.ask<{ token: string }>('generateAndStoreToken', { uuid: lamp.uuid, tag: 'after' });
    for (let level = 0; level < 5; level += 1) await socket.ask('update', { on: false, level });
    const { uuid: made, token: madeToken } = await register(url, { type: 'made later' });
    const rev = (await eyes.ask<{ device: { meshblu: { rev: number } } }>('device', { uuid: lamp.uuid })).device.meshblu.rev;
    expect(await admin.restore(archive)).to.include({ succeeded: true });
    await until(() => socket.socket.disconnected && eyes.socket.disconnected);

    const again = await connectAs(url, { uuid: lamp.uuid, token: session });
    await connectAs(url, lamp).then((one) => one.close());
    for (const gone of [
      { uuid: lamp.uuid, token: later },
      { uuid: made, token: madeToken },
    ]) {
      const refused = await connectAs(url, gone).then(
        () => 'ready',
        (error: Error) => error.message,
      );
      expect(refused).to.include('not ready').and.include('401');
    }
    const seeing = await connectAs(url, owner);
    await until(
      async () => (await seeing.ask<{ device: { online?: boolean } }>('device', { uuid: lamp.uuid })).device.online === false,
      10_000,
    );
    const { device } = await seeing.ask<{ device: Record<string, unknown> & { meshblu: { rev: number } } }>('device', {
      uuid: lamp.uuid,
    });
    expect(device).to.include({ on: true, level: 4_000_000_000, ratio: 0.5, owner: owner.uuid });
    expect(device.meshblu.rev).to.be.above(rev);
    expect(before.meshblu.rev).to.be.below(rev);
    again.close();
    seeing.close();
  });

  it("a client of ours comes back by itself with a device's token, and is told to look anew", async () => {
    const { uuid, token } = await register(url, { type: 'sensor', value: 1 });
    const archive = await admin.backup();
    const client = await connect(url, { uuid, token });
    await client.update({ value: 2 });
    const told: unknown[] = [];
    client.on('resync', ({ reason }) => told.push(reason));
    const seen: unknown[] = [];
    client.on('config', (device) => seen.push(device['value']));
    expect(await admin.restore(archive)).to.include({ succeeded: true });
    await until(() => told.length > 0, 15_000);
    expect(told[0]).to.equal('other-feed');
    expect(await client.whoami()).to.include({ value: 1 });
    await until(() => seen.at(-1) === 1);
    await client.update({ value: 3 });
    await until(() => seen.at(-1) === 3);
    client.close();
  });

  it('an archive made while others write is the registry as it was at one moment', async () => {
    const writers = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const { uuid, token } = await register(url, { type: 'pair' });
        const partner = await register(url, { type: 'pair', of: uuid });
        return { first: await connectAs(url, { uuid, token }), second: await connectAs(url, partner) };
      }),
    );
    let writing = true;
    const acknowledged = new Map<string, number>();
    const work = writers.map(async ({ first, second }) => {
      for (let count = 1; writing; count += 1) {
        // The second follows the first: at no moment is it ahead, and never more than one behind.
        await first.ask('update', { count });
        await second.ask('update', { count });
        acknowledged.set(first.uuid, count);
      }
    });
    await until(() => acknowledged.size === writers.length);
    const atBegin = new Map(acknowledged);
    const archive = await admin.backup();
    const atEnd = new Map(acknowledged);
    writing = false;
    await Promise.all(work);
    expect(await admin.restore(archive)).to.include({ succeeded: true });
    for (const { first, second } of writers) {
      const one = await connectAs(url, first);
      const other = await connectAs(url, second);
      const [a, b] = await Promise.all([one, other].map(async (socket) => Number((await socket.ask('whoami'))['count'])));
      expect(a).to.be.at.least(atBegin.get(first.uuid) ?? 0);
      expect(a).to.be.at.most((atEnd.get(first.uuid) ?? 0) + 1);
      expect([a, (a ?? 0) - 1]).to.include(b);
      one.close();
      other.close();
    }
  });

  it('what was removed while the backup was made does not come back, and what was made is not lost', async () => {
    const doomed = await Promise.all(Array.from({ length: 10 }, () => register(url, { type: 'doomed' })));
    const backup = admin.backup();
    const made = await Promise.all(
      doomed.map(async (one) => {
        const socket = await connectAs(url, one);
        await socket.ask('unregister', { uuid: one.uuid });
        socket.close();
        return register(url, { type: 'replacement' });
      }),
    );
    await backup;
    const archive = await admin.backup();
    expect(await admin.restore(archive)).to.include({ succeeded: true });
    for (const one of made) (await connectAs(url, one)).close();
    for (const one of doomed) expect(await connectAs(url, one).catch((error: Error) => error.message)).to.be.a('string');
  });
});

describe('a restore', () => {
  const shared = { port: 0, logLevel: 'error', pepper: 'im-a-pepper', secret: 'a secret of the tests' } as const;
  const opened: Registry[] = [];
  const folders: string[] = [];
  const start = async (options: Partial<Config> = {}): Promise<Registry> => {
    const dataDir = await mkdtemp(join(tmpdir(), 'rollcall-restore-test-'));
    folders.push(dataDir);
    const registry = await createRegistry({ ...shared, dataDir, adminPassword, ...options });
    opened.push(registry);
    return registry;
  };
  after(async () => {
    for (const registry of opened) await registry.close();
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  });
  const json = async (url: string): Promise<unknown> => (await fetch(url)).json();

  it('brings a registry back into an empty installation that has the same secret and pepper', async function () {
    this.timeout(30_000);
    const lost = await start();
    const steward = stewardOf(() => lost.url);
    const { uuid, token } = await register(lost.url, { type: 'sensor' });
    const { body: made } = await steward.ask('POST', '/api/users', { username: 'anna', password: 'secret1' });
    const { body: certificates } = await steward.ask('GET', '/api/certificates');
    const signing = await json(`${lost.url}/publickey`);
    const archive = await steward.backup();

    const fresh = await start({ adminPassword: undefined });
    const first = stewardOf(() => fresh.url, fresh.firstPassword?.password);
    expect(await first.send(archive)).to.equal(202);
    const isBack = async (): Promise<boolean> => {
      const status = (await fetch(`${fresh.url}/v2/whoami`, { headers: { authorization: `Basic ${btoa(`${uuid}:${token}`)}` } }))
        .status;
      return status === 200;
    };
    await until(isBack, 20_000);
    const admin = stewardOf(() => fresh.url);
    expect((await admin.status()).restore).to.include({ succeeded: true });
    expect(await json(`${fresh.url}/publickey`)).to.deep.equal(signing);
    expect((await admin.ask('GET', '/api/certificates')).body).to.deep.equal(certificates);
    const { body: found } = await admin.ask('GET', `/api/users/${(made as { id: string }).id}`);
    expect(found).to.include({ username: 'anna' });
    const { body: later } = await admin.ask('POST', '/api/users', { username: 'bert', password: 'secret1' });
    expect((later as { group: string }).group).to.equal((found as { group: string }).group);
    expect(existsSync(fresh.firstPassword?.file ?? '')).to.equal(false);
  });

  it('is refused by a registry with another secret or pepper, and nothing is changed there', async function () {
    this.timeout(30_000);
    const home = await start();
    const archive = await stewardOf(() => home.url).backup();
    for (const [what, other] of [
      ['ROLLCALL_SECRET', { secret: 'another secret of the tests' }],
      ['ROLLCALL_PEPPER', { pepper: 'another-pepper' }],
    ] as const) {
      const { url } = await start(other);
      const admin = stewardOf(() => url);
      const made = await register(url, { type: 'thing' });
      const restore = await admin.restore(archive);
      expect(restore.succeeded).to.equal(false);
      expect(restore.statusMessage).to.include(what);
      (await connectAs(url, made)).close();
    }
  });

  it('takes no archive that is longer than the setting says, and keeps nothing of it', async function () {
    this.timeout(30_000);
    const { url } = await start({ archiveBytes: 1_048_576 });
    const admin = stewardOf(() => url);
    const long = Buffer.concat([Buffer.from('ROLLCALL'), Buffer.alloc(3_000_000)]);
    expect(await admin.send(long)).to.equal(413);
    const form = new FormData();
    form.append('file', new Blob([long]), 'archive');
    expect(await admin.send(form)).to.equal(413);
    const folder = join(folders.at(-1) ?? '', 'archives');
    await until(() => readdirSync(folder).join() === '');
    expect(await admin.status()).to.deep.equal({ running: false });
  });

  it('is told in the audit, which goes on through it; MQTT is served where it was before', async function () {
    this.timeout(30_000);
    const { url, mqtt } = await start({ mqttPort: 0 });
    const admin = stewardOf(() => url);
    const { uuid, token } = await register(url, { type: 'sensor' });
    const archive = await admin.backup();
    const broker = mqtt[0] ?? '';
    const client = await connectMqtt(broker, { username: uuid, password: token });
    const entries = async (): Promise<readonly { action: string; outcome: string }[]> =>
      ((await admin.ask('GET', '/api/audit')).body as { entries: { action: string; outcome: string }[] }).entries;
    const before = await entries();
    expect(await admin.restore(archive)).to.include({ succeeded: true });
    await client.closed();
    await (await connectMqtt(broker, { username: uuid, password: token })).end();
    const after = await entries();
    expect(after.length).to.be.above(before.length);
    const told = after.map(({ action, outcome }) => `${action} ${outcome}`);
    expect(told).to.include.members(['maintenance:backup ok', 'maintenance:archive ok', 'maintenance:restore ok']);
    expect((await admin.ask('GET', '/api/audit/verify')).body).to.deep.include({ problems: [] });
  });

  it('answers whoever began it while it goes on, everybody else 503, and health as ever', async function () {
    this.timeout(30_000);
    const { url } = await start();
    const admin = stewardOf(() => url);
    const gateway = await connectAs(url, await register(url, { type: 'gateway' }));
    const text = 'x'.repeat(10_000);
    for (let done = 0; done < 300; done += 50)
      await Promise.all(Array.from({ length: 50 }, () => gateway.ask('register', { type: 'thing', text })));
    const archive = await admin.backup();
    const token = await admin.token();
    expect(await admin.send(archive)).to.equal(202);
    const seen = new Map<string, Set<number>>();
    const note = async (path: string, headers: Record<string, string> = {}): Promise<unknown> => {
      const response = await fetch(url + path, { headers });
      const body: unknown = await response.json().catch(() => undefined);
      seen.set(path, (seen.get(path) ?? new Set()).add(response.status));
      if (response.status === 503) expect(JSON.stringify(body)).to.match(/unavailable|"ready":false/i);
      return body;
    };
    const messages = new Set<string>();
    await until(async () => {
      const told = (await note(path, { authorization: `Bearer ${token}` })) as { restore?: { statusMessage: string } };
      messages.add(told.restore?.statusMessage ?? '');
      await Promise.all([note('/healthz'), note('/status'), note('/api/users'), note('/readyz')]);
      return seen.get(path)?.has(401);
    }, 20_000);
    expect([...messages].join()).to.match(/Replacing/);
    expect([...(seen.get('/healthz') ?? [])]).to.deep.equal([200]);
    for (const one of ['/status', '/readyz', '/api/users']) expect([...(seen.get(one) ?? [])], one).to.include(503);
    expect(await admin.status()).to.have.nested.property('restore.succeeded', true);
    gateway.close();
  });
});

describe('the archives of a registry', () => {
  it('are kept for their owner only, the newest one alone, with nothing of an upload left', async function () {
    this.timeout(30_000);
    const dataDir = await mkdtemp(join(tmpdir(), 'rollcall-archives-test-'));
    const { url, close } = await createRegistry({ dataDir, port: 0, logLevel: 'error', adminPassword });
    try {
      const admin = stewardOf(() => url);
      const archive = await admin.backup();
      await admin.backup();
      await admin.send(Buffer.from('nothing of the kind'));
      await admin.restore(archive);
      const folder = join(dataDir, 'archives');
      await until(() => readdirSync(folder).join() === 'newest');
      expect(statSync(folder).mode & 0o777).to.equal(0o700);
      expect(statSync(join(folder, 'newest')).mode & 0o777).to.equal(0o600);
    } finally {
      await close();
      await rm(dataDir, { recursive: true, force: true });
    }
  });
});
