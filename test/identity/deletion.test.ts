import { expect } from 'chai';
import type { Store } from '@rollcall/server/internal/data/store';
import { connectMqtt } from '../mqtt/support/client.ts';
import { connectAs, connectRaw } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { overBothSurfaces } from './support/suites.ts';
import { adminPassword, stewardOf, type Steward } from './support/steward.ts';

const lists = (...uuids: string[]) => {
  const entries = uuids.map((uuid) => ({ uuid }));
  return { meshblu: { version: '2.0.0', whitelists: { discover: { view: entries }, configure: { update: entries } } } };
};

overBothSurfaces('deleting things wholly (DM-9)', ({ call, user, login, name, url }) => {
  const outcomeOf = async (event: string, input: Record<string, unknown>, token?: string) =>
    (await call(event, input, token)).outcome;
  const administratorRole = async (): Promise<unknown> =>
    ((await call('roles:list', { name: 'registry-admin' })).body['roles'] as { id: string }[])[0]?.id;

  it('10: a user goes with his logins, his tokens, his client records and his own role, on every connection', async () => {
    const username = name('mike');
    const { id, token } = await user(username, {
      initialPermissions: [{ resource: '/mine', operation: 'read', context: 'http' }],
    });
    const { body: made } = await call('generateAndStoreToken', { uuid: id });
    const meshblu = await connectAs(url(), { uuid: id, token: String(made['token']) });
    const session = await connectRaw(url());
    session.socket.emit('identity', { token, auto_set_online: false });
    await until(() => session.got('ready').length > 0);
    const clientId = name('client');
    expect(await outcomeOf('mqttClients:create', { name: 'one', clientId, key: 'a-good-key' }, token)).to.equal('ok');
    const broker = url().replace('http', 'ws') + '/mqtt';
    const client = await connectMqtt(broker, { clientId, username, password: 'a-good-key' });

    expect(await outcomeOf('users:delete', { id })).to.equal('ok');
    await Promise.all([client.closed(), until(() => meshblu.socket.disconnected && session.socket.disconnected)]);
    expect(await connectAs(url(), { uuid: id, token: meshblu.token }).catch((error: Error) => error.message)).to.include('401');
    const back = await connectMqtt(broker, { clientId, username, password: 'a-good-key' }).then(
      () => 'connected',
      () => 'refused',
    );
    expect(back).to.equal('refused');
    const usage = (await call('permissions:page', { rowsPerPage: 1000 })).body['permissions'] as { resource: string }[];
    expect(usage.map(({ resource }) => resource)).to.not.include('/mine');
    const own = (await call('roles:page', { isShared: false, rowsPerPage: 1000 })).body['roles'] as { name: string }[];
    expect(own.map((role) => role.name)).to.not.include(`user:${id}`);
  });

  it('10: what he owned keeps its owner, lists keep his uuid, and nobody gets it again', async () => {
    const username = name('owner');
    const { id, token } = await user(username);
    const { body: lamp } = await call('register', { type: 'lamp', owner: id, ...lists(id) }, token);
    const { body: witness } = await call('register', { type: 'witness' });
    const list = { 'meshblu.whitelists.discover.view': [{ uuid: id }, { uuid: witness['uuid'] }] };
    expect(await outcomeOf('update', { uuid: lamp['uuid'], ...list }, token)).to.equal('ok');
    expect(await outcomeOf('users:delete', { id })).to.equal('ok');
    const eyes = await connectAs(url(), { uuid: String(witness['uuid']), token: String(witness['token']) });
    const { device } = await eyes.ask<{ device: Record<string, unknown> }>('device', { uuid: lamp['uuid'] });
    eyes.close();
    expect(device).to.include({ owner: id });
    expect(device['meshblu']).to.have.nested.property('whitelists.discover.view').that.deep.includes({ uuid: id });
    const again = await user(username);
    expect(again.id).to.not.equal(id);
    expect(await outcomeOf('register', { uuid: id, type: 'thief' })).to.equal('ok');
    expect(await outcomeOf('device', { uuid: id })).to.equal('forbidden');
  });

  it('12: a device goes with its tokens, and with its principal and credentials if it has some', async () => {
    const { body: thing } = await call('register', { type: 'thing' });
    const { uuid, token } = { uuid: String(thing['uuid']), token: String(thing['token']) };
    const own = await connectAs(url(), { uuid, token });
    const { token: second } = await own.ask<{ token: string }>('generateAndStoreToken', { uuid });
    expect(await own.ask('unregister', { uuid })).to.deep.equal({ uuid });
    await until(() => own.socket.disconnected);
    for (const shown of [token, second])
      expect(await connectAs(url(), { uuid, token: shown }).catch((error: Error) => error.message)).to.include('401');

    const username = name('device');
    const { id, token: access } = await user(username);
    expect(await outcomeOf('unregister', { uuid: id })).to.equal('ok');
    expect(await outcomeOf('session:get', {}, access)).to.equal('unauthenticated');
    expect(await outcomeOf('users:get', { id })).to.equal('not-found');
    expect(await login(username, 'secret1').catch(() => 'refused')).to.equal('refused');
    expect((await user(username)).id).to.not.equal(id);
  });

  it('12: a list that lets somebody configure a user does not let him remove that user, a role does', async () => {
    const { id } = await user(name('target'));
    const helper = await user(name('helper'));
    expect(await outcomeOf('update', { uuid: id, ...lists(helper.id) })).to.equal('ok');
    expect(await outcomeOf('update', { uuid: id, colour: 'red' }, helper.token)).to.equal('ok');
    expect(await outcomeOf('unregister', { uuid: id }, helper.token)).to.equal('forbidden');
    const permissions = [{ resource: `/api/users/${id}`, operation: 'write', context: 'http' }];
    expect(await outcomeOf('users:update', { id: helper.id, permissions })).to.equal('ok');
    expect(await outcomeOf('unregister', { uuid: id }, helper.token)).to.equal('ok');
    expect(await outcomeOf('users:get', { id })).to.equal('not-found');
  });

  it('the last administrators do not go, by whatever way, and nothing of what was asked for is done', async () => {
    const role = await administratorRole();
    const { body: group } = await call('register', { type: 'group', name: name('GROUP.'), ...lists() });
    const boss = await user(name('boss'), { roles: [role], group: group['uuid'] });
    const bystander = await user(name('bystander'), { group: group['uuid'] });
    const { id: admin } = ((await call('users:list', { usernames: ['admin'] })).body['users'] as { id: string }[])[0] ?? {
      id: '',
    };
    const { body: before } = await call('users:get', { id: admin });
    expect(await outcomeOf('users:update', { id: admin, group: group['uuid'] }, boss.token)).to.equal('ok');

    expect(await outcomeOf('unregister', { uuid: group['uuid'], cascade: true }, boss.token)).to.equal('conflict');
    expect(await outcomeOf('users:deleteBatch', { ids: [bystander.id, boss.id, admin] }, boss.token)).to.equal('conflict');
    for (const id of [boss.id, bystander.id, admin]) expect(await outcomeOf('users:get', { id })).to.equal('ok');
    expect(await outcomeOf('device', { uuid: group['uuid'] }, boss.token)).to.equal('ok');

    expect(await outcomeOf('users:update', { id: admin, group: before['group'] })).to.equal('ok');
    expect(await outcomeOf('unregister', { uuid: group['uuid'], cascade: true })).to.equal('ok');
    for (const id of [boss.id, bystander.id]) expect(await outcomeOf('users:get', { id })).to.equal('not-found');
    expect(await outcomeOf('users:delete', { id: admin })).to.equal('conflict');
    expect(await outcomeOf('unregister', { uuid: admin })).to.equal('conflict');
  });
});

