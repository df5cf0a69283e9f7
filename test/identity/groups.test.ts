import { expect } from 'chai';
import { connectAs, type MeshbluSocket } from '../support/meshblu.ts';
import { until } from '../support/until.ts';
import { overBothSurfaces } from './support/suites.ts';

const lists = (...uuids: string[]) => {
  const entries = uuids.map((uuid) => ({ uuid }));
  return {
    meshblu: { version: '2.0.0', whitelists: { discover: { view: entries }, configure: { update: entries } } },
  };
};

overBothSurfaces('groups (DM-5, DM-9)', ({ call, user, name, url }) => {
  const group = async (...uuids: string[]): Promise<{ readonly uuid: string; readonly name: string }> => {
    const wanted = name('GROUP.');
    const { outcome, body } = await call('register', { type: 'group', name: wanted, ...lists(...uuids) });
    expect(outcome).to.equal('ok');
    return { uuid: String(body['uuid']), name: wanted };
  };
  const outcomeOf = async (event: string, input: Record<string, unknown>, token?: string) =>
    (await call(event, input, token)).outcome;

  it('no two of them have the same name, by whatever way they get it', async () => {
    const first = await group();
    expect(await outcomeOf('register', { type: 'group', name: first.name })).to.equal('conflict');
    const { body } = await call('register', { name: first.name });
    expect(await outcomeOf('update', { uuid: body['uuid'], type: 'group' })).to.equal('conflict');
    expect(await outcomeOf('unregister', { uuid: first.uuid })).to.equal('ok');
    expect(await outcomeOf('update', { uuid: body['uuid'], type: 'group' })).to.equal('ok');
  });

  it('a group is made by callers with an identity who may write its path, or administer it (S8)', async () => {
    const wanted = name('PLANT.');
    const resource = `/groups/${wanted}`;
    const stranger = await user(name('stranger'));
    const planner = await user(name('planner'), { initialPermissions: [{ resource, operation: 'write', context: 'http' }] });
    const input = { type: 'group', name: wanted };
    expect((await call('register', input, null)).outcome).to.equal('unauthenticated');
    expect(await outcomeOf('register', input, stranger.token)).to.equal('forbidden');
    // Nor by a device that becomes a group later.
    const own = await call('register', { name: wanted, ...lists(stranger.id) }, stranger.token);
    expect(await outcomeOf('update', { uuid: own.body['uuid'], type: 'group' }, stranger.token)).to.equal('forbidden');
    const nameless = await call('register', { type: 'group', ...lists(stranger.id) }, stranger.token);
    expect(await outcomeOf('update', { uuid: nameless.body['uuid'], name: wanted }, stranger.token)).to.equal('forbidden');
    expect(await outcomeOf('register', { ...input, name: `${wanted}.OTHER` }, planner.token)).to.equal('forbidden');
    expect(await outcomeOf('register', input, planner.token)).to.equal('ok');
  });

  it('a group is taken over by callers who may write its path; then its tokens and lists are theirs alone (S8)', async () => {
    const stranger = await user(name('stranger'));
    const group1 = await group(stranger.id);
    const resource = `/groups/${group1.name}`;
    const planner = await user(name('planner'), { initialPermissions: [{ resource, operation: 'write', context: 'http' }] });
    const { uuid } = group1;
    const token = await call('generateAndStoreToken', { uuid }, stranger.token);
    expect(token.outcome).to.equal('ok');
    expect(await outcomeOf('claimdevice', { uuid }, stranger.token)).to.equal('forbidden');
    expect(await outcomeOf('claimdevice', { uuid }, planner.token)).to.equal('ok');
    const { body } = await call('device', { uuid }, planner.token);
    expect((body['device'] ?? body) as object).to.deep.include({ owner: planner.id, name: group1.name });
    expect(await outcomeOf('update', { uuid, x: 1 }, stranger.token)).to.equal('forbidden');
    const shown = await call('authenticate', { uuid, token: token.body['token'] }, null);
    expect(shown.outcome !== 'ok' || shown.body['authentication'] === false).to.equal(true);
    expect(await outcomeOf('generateAndStoreToken', { uuid }, planner.token)).to.equal('ok');
  });

  it('a list that names a group names its members, until they leave it', async () => {
    const { uuid } = await group();
    const member = await user(name('member'), { group: uuid });
    const { body } = await call('register', { type: 'lamp', ...lists(uuid) });
    const lamp = String(body['uuid']);
    expect((await call('users:get', { id: member.id })).body['group']).to.equal(uuid);
    expect(await outcomeOf('device', { uuid: lamp }, member.token)).to.equal('ok');
    const found = (await call('devices', { type: 'lamp' }, member.token)).body['devices'] as { uuid: string }[];
    expect(found.map((one) => one.uuid)).to.deep.equal([lamp]);
    const root = (await call('users:get', { id: (await user(name('other'))).id })).body['group'];
    expect(await outcomeOf('users:update', { id: member.id, group: root })).to.equal('ok');
    expect(await outcomeOf('device', { uuid: lamp }, member.token)).to.equal('forbidden');
  });

  it('messages reach and leave members by lists that name their group', async () => {
    const { uuid } = await group();
    const member = await user(name('member'), { group: uuid });
    const made = await call('register', {
      meshblu: {
        version: '2.0.0',
        whitelists: { message: { from: [{ uuid }] }, broadcast: { sent: [{ uuid }] } },
      },
    });
    const lamp: MeshbluSocket = await connectAs(url(), made.body as { uuid: string; token: string });
    try {
      expect(await outcomeOf('message', { devices: [lamp.uuid], topic: 'hello' }, member.token)).to.equal('ok');
      await until(() => lamp.got('message').length > 0);
    } finally {
      lamp.close();
    }
  });

  it('only whoever may change a group puts somebody into it', async () => {
    const { uuid } = await group();
    const writer = { initialPermissions: [{ resource: '/api/users/#', operation: 'readWrite', context: 'http' }] };
    const helper = await user(name('helper'), writer);
    const newUser = () => ({ username: name('member'), password: 'secret1', group: uuid });
    expect(await outcomeOf('users:create', newUser(), helper.token)).to.equal('invalid-input');
    expect(await outcomeOf('users:create', newUser())).to.equal('ok');
    expect(await outcomeOf('users:create', { ...newUser(), group: helper.id })).to.equal('invalid-input');
  });

  it('9: one that has members or devices stays, unless they go with it', async () => {
    const { uuid } = await group();
    const member = await user(name('member'), { group: uuid });
    const { body } = await call('register', { owner: uuid, ...lists() });
    expect(await outcomeOf('unregister', { uuid })).to.equal('conflict');
    expect(await outcomeOf('device', { uuid })).to.equal('ok');
    expect(await outcomeOf('unregister', { uuid, cascade: true })).to.equal('ok');
    expect(await outcomeOf('device', { uuid })).to.equal('forbidden');
    expect(await outcomeOf('device', { uuid: body['uuid'] })).to.equal('forbidden');
    expect(await outcomeOf('users:get', { id: member.id })).to.equal('not-found');
  });

  it('12: whoever may configure a group may not therefore remove it', async () => {
    const helper = await user(name('helper'));
    const { uuid } = await group(helper.id);
    expect(await outcomeOf('update', { uuid, colour: 'red' }, helper.token)).to.equal('ok');
    expect(await outcomeOf('unregister', { uuid }, helper.token)).to.equal('forbidden');
    expect(await outcomeOf('update', { uuid, type: 'lamp' }, helper.token)).to.equal('ok');
    expect(await outcomeOf('unregister', { uuid }, helper.token)).to.equal('forbidden');
  });

  it('the group of all who have no other stays', async () => {
    const { id } = await user(name('member'));
    const { group: uuid } = (await call('users:get', { id })).body;
    expect(await outcomeOf('unregister', { uuid, cascade: true })).to.equal('conflict');
  });
});
