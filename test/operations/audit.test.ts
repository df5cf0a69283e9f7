import type { Registry } from '@rollcall/server';
import type { Collections } from '@rollcall/server/internal/domain/documents/index';
import type { Store } from '@rollcall/server/internal/data/store';
import { openEmbedded } from '@rollcall/server/store';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { command } from '../sdk/support/cli.ts';
import { closeClients, refusalOf } from '../mqtt/support/client.ts';
import { connectAs, register } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { overHttp, type Outcome } from '../identity/support/surfaces.ts';

const adminPassword = 'admin-of-the-tests';

interface Entry {
  readonly id: string;
  readonly at: string;
  readonly action: string;
  readonly outcome: string;
  readonly actor: {
    readonly uuid: string;
    readonly username?: string;
    readonly credential?: string;
    readonly method?: string;
  } | null;
  readonly targets: readonly string[];
  readonly address: string;
  readonly details: Readonly<Record<string, unknown>>;
}
type Row = Collections['audit'];

onBothStores('the audit (issue: access control; ME-12)', (registries) => {
  let url = '';
  let admin = '';
  let adminId = '';
  let call: (event: string, input?: Record<string, unknown>, token?: string | null) => Promise<Outcome>;

  const logIn = async (): Promise<void> => {
    const { body } = await call('session:login', { username: 'admin', password: adminPassword }, null);
    admin = String(body['token']);
  };
  let registry: Registry;
  const open = (started: Registry): void => {
    registry = started;
    ({ url } = started);
    call = (event, input, token = admin) => overHttp(url).call(token ?? undefined, event, input);
  };
  before(async () => {
    open(await registries.start({ adminPassword }));
    await logIn();
    const { body } = await call('users:list', { usernames: ['admin'] });
    adminId = String((body['users'] as { id: string }[])[0]?.id);
  });

  const list = async (query: Record<string, unknown> = {}): Promise<readonly Entry[]> =>
    (await call('audit:list', query)).body['entries'] as Entry[];
  const newest = async (action: string): Promise<Entry> => {
    const [entry] = await list({ action });
    if (entry === undefined) throw new Error(`nothing of ${action}`);
    return entry;
  };
  const user = async (username: string, more: Record<string, unknown> = {}) => {
    const { body } = await call('users:create', { username, password: 'secret1', ...more });
    const { body: login } = await call('session:login', { username, password: 'secret1' }, null);
    return { id: String(body['id']), token: String(login['token']) };
  };

  it('says who did what to whom, when, from where and by which credential', async () => {
    const { id } = await user('anna', { enforceMFAEnrollment: false, roles: [] });
    const entry = await newest('users:create');
    expect(entry).to.deep.include({ outcome: 'ok', targets: [id], address: '127.0.0.1' });
    expect(entry.actor).to.include({ uuid: adminId, username: 'admin', method: 'access' });
    expect(entry.actor?.credential).to.match(/^[0-9a-f-]{36}$/);
    expect(Math.abs(Date.parse(entry.at) - Date.now())).to.be.below(60_000);
    expect(entry.details).to.include({ username: 'anna' });
    expect(entry.details['given']).to.include('password');
    await call('users:delete', { id });
    expect(await newest('users:delete')).to.deep.include({ outcome: 'ok', targets: [id] });
  });

  it('has good and bad logins, through every door that takes a password', async () => {
    const { id } = await user('bert');
    expect(await newest('session:login')).to.deep.include({ outcome: 'ok', targets: [id] });
    expect((await newest('session:login')).actor).to.include({ uuid: id, username: 'bert' });
    await call('session:login', { username: 'bert', password: 'wrong-one' }, null);
    expect(await newest('session:login')).to.deep.include({ outcome: 'invalid-credentials', targets: [id], actor: null });
    await call('auth:token', { username: 'bert', password: 'secret1' }, null);
    expect(await newest('auth:token')).to.deep.include({ outcome: 'ok', targets: [id] });
    const basic = (secret: string) =>
      fetch(`${url}/api/session`, { headers: { authorization: `Basic ${Buffer.from(`bert:${secret}`).toString('base64')}` } });
    await basic('wrong-one');
    expect(await newest('login:password')).to.deep.include({ outcome: 'invalid-credentials', targets: [id] });
    await basic('secret1');
    await basic('secret1');
    const doors = (await list({ action: 'login:password', target: id })).map(({ outcome }) => outcome);
    expect(doors).to.deep.equal(['ok', 'invalid-credentials']);
  });

  it('has good and bad logins of MQTT clients by their secrets', async () => {
    const { token } = await user('cleo');
    await call('mqttClients:create', { name: 'phone', clientId: 'cleo-phone', key: 'a-good-key' }, token);
    const connecting = { clientId: 'cleo-phone', username: 'cleo' };
    const broker = url.replace('http', 'ws') + '/mqtt';
    expect(await refusalOf(broker, { ...connecting, password: 'a-bad-key' })).to.equal(4);
    const bad = await newest('login:secret');
    expect(bad).to.deep.include({ outcome: 'invalid-credentials', actor: null, address: '127.0.0.1' });
    expect(await refusalOf(broker, { ...connecting, password: 'a-good-key' })).to.equal(0);
    expect(await refusalOf(broker, { ...connecting, password: 'a-good-key' })).to.equal(0);
    const entries = await list({ action: 'login:secret', target: bad.targets[0] });
    expect(entries.map(({ outcome }) => outcome)).to.deep.equal(['ok', 'invalid-credentials']);
    expect(entries[0]?.actor).to.include({ uuid: bad.targets[0] });
    expect(JSON.stringify(entries)).to.not.include('-key');
    await closeClients();
  });

  it('does not write a name that nobody has: it may be a password', async () => {
    await call('session:login', { username: 'my-password-by-mistake', password: 'x' }, null);
    const entry = await newest('session:login');
    expect(entry).to.deep.include({ outcome: 'invalid-credentials', targets: [] });
    expect(JSON.stringify(entry)).to.not.include('by-mistake');
  });

  it('has credentials of devices, and nothing of their ordinary life', async () => {
    const made = await register(url, { meshblu: { version: '2.0.0', whitelists: {} } });
    const lamp = await connectAs(url, made);
    const before = (await list()).length;
    for (let count = 0; count < 5; count += 1) await lamp.ask('update', { uuid: made.uuid, count });
    await lamp.ask('message', { devices: [made.uuid], topic: 'x' });
    expect((await list()).length).to.equal(before);
    await lamp.ask('generateAndStoreToken', { uuid: made.uuid, tag: 'phone', note: 'private' });
    const entry = await newest('generateAndStoreToken');
    expect(entry).to.deep.include({
      outcome: 'ok',
      targets: [made.uuid],
      details: { given: ['uuid', 'tag', 'note'], uuid: made.uuid, tag: 'phone' },
    });
    expect(entry.actor).to.deep.equal({ uuid: made.uuid, credential: `root:${made.uuid}`, method: 'token' });
    lamp.close();
  });

  it('has what was refused, and by whom it was tried', async () => {
    const { id, token } = await user('carl');
    await call('users:delete', { id: adminId }, token);
    expect(await newest('users:delete')).to.deep.include({ outcome: 'forbidden', targets: [adminId] });
    expect((await newest('users:delete')).actor).to.include({ uuid: id, username: 'carl' });
    await call('users:delete', { id: adminId });
    expect(await newest('users:delete')).to.deep.include({ outcome: 'conflict', targets: [adminId] });
    expect((await call('audit:list', {}, token)).outcome).to.equal('forbidden');
    expect((await call('audit:verify', {}, token)).outcome).to.equal('forbidden');
  });

  it('is found by time, actor, target and action, a page at a time', async () => {
    const { id } = await user('dora');
    for (let count = 0; count < 120; count += 1) await call('users:addRole', { id, roleId: 'none' });
    const seen: Entry[] = [];
    let cursor: unknown;
    do {
      const { body } = await call('audit:list', {
        target: id,
        action: 'users:addRole',
        ...(typeof cursor === 'string' && { cursor }),
      });
      seen.push(...(body['entries'] as Entry[]));
      cursor = body['cursor'];
    } while (cursor !== null);
    expect(seen).to.have.lengthOf(120);
    expect(new Set(seen.map((entry) => entry.id)).size).to.equal(120);
    expect(seen.map(({ at }) => at)).to.deep.equal(
      seen
        .map(({ at }) => at)
        .sort()
        .reverse(),
    );
    for (const { outcome, actor } of seen)
      expect({ outcome, uuid: actor?.uuid }).to.deep.equal({ outcome: 'not-found', uuid: adminId });
    const last = seen[0]?.at;
    expect((await list({ target: id, from: last })).every(({ at }) => at >= String(last))).to.equal(true);
    expect(await list({ target: id, to: '2020-01-01T00:00:00.000Z' })).to.deep.equal([]);
    expect((await list({ actor: 'dora' })).map(({ action }) => action)).to.deep.equal(['session:login']);
    expect((await list({ actor: adminId, action: 'users:create' })).length).to.be.above(0);
    for (const input of [{ cursor: 'x' }, { from: 'yesterday' }])
      expect((await call('audit:list', input)).outcome).to.equal('invalid-input');
  });

  it('holds no secret that was given or handed out', async () => {
    const secrets = ['first-password', 'second-password', 'third-password', adminPassword];
    const { body } = await call('users:create', { username: 'erna', password: secrets[0] });
    const { body: login } = await call('session:login', { username: 'erna', password: secrets[0], label: 'pad' }, null);
    const token = String(login['token']);
    await call('users:changePassword', { password: secrets[0], newPassword: secrets[1] }, token);
    await call('users:update', { id: body['id'], password: secrets[2] });
    const { body: pair } = await call('auth:token', { username: 'erna', password: secrets[2] }, null);
    const { body: next } = await call('auth:refresh', { token: pair['token'], refreshToken: pair['refreshToken'] }, null);
    await call('auth:revoke', {}, String(next['token']));
    await call('auth:refresh', { token: pair['token'], refreshToken: pair['refreshToken'] }, null);
    const made = await register(url);
    const device = await connectAs(url, made);
    const { token: session } = await device.ask<{ token: string }>('generateAndStoreToken', { uuid: made.uuid });
    await device.ask('revokeToken', { uuid: made.uuid, token: session });
    const { token: root } = await device.ask<{ token: string }>('resetToken', { uuid: made.uuid });
    device.close();
    const all = JSON.stringify(await list());
    const given = [
      ...secrets,
      token,
      pair['token'],
      pair['refreshToken'],
      next['token'],
      next['refreshToken'],
      made.token,
      session,
      root,
    ];
    for (const secret of given) {
      expect(String(secret).length).to.be.above(8);
      expect(all).to.not.include(String(secret));
    }
    expect(await newest('auth:revoke')).to.deep.include({ outcome: 'ok', targets: [body['id']] });
  });

  describe('after it was tampered with', () => {
    const again = async (): Promise<void> => {
      open(await registries.again({ adminPassword }));
      await logIn();
    };
    const verify = async () => {
      const { body } = await call('audit:verify');
      return body['problems'] as { kind: string; chain: string; number: number }[];
    };
    /** Closes the registry, changes the rows of its newest chain, opens it again and says what it finds. */
    const tampered = async (change: (rows: readonly Row[], store: Store) => Promise<void>) => {
      for (let count = 0; count < 6; count += 1) await call('users:addRole', { id: 'nobody', roleId: 'none' });
      await registry.close();
      await registries.inspect(async (store) => {
        const [newestRow] = await store.collection('audit').find({}).sort({ at: -1, _id: -1 }).limit(1).toArray();
        const rows = await store
          .collection('audit')
          .find({ chain: newestRow?.chain ?? '' })
          .sort({ _id: 1 })
          .toArray();
        await change(rows, store);
      });
      await again();
      return verify();
    };
    const kinds = (problems: readonly { kind: string; number: number }[]) =>
      problems.map(({ kind, number }) => `${kind} ${number}`);
    const renew = async (): Promise<void> => {
      open(await registries.start({ adminPassword }));
      await logIn();
    };
    beforeEach(renew);

    it('finds nothing where nothing was done, over several starts', async () => {
      expect(await tampered(async () => undefined)).to.deep.equal([]);
      expect(await tampered(async () => undefined)).to.deep.equal([]);
    });

    it('finds a changed entry', async () => {
      const problems = await tampered(async (rows, store) => {
        await store.collection('audit').updateOne({ _id: String(rows[3]?._id) }, { $set: { address: '10.0.0.1' } });
      });
      expect(kinds(problems)).to.deep.equal(['changed 4']);
    });

    it('finds an entry that was written anew with hash and all', async () => {
      const problems = await tampered(async (rows, store) => {
        const hash = createHash('sha256').update('made up').digest('base64');
        await store.collection('audit').updateOne({ _id: String(rows[3]?._id) }, { $set: { hash } });
      });
      expect(kinds(problems)).to.deep.equal(['changed 4']);
    });

    it('finds removed entries, in the middle and at the end', async () => {
      const inside = await tampered(async (rows, store) => {
        await store.collection('audit').deleteMany({ _id: { $in: [String(rows[3]?._id), String(rows[4]?._id)] } });
      });
      expect(kinds(inside)).to.deep.equal(['removed 4']);
      await renew();
      let length = 0;
      const end = await tampered(async (rows, store) => {
        length = rows.length;
        await store.collection('audit').deleteOne({ _id: String(rows.at(-1)?._id) });
      });
      expect(kinds(end)).to.include(`removed ${length}`);
    });

    it('finds a chain that is gone as a whole', async () => {
      const problems = await tampered(async (_rows, store) => {
        await store.collection('audit').deleteMany({});
      });
      expect(kinds(problems)).to.deep.equal(['removed 1']);
    });

    it('finds entries that changed places', async () => {
      const problems = await tampered(async (rows, store) => {
        const audit = store.collection('audit');
        const [one, other] = rows.slice(3, 5);
        if (one === undefined || other === undefined) throw new Error('too few rows');
        await audit.deleteMany({ _id: { $in: [one._id, other._id] } });
        await audit.insertMany([
          { ...one, _id: other._id },
          { ...other, _id: one._id },
        ]);
      });
      expect(kinds(problems)).to.deep.equal(['reordered 4', 'reordered 5']);
    });

    it('is examined by the command line, with a registry or without one', async () => {
      const as = { ROLLCALL_URL: url, ROLLCALL_TOKEN: admin };
      const running = await command(['audit', 'verify'], as);
      expect(running.stdout).to.match(/^\d+ entries in 1 chain: nothing was changed, removed or reordered\n$/);
      expect(running.code).to.equal(0);
      await registry.close();
      await registries.inspect(async (store) => {
        await store.collection('audit').updateOne({ number: 2 }, { $set: { address: '10.0.0.1' } });
      });
      const alone = await command(['audit', 'verify'], registries.environment());
      expect(alone.stdout).to.match(/^changed: chain \S+, entry 2: .*\n\d+ entries in 1 chain: 1 found wrong\n$/);
      expect(alone.code).to.equal(1);
    });
  });

  it('is one chain, however many calls come at once', async () => {
    const { id } = await user('fred');
    await Promise.all(Array.from({ length: 60 }, () => call('users:addRole', { id, roleId: 'none' })));
    await until(async () => (await list({ target: id, action: 'users:addRole' })).length === 60);
    expect((await call('audit:verify')).body['problems']).to.deep.equal([]);
  });
});