onBothStores('what a crash leaves of a removal', (registries) => {
  const ago = 7_200_000;
  const lone = {
    tenant: 'x',
    autoGenerated: false,
    identityProvider: 'local',
    grantTypes: [],
    roleIds: [],
    mqttPublishPrefix: '',
  };

  it('is removed at the next start: of a user, of whoever he owned, and of a group', async () => {
    const first = await registries.start({ adminPassword });
    const setUp = stewardOf(() => first.url);
    const made = async (body: object): Promise<string> =>
      ((await setUp.ask('POST', '/api/users', body)).body as { id: string }).id;
    const groupUuid = ((await setUp.ask('POST', '/devices', { type: 'group', name: 'crowd' })).body as { uuid: string }).uuid;
    const doomed = await made({
      username: 'doomed',
      password: 'secret1',
      initialPermissions: [{ resource: '/x', operation: 'read', context: 'http' }],
    });
    const member = await made({ username: 'member', password: 'secret1', group: groupUuid });
    const stays = await made({ username: 'stays', password: 'secret1' });
    await first.close();

    await registries.inspect(async (store: Store) => {
      const at = new Date(Date.now() - ago);
      const principals = store.collection('principals');
      await principals.insertOne({
        ...lone,
        _id: 'a-record',
        kind: 'mqttClient',
        state: 'active',
        owner: doomed,
        mqtt: { clientId: 'left-over', recordId: 'f'.repeat(24) },
        createdAt: at,
        updatedAt: at,
      } as never);
      const row = await principals.findOne({ _id: doomed });
      const { loginName: _name, username: _shown, ...rest } = row!;
      const hidden = { rev: 1, shown: 1, ...row!._rollcall };
      await principals.replaceOne({ _id: doomed }, {
        ...rest,
        unfinished: { since: at },
        _rollcall: { ...hidden, rev: hidden.rev + 1, gone: { at: at.getTime(), by: stays } },
      } as never);
      const group = await store.collection('devices').findOne({ uuid: groupUuid });
      const { group: _group, ...marks } = { ...group!._rollcall! };
      await store.collection('devices').replaceOne(
        { uuid: groupUuid },
        {
          ...group!,
          _rollcall: { ...marks, rev: marks.rev + 1, wasGroup: true, gone: { at: at.getTime(), by: stays } },
        },
      );
    });

    const second = await registries.again({ adminPassword });
    const admin: Steward = stewardOf(() => second.url);
    const status = async (id: string): Promise<number> => (await admin.ask('GET', `/api/users/${id}`)).status;
    await until(async () => (await status(member)) === 404, 20_000);
    expect(await status(doomed)).to.equal(404);
    expect(await status(stays)).to.equal(200);
    await until(async () => {
      const { body } = await admin.ask('GET', '/api/roles/page?isShared=false&rowsPerPage=100&pageNumber=1');
      return (body as { roles: { name: string }[] }).roles.every((role) => role.name !== `user:${doomed}`);
    }, 20_000);
    expect((await admin.ask('POST', '/api/users', { username: 'doomed', password: 'secret1' })).status).to.equal(201);
    await second.close();
    await registries.inspect(async (store: Store) => {
      const left = await store
        .collection('devices')
        .find({ uuid: { $in: [doomed, member] } })
        .toArray();
      for (const { _rollcall: hidden } of left) expect(hidden?.gone).to.be.an('object');
      expect(await store.collection('devices').findOne({ uuid: groupUuid })).to.equal(null);
      const record = await store.collection('principals').findOne({ _id: 'a-record' });
      expect(record?._rollcall?.gone).to.be.an('object');
      for (const { _rollcall: hidden } of await store.collection('credentials').find({ uuid: doomed }).toArray())
        expect(hidden?.gone).to.be.an('object');
    });
  });
});
