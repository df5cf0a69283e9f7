import { expect } from 'chai';
import { connectAs, register } from '../support/meshblu.ts';
import { overBothSurfaces } from '../identity/support/suites.ts';

interface Answer {
  readonly allowed: boolean;
  readonly by: Readonly<Record<string, unknown>> | null;
  readonly change: readonly Readonly<Record<string, unknown>>[] | null;
}

overBothSurfaces('permissions:explain (issue: access control; ME-12)', ({ call, user, name, url }) => {
  const ask = async (actor: string, action: string, target?: string): Promise<Answer> => {
    const { outcome, body } = await call('permissions:explain', { actor, action, ...(target !== undefined && { target }) });
    expect(outcome, JSON.stringify(body)).to.equal('ok');
    return body as unknown as Answer;
  };
  const outcomeOf = async (...asked: Parameters<typeof call>): Promise<string> => (await call(...asked)).outcome;
  const reading = (resource: string, operation = 'read') => ({ resource, operation, context: 'http' });

  it('names the entry of a list, and what would take its effect away or give it', async () => {
    const { id } = await user(name('listed'));
    const lists = { discover: { view: [{ uuid: id }] }, configure: { update: [{ uuid: '*' }] } };
    const { uuid } = await register(url(), { meshblu: { version: '2.0.0', whitelists: lists } });
    expect(await ask(id, 'discover.view', uuid)).to.deep.equal({
      allowed: true,
      by: { kind: 'whitelist', list: 'discover.view', path: 'meshblu.whitelists.discover.view', entry: id },
      change: [{ kind: 'remove-entry', device: uuid, path: 'meshblu.whitelists.discover.view', entry: id }],
    });
    expect((await ask(id, 'configure.update', uuid)).by).to.include({ entry: '*' });
    expect(await ask(id, 'message.from', uuid)).to.deep.equal({
      allowed: false,
      by: null,
      change: [{ kind: 'add-entry', device: uuid, path: 'meshblu.whitelists.message.from', entry: id }],
    });
    expect(await ask(uuid, 'configure.update', uuid)).to.deep.equal({ allowed: true, by: { kind: 'self' }, change: null });
  });

  it('names the role and the permission of it, and takes nothing from others who hold the role', async () => {
    const { body: role } = await call('roles:create', { name: name('role'), permissions: [reading('/api/users/#')] });
    const { id } = await user(name('viewer'), { roles: [role['id']], initialPermissions: [reading('/api/roles')] });
    const answer = await ask(id, `GET /api/users/${id}`);
    expect(answer.allowed).to.equal(true);
    expect(answer.by).to.deep.include({ kind: 'role', roleId: role['id'] });
    expect(answer.by?.['permission']).to.include(reading('/api/users/#'));
    expect(answer.change).to.deep.equal([{ kind: 'take-role', user: id, roleId: role['id'] }]);
    const [step] = (await ask(id, 'GET /api/roles')).change ?? [];
    expect(step).to.include({ kind: 'remove-permission' });
    expect(await ask(id, 'POST /api/users')).to.deep.equal({
      allowed: false,
      by: null,
      change: [{ kind: 'add-permission', user: id, permission: reading('/api/users', 'write') }],
    });
    expect((await ask(id, 'GET /api/session')).by).to.deep.equal({ kind: 'identity' });
    expect((await ask(id, 'POST /api/login')).by).to.deep.equal({ kind: 'public' });
    expect((await ask(id, `GET /api/users/${id}/tokens`)).by).to.deep.equal({ kind: 'self' });
  });

  it('says what enforcement does, by list and by role, before and after its own change is made', async () => {
    const lamp = await register(url(), { meshblu: { version: '2.0.0', whitelists: {} } });
    const owner = await connectAs(url(), lamp);
    const { id, token } = await user(name('asks'));
    const action = `POST /devices/${lamp.uuid}/tokens`;
    const agree = async (): Promise<Answer> => {
      const answer = await ask(id, action);
      const outcome = await outcomeOf('generateAndStoreToken', { uuid: lamp.uuid }, token);
      expect(outcome).to.equal(answer.allowed ? 'ok' : 'forbidden');
      return answer;
    };
    expect((await agree()).change).to.deep.equal([
      { kind: 'add-entry', device: lamp.uuid, path: 'meshblu.whitelists.configure.update', entry: id },
    ]);
    await owner.ask('update', { uuid: lamp.uuid, 'meshblu.whitelists.configure.update': [{ uuid: id }] });
    expect((await agree()).by).to.include({ kind: 'whitelist', entry: id });
    await call('users:update', { id, permissions: [reading('/devices/+/tokens', 'write')] });
    expect((await agree()).change?.map(({ kind }) => kind)).to.deep.equal(['remove-entry', 'remove-permission']);
    await owner.ask('update', { uuid: lamp.uuid, 'meshblu.whitelists.configure.update': [] });
    expect((await agree()).by).to.include({ kind: 'role' });
    await call('users:update', { id, permissions: [] });
    expect((await agree()).by).to.equal(null);
    owner.close();
  });

  it('knows who may not be here at all', async () => {
    const { id } = await user(name('asleep'), { initialPermissions: [reading('/api/roles')] });
    await call('users:update', { id, disabled: true });
    expect(await ask(id, 'GET /api/roles')).to.deep.equal({ allowed: false, by: null, change: [{ kind: 'enable', user: id }] });
    expect((await ask(id, 'GET /api/users')).change?.map(({ kind }) => kind)).to.deep.equal(['enable', 'add-permission']);
    expect((await ask(id, 'GET /status')).allowed).to.equal(true);
  });

  it('knows that what belongs to a user is worth as much as he', async () => {
    const { id, token } = await user(name('landlord'));
    await call('mqttClients:create', { name: 'phone', clientId: name('client'), key: 'a-good-key' }, token);
    const { body } = await call('devices', { type: 'mqtt-client' });
    const record = String((body['devices'] as { uuid: string }[])[0]?.uuid);
    const lists = { discover: { view: [{ uuid: record }] } };
    const { uuid } = await register(url(), { meshblu: { version: '2.0.0', whitelists: lists } });
    expect((await ask(record, 'discover.view', uuid)).allowed).to.equal(true);
    await call('users:update', { id, disabled: true });
    expect(await ask(record, 'discover.view', uuid)).to.deep.equal({
      allowed: false,
      by: null,
      change: [{ kind: 'enable', user: id }],
    });
  });

  it('takes a login name for an actor, gives no roles to things, and refuses what is no question', async () => {
    const username = name('named');
    const { id, token } = await user(username);
    expect(await ask(username, 'GET /api/roles')).to.deep.equal(await ask(id, 'GET /api/roles'));
    const { uuid } = await register(url());
    expect(await ask(uuid, 'GET /api/roles')).to.deep.equal({ allowed: false, by: null, change: null });
    expect(await ask(id, 'configure.update', 'nobody')).to.deep.equal({ allowed: false, by: null, change: null });
    for (const action of ['fly', 'GET /nowhere', 'FETCH /api/roles', '/api/roles', 'GET /api/users/a%2Fb', 'configure.update']) {
      expect(await outcomeOf('permissions:explain', { actor: id, action }), action).to.equal('invalid-input');
    }
    expect(await outcomeOf('permissions:explain', { actor: 'nobody', action: 'GET /api/roles' })).to.equal('not-found');
    expect(await outcomeOf('permissions:explain', { actor: id, action: 'GET /api/roles' }, token)).to.equal('forbidden');
    await call('users:update', { id, permissions: [reading('/api/permissions/explain')] });
    expect(await outcomeOf('permissions:explain', { actor: id, action: 'GET /api/roles' }, token)).to.equal('ok');
  });
});