describe('the audit under kill -9', function () {
  this.timeout(60_000);
  const main = fileURLToPath(import.meta.resolve('@rollcall/server/internal/app/main'));

  it('has an entry for every user that was made, and no entry is lost that others follow', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rollcall-audit-'));
    const child = spawn(process.execPath, [main], {
      env: {
        PATH: process.env['PATH'],
        ROLLCALL_PORT: '0',
        ROLLCALL_DATA_DIR: folder,
        ROLLCALL_ADMIN_PASSWORD: adminPassword,
        ROLLCALL_CALLS_PER_MINUTE: '0',
        ROLLCALL_LOG_LEVEL: 'error',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let printed = '';
    child.stdout.on('data', (text: Buffer) => (printed += text.toString()));
    await until(() => /^rollcall ready (\S+)$/m.test(printed), 20_000);
    const surface = overHttp(/^rollcall ready (\S+)$/m.exec(printed)?.[1] ?? '');
    const { body } = await surface.call(undefined, 'session:login', { username: 'admin', password: adminPassword });
    let made = 0;
    const calls = Array.from({ length: 120 }, async (_, index) => {
      const input = { username: `user${index}`, grantTypes: [{ method: 'certificate', isRequired: false }] };
      if ((await surface.call(String(body['token']), 'users:create', input)).outcome === 'ok') made += 1;
    });
    const all = Promise.allSettled(calls);
    await until(() => made >= 20, 20_000);
    child.kill('SIGKILL');
    await all;
    const { db, close } = await openEmbedded(join(folder, 'rollcall.db'));
    const store: Store = db;
    const others = { kind: 'user' as const, username: { $ne: 'admin' } };
    const users = await store.collection('principals').find(others).toArray();
    const entries = await store.collection('audit').find({ action: 'users:create', outcome: 'begun' }).toArray();
    await close();
    const begun = new Set(entries.map(({ details }) => details['username']));
    expect(users.length).to.be.at.least(20);
    expect(users.map(({ username }) => username).filter((name) => !begun.has(name))).to.deep.equal([]);
    const verified = await command(['audit', 'verify'], { ROLLCALL_DATA_DIR: folder });
    expect(verified.stdout).to.match(/nothing was changed, removed or reordered/);
    await rm(folder, { recursive: true, force: true });
  });
});
