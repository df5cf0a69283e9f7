import { expect } from 'chai';
import { connectAs, connectRaw, register } from '../support/meshblu.ts';
import { until } from '../support/until.ts';
import { overBothSurfaces } from './support/suites.ts';

interface TokenView {
  readonly fingerprint: string;
  readonly label: string;
  readonly expiresAt: string;
}
const hourMs = 3_600_000;

overBothSurfaces('logins and tokens (access control reference, 8, vectors 62 to 73)', ({ call, login, user, name, url }) => {
  const outcomeOf = async (...asked: Parameters<typeof call>): Promise<string> => (await call(...asked)).outcome;
  const attempt = (username: string, password: string, more: Record<string, unknown> = {}) =>
    call('session:login', { username, password, ...more }, null);
  const tokensOf = async (id: string, token?: string): Promise<readonly TokenView[]> =>
    (await call('users:listTokens', { id }, token)).body['tokens'] as TokenView[];

  it('62: the right pair gives a token for a day', async () => {
    const username = name('login');
    await user(username, { initialPermissions: [{ resource: '/x', operation: 'read', context: 'http' }] });
    const { outcome, body } = await attempt(username, 'secret1');
    expect(outcome).to.equal('ok');
    expect(body).to.include({ needsMfa: false, enforceMFAEnrollment: false });
    expect(body).to.not.have.property('secret');
    expect(Date.parse(String(body['expiresAt'])) - Date.now()).to.be.within(24 * hourMs - 60_000, 24 * hourMs + 1_000);
    expect((body['permissions'] as { resource: string }[]).map(({ resource }) => resource)).to.deep.equal(['/x']);
  });

  it('63, 67: whatever is wrong, the answer is the same', async () => {
    const username = name('login');
    await user(username);
    const certain = name('certain');
    await call('users:create', { username: certain, grantTypes: [{ method: 'certificate', isRequired: false }] });
    const disabled = await user(name('disabled'));
    await call('users:update', { id: disabled.id, disabled: true });
    const answers = [
      await attempt(username, 'wrong'),
      await attempt(name('nobody'), 'wrong'),
      await attempt(certain, 'secret1'),
      await attempt(`${username} `, 'secret1'),
    ];
    for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
    expect(answers[0]).to.include({ outcome: 'invalid-credentials' });
  });

  it('64, 65, 66: the caller says how long the token lives, and what it is called', async () => {
    const username = name('label');
    const { id } = await user(username);
    const { body } = await attempt(username, 'secret1', { expireTimeInHours: 1, label: 'ci' });
    expect(Date.parse(String(body['expiresAt'])) - Date.now()).to.be.within(hourMs - 60_000, hourMs + 1_000);
    expect((await tokensOf(id)).map(({ label }) => label)).to.include('ci');
    expect(JSON.stringify(await tokensOf(id))).to.not.include(String(body['token']));
    for (const expireTimeInHours of [0, -1, '1', 100_001]) {
      expect((await attempt(username, 'secret1', { expireTimeInHours })).outcome).to.equal('invalid-input');
    }
    expect((await attempt(username, 'secret1', { expireTimeInHours: 99_999 })).outcome).to.equal('ok');
  });

  it('68: the session says who the caller is and what his roles add up to', async () => {
    const username = name('session');
    const permission = { resource: '/x', operation: 'read', context: 'http' };
    const { body: role } = await call('roles:create', { name: name('role'), permissions: [{ ...permission, resource: '/y' }] });
    const { token } = await user(username, { roles: [role['id']], initialPermissions: [permission] });
    const { body } = await call('session:get', {}, token);
    expect(body).to.deep.include({ username, mfa: { enabled: false, enforced: false } });
    expect((body['permissions'] as { resource: string }[]).map(({ resource }) => resource)).to.have.members(['/x', '/y']);
  });

  it('70, 71, 72: tokens are ended one by one or all, by their user or whoever may', async () => {
    const username = name('tokens');
    const { id, token } = await user(username);
    const other = await login(username, 'secret1');
    const [newest] = await tokensOf(id, token);
    expect(await outcomeOf('users:revokeTokens', { id, tokenId: newest?.fingerprint }, token)).to.equal('ok');
    expect(await outcomeOf('session:get', {}, other)).to.equal('unauthenticated');
    expect(await outcomeOf('session:get', {}, token)).to.equal('ok');
    const stranger = await user(name('stranger'));
    expect(await outcomeOf('users:revokeTokens', { id }, stranger.token)).to.equal('forbidden');
    expect(await outcomeOf('users:listTokens', { id }, stranger.token)).to.equal('forbidden');
    const third = await login(username, 'secret1');
    expect(await outcomeOf('users:revokeTokens', { id }, token)).to.equal('ok');
    for (const ended of [token, third]) expect(await outcomeOf('session:get', {}, ended)).to.equal('unauthenticated');
    expect(await tokensOf(id)).to.deep.equal([]);
  });

  it('who logs out ends his own login and no other', async () => {
    const username = name('logout');
    const { token } = await user(username);
    const other = await login(username, 'secret1');
    expect(await outcomeOf('session:logout', {}, token)).to.equal('ok');
    expect(await outcomeOf('session:get', {}, token)).to.equal('unauthenticated');
    expect(await outcomeOf('session:get', {}, other)).to.equal('ok');
  });

  it('after ten failures a name is locked for that address, also for the right password', async () => {
    const username = name('locked');
    await user(username);
    for (let count = 0; count < 10; count += 1) {
      expect((await attempt(username, 'wrong')).outcome).to.equal('invalid-credentials');
    }
    expect((await attempt(username, 'secret1')).outcome).to.equal('banned');
    const unknown = name('unknown');
    for (let count = 0; count < 10; count += 1) await attempt(unknown, 'wrong');
    expect((await attempt(unknown, 'wrong')).outcome).to.equal('banned');
  });

  it('a token logs in a socket, in the handshake or later, and the socket ends with it', async () => {
    const username = name('socket');
    const { id, token } = await user(username);
    const raw = await connectRaw(url());
    raw.socket.emit('identity', { token });
    await until(() => raw.got('ready').length > 0);
    expect(raw.got('ready')[0]).to.include({ uuid: id, token });
    expect(await raw.ask('whoami', {})).to.include({ uuid: id, type: 'user' });
    const [info] = await tokensOf(id);
    expect(await outcomeOf('users:revokeTokens', { id, tokenId: info?.fingerprint })).to.equal('ok');
    await until(() => raw.got('notReady').length > 0);
    expect(raw.got('notReady')[0]).to.include({ status: 401 });
    await until(() => raw.socket.disconnected);
  });

  it('invariant 2: whitelists and roles are two grants of one decision on devices', async () => {
    const { id, token } = await user(name('grants'));
    const lamp = await register(url(), { meshblu: { version: '2.0.0', whitelists: { configure: { update: [{ uuid: id }] } } } });
    const owner = await connectAs(url(), lamp);
    const make = () => outcomeOf('generateAndStoreToken', { uuid: lamp.uuid }, token);
    expect(await make()).to.equal('ok');
    await owner.ask('update', { uuid: lamp.uuid, 'meshblu.whitelists.configure.update': [] });
    expect(await make()).to.equal('forbidden');
    const tokens = [{ resource: '/devices/+/tokens', operation: 'write', context: 'http' }];
    await call('users:update', { id, permissions: tokens });
    expect(await make()).to.equal('ok');
    expect(await outcomeOf('device', { uuid: lamp.uuid }, token)).to.equal('forbidden');
    await call('users:update', { id, permissions: [{ resource: `/devices/${lamp.uuid}`, operation: 'read', context: 'http' }] });
    expect(await outcomeOf('device', { uuid: lamp.uuid }, token)).to.equal('ok');
    expect(await make()).to.equal('forbidden');
    owner.close();
  });

  it('a role finds the devices that it lets somebody read, and no others', async () => {
    const lamp = await register(url(), { type: 'by-role', meshblu: { version: '2.0.0', whitelists: {} } });
    const { id, token } = await user(name('finds'));
    const found = async (): Promise<string[]> => {
      const { body } = await call('devices', { type: 'by-role' }, token);
      return (body['devices'] as { uuid: string }[]).map(({ uuid }) => uuid);
    };
    expect(await found()).to.deep.equal([]);
    for (const resource of [`/devices/${lamp.uuid}`, '/devices/+']) {
      await call('users:update', { id, permissions: [{ resource, operation: 'read', context: 'http' }] });
      expect(await found()).to.include(lamp.uuid);
    }
    await call('users:update', { id, permissions: [{ resource: '/devices/+/tokens', operation: 'read', context: 'http' }] });
    expect(await found()).to.deep.equal([]);
  });

  it('invariant 3: a disabled user is out at once, everywhere', async () => {
    const username = name('disabled');
    const { id, token } = await user(username);
    const pair = (await call('auth:token', { username, password: 'secret1' }, null)).body;
    const raw = await connectRaw(url());
    raw.socket.emit('identity', { token });
    await until(() => raw.got('ready').length > 0);
    expect(await outcomeOf('users:update', { id, disabled: true })).to.equal('ok');
    await until(() => raw.socket.disconnected);
    expect(await outcomeOf('session:get', {}, token)).to.equal('unauthenticated');
    expect((await attempt(username, 'secret1')).outcome).to.equal('invalid-credentials');
    const given = { token: pair['token'], refreshToken: pair['refreshToken'] };
    expect(await outcomeOf('auth:refresh', given, null)).to.equal('unauthenticated');
    expect(await outcomeOf('users:update', { id, disabled: false })).to.equal('ok');
    expect(await outcomeOf('session:get', {}, token)).to.equal('ok');
  });

  it('invariant 4, 5: nothing that a device may change or find is security state', async () => {
    const username = name('plain');
    const { id, token } = await user(username);
    const raw = await connectRaw(url());
    raw.socket.emit('identity', { token });
    await until(() => raw.got('ready').length > 0);
    const { body: before } = await call('session:get', {}, token);
    await raw.ask('update', {
      uuid: id,
      roles: ['admin'],
      username: 'admin',
      mfa: { state: 'on' },
      roleIds: ['x'],
      state: 'active',
    });
    expect(await raw.ask('whoami', {})).to.deep.include({ roles: ['admin'], username: 'admin' });
    expect((await call('session:get', {}, token)).body).to.deep.equal(before);
    const everything = JSON.stringify(await raw.ask('devices', {}));
    expect(everything).to.include(id).and.to.not.include(username).and.to.not.include('loginName').and.to.not.include('bcrypt');
    raw.close();
  });

  it('a whitelist of a user leads to his device, and never to his roles', async () => {
    const { body: found } = await call('users:list', { usernames: ['admin'] });
    const [admin] = found['users'] as { id: string }[];
    const friend = await user(name('friend'));
    const lists = {
      'meshblu.whitelists': {
        configure: { update: [{ uuid: friend.id }], as: [{ uuid: friend.id }] },
        discover: { view: [{ uuid: friend.id }] },
      },
    };
    await call('update', { uuid: admin?.id, ...lists });
    expect(await outcomeOf('device', { uuid: admin?.id }, friend.token)).to.equal('ok');
    expect(await outcomeOf('generateAndStoreToken', { uuid: admin?.id }, friend.token)).to.equal('forbidden');
    expect(await outcomeOf('resetToken', { uuid: admin?.id }, friend.token)).to.equal('forbidden');
    expect(await outcomeOf('unregister', { uuid: admin?.id }, friend.token)).to.equal('forbidden');
    expect(await outcomeOf('users:list', {}, friend.token)).to.equal('forbidden');
    const raw = await connectRaw(url());
    raw.socket.emit('identity', { token: friend.token });
    await until(() => raw.got('ready').length > 0);
    expect(await raw.ask('users:list', {}, { as: admin?.id })).to.include({ code: 'forbidden' });
    raw.close();
    await call('update', { uuid: admin?.id, 'meshblu.whitelists': {} });
  });

  it("invariant 12: a user's device goes with its user, if whoever removes it may remove users", async () => {
    const username = name('leaves');
    const { id, token } = await user(username);
    expect(await outcomeOf('unregister', { uuid: id }, token)).to.equal('forbidden');
    expect(await outcomeOf('session:get', {}, token)).to.equal('ok');
    expect(await outcomeOf('unregister', { uuid: id })).to.equal('ok');
    expect(await outcomeOf('session:get', {}, token)).to.equal('unauthenticated');
    expect(await outcomeOf('users:get', { id })).to.equal('not-found');
    expect((await attempt(username, 'secret1')).outcome).to.equal('invalid-credentials');
  });

  it("Meshblu tokens of a user's device are among his tokens, with his roles, and end with his password", async () => {
    const username = name('meshblu');
    const reading = [{ resource: '/api/listUsers', operation: 'read', context: 'http' }];
    const { id, token } = await user(username, { initialPermissions: reading });
    const { body: made } = await call('generateAndStoreToken', { uuid: id }, token);
    const device = await connectAs(url(), { uuid: id, token: String(made['token']) });
    expect(await device.ask('users:list', {}, {})).to.include.keys('users');
    expect((await tokensOf(id)).map(({ label }) => label)).to.have.members(['meshblu', '']);
    await call('users:changePassword', { password: 'secret1', newPassword: 'secret2' }, token);
    await until(() => device.socket.disconnected);
    expect(await outcomeOf('session:get', {}, token)).to.equal('ok');
  });
});
