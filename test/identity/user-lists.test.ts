import { expect } from 'chai';
import { onTwoNodes } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { overBothSurfaces } from './support/suites.ts';
import { overHttp } from './support/surfaces.ts';

interface Shown {
  readonly tokens: readonly { readonly fingerprint: string; readonly label: string }[];
  readonly certificates: readonly unknown[];
}

overBothSurfaces('what is kept of a user', ({ call, login, user, name }) => {
  const shown = async (id: string): Promise<Shown> => (await call('users:get', { id })).body as unknown as Shown;

  it('shows every login and its end at once, and a token no longer than it lives', async () => {
    const username = name('kept');
    const { id } = await user(username);
    expect((await shown(id)).tokens).to.have.lengthOf(1);
    const second = await login(username, 'secret1');
    expect((await shown(id)).tokens).to.have.lengthOf(2);
    expect((await call('session:logout', {}, second)).outcome).to.equal('ok');
    expect((await shown(id)).tokens).to.have.lengthOf(1);
    const short = { username, password: 'secret1', expireTimeInHours: 3 / 3600, label: 'short' };
    await call('session:login', short, null);
    expect((await shown(id)).tokens.map(({ label }) => label)).to.include('short');
    await until(async () => !(await shown(id)).tokens.some(({ label }) => label === 'short'));
    expect((await call('users:revokeTokens', { id })).outcome).to.equal('ok');
    expect((await shown(id)).tokens).to.deep.equal([]);
  });

  it('shows the tokens of his device, his certificates and his roles as they are', async () => {
    const { id, token } = await user(name('kept'));
    await shown(id);
    expect((await call('generateAndStoreToken', { uuid: id, tag: 'phone' }, token)).outcome).to.equal('ok');
    expect((await shown(id)).tokens.map(({ label }) => label)).to.include('meshblu');
    expect((await call('revokeTokenByQuery', { uuid: id, tag: 'phone' }, token)).outcome).to.equal('ok');
    expect((await shown(id)).tokens.map(({ label }) => label)).to.not.include('meshblu');
    const fingerprint = 'ab'.repeat(20);
    await call('users:addCertificate', { id, fingerprint });
    expect((await shown(id)).certificates).to.have.lengthOf(1);
    await call('users:removeCertificate', { id, fingerprint });
    expect((await shown(id)).certificates).to.deep.equal([]);
    const { body: role } = await call('roles:create', { name: name('role') });
    await call('users:addRole', { id, roleId: role['id'] });
    const rolesOf = async () => ((await call('users:get', { id })).body['roles'] as { name: string }[]).map((one) => one.name);
    expect(await rolesOf()).to.deep.equal([role['name']]);
    const renamed = name('renamed');
    await call('roles:update', { id: role['id'], name: renamed });
    expect(await rolesOf()).to.deep.equal([renamed]);
  });
});

onTwoNodes('what two nodes keep of a user', { adminPassword: 'admin-of-the-tests' }, (nodes) => {
  it('is the same: a login of the one is seen by the other soon, its end before the answer', async () => {
    const [one, other] = nodes.map(({ url }) => overHttp(url));
    if (one === undefined || other === undefined) throw new Error('two nodes');
    const admin = String(
      (await one.call(undefined, 'session:login', { username: 'admin', password: 'admin-of-the-tests' })).body['token'],
    );
    const { body } = await one.call(admin, 'users:create', { username: 'anna', password: 'secret1' });
    const tokens = async (): Promise<readonly unknown[]> =>
      (await other.call(admin, 'users:get', { id: body['id'] })).body['tokens'] as unknown[];
    await until(async () => Array.isArray(await tokens()));
    for (let round = 0; round < 3; round += 1) {
      expect(await tokens()).to.deep.equal([]);
      const { body: login } = await one.call(undefined, 'session:login', { username: 'anna', password: 'secret1' });
      await until(async () => (await tokens()).length === 1, 2_000);
      await one.call(String(login['token']), 'session:logout');
    }
    expect(await tokens()).to.deep.equal([]);
  });
});
