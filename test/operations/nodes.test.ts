import { expect } from 'chai';
import { connectRaw } from '../support/meshblu.ts';
import { onTwoNodes } from '../support/registries.ts';
import { until } from '../support/until.ts';

const adminPassword = 'admin-of-the-tests';

onTwoNodes('logins on two nodes of one MongoDB', { adminPassword }, (nodes) => {
  it('end on every node before the answer, know the same first administrator, and tell of changes everywhere', async () => {
    const [first = { url: '' }, second = { url: '' }] = nodes;
    const ask = async (url: string, method: string, path: string, token?: string, body?: object) => {
      const headers = { 'content-type': 'application/json', ...(token !== undefined && { authorization: `Bearer ${token}` }) };
      const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
      const response = await fetch(url + path, init);
      const text = await response.text();
      return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> };
    };
    const login = async (url: string, username: string, password: string): Promise<string> =>
      String((await ask(url, 'POST', '/api/login', undefined, { username, password }))['body']['token']);
    const admin = await login(first.url, 'admin', adminPassword);
    expect((await ask(second.url, 'GET', '/api/session', admin)).status).to.equal(200);
    const { body: user } = await ask(first.url, 'POST', '/api/users', admin, { username: 'anna', password: 'secret1' });
    const token = await login(second.url, 'anna', 'secret1');
    const raw = await connectRaw(second.url);
    raw.socket.emit('identity', { token });
    await until(() => raw.got('ready').length > 0);
    const path = `/api/users/${String(user['id'])}`;
    expect((await ask(first.url, 'DELETE', `${path}/tokens`, admin)).status).to.equal(204);
    expect((await ask(second.url, 'GET', '/api/session', token)).status).to.equal(401);
    expect(await raw.ask('whoami', {})).to.deep.equal({ error: 'Unauthorized' });
    await until(() => raw.socket.disconnected);

    const again = await login(second.url, 'anna', 'secret1');
    expect((await ask(first.url, 'PUT', path, admin, { disabled: true })).status).to.equal(200);
    expect((await ask(second.url, 'GET', '/api/session', again)).status).to.equal(401);
    const { body: roles } = await ask(second.url, 'GET', '/api/roles', admin);
    expect(roles).to.have.lengthOf(2);

    const watching = await connectRaw(second.url);
    watching.socket.emit('identity', { token: admin });
    await until(() => watching.got('ready').length > 0);
    expect((await ask(first.url, 'DELETE', path, admin)).status).to.equal(204);
    await until(() => watching.got('users:changed').length > 0);
    expect(watching.got('users:changed')).to.deep.equal([{ id: user['id'], removed: true }]);
    watching.close();
  });
});
