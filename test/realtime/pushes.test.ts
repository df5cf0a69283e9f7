import { connect, type Client } from '@rollcall/client';
import { expect } from 'chai';
import { startGate, type Gate } from './support/gate.ts';
import { away } from './support/heard.ts';
import { quick } from '../sdk/support/session.ts';
import { connectRaw } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

const adminPassword = 'admin-of-the-tests';
const reading = (resource: string) => [{ resource, operation: 'read' as const, context: 'http' as const }];

onBothStores('administrative pushes (AC-7)', (registries) => {
  let url = '';
  let gate: Gate;
  let admin: Client;
  let count = 0;
  const clients: Client[] = [];

  const login = async (username: string, password = 'secret1', via = url): Promise<Client> => {
    const response = await fetch(`${url}/api/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username, password }),
    });
    const { token } = (await response.json()) as { token: string };
    const client = await connect(via, { token }, { ...quick, autoSetOnline: false });
    clients.push(client);
    return client;
  };
  /** Makes a user with these permissions, and connects him. */
  const person = async (initialPermissions: ReturnType<typeof reading> = [], via = url) => {
    const username = `anna${(count += 1)}`;
    const { id } = await admin.users.create({ username, password: 'secret1', initialPermissions });
    return { id, client: await login(username, 'secret1', via) };
  };
  /** What a client is told of users and roles, as short texts. */
  const pushesTo = (client: Client): string[] => {
    const told: string[] = [];
    const note =
      (event: string) =>
      ({ id, removed }: { id: string; removed: boolean }): void =>
        void told.push(`${event} ${id}${removed ? ' removed' : ''}`);
    client.on('users:changed', note('users:changed'));
    client.on('roles:changed', note('roles:changed'));
    return told;
  };

  before(async () => {
    ({ url } = await registries.start({ adminPassword }));
    gate = await startGate(url);
    admin = await login('admin', adminPassword);
  });
  after(() => {
    gate.close();
    for (const client of clients.splice(0)) client.close();
  });

  it('whoever may read a user is told when he is made, changed and removed', async () => {
    const told = pushesTo(admin);
    const { id } = await admin.users.create({ username: 'bert', password: 'secret1' });
    await until(() => told.length === 1);
    await admin.users.update({ id, mqttPublishPrefix: 'x/' });
    await until(() => told.length === 2);
    await admin.users.delete({ id });
    await until(() => told.length === 3);
    expect(told).to.deep.equal([`users:changed ${id}`, `users:changed ${id}`, `users:changed ${id} removed`]);
  });

  it('whoever may read a role is told of it', async () => {
    const told = pushesTo(admin);
    const { id } = await admin.roles.create({ name: 'operators' });
    await admin.roles.update({ id, permissions: reading('/x') });
    await admin.roles.delete({ id });
    await until(() => told.length === 3);
    expect(told).to.deep.equal([`roles:changed ${id}`, `roles:changed ${id}`, `roles:changed ${id} removed`]);
  });

  it('permission is asked at each of them: for this very object, as it is at that moment', async () => {
    const target = (await admin.users.create({ username: 'clara', password: 'secret1' })).id;
    const other = (await admin.users.create({ username: 'dora', password: 'secret1' })).id;
    const viewer = await person(reading(`/api/users/${target}`));
    const stranger = await person();
    const [seen, unseen, all] = [pushesTo(viewer.client), pushesTo(stranger.client), pushesTo(admin)];
    const change = async (id: string) => {
      const before = all.length;
      await admin.users.update({ id, mqttPublishPrefix: `${(count += 1)}/` });
      await until(() => all.length > before);
    };
    await change(other);
    await change(target);
    await until(() => seen.length === 1);
    await admin.users.update({ id: viewer.id, permissions: [] });
    await change(target);
    await admin.users.update({ id: viewer.id, permissions: reading('/api/users/#') });
    await change(target);
    const ofTarget = () => seen.filter((text) => text === `users:changed ${target}`).length;
    await until(() => ofTarget() === 2);
    await admin.users.update({ id: target, mqttPublishPrefix: 'last/' });
    await until(() => ofTarget() === 3);
    expect(seen).to.not.include(`users:changed ${other}`);
    expect(unseen).to.deep.equal([]);
  });

  it('a client that comes back is told what it missed and may still read', async () => {
    const viewer = await person(reading('/api/users/#'), gate.url);
    const target = (await admin.users.create({ username: 'emil', password: 'secret1' })).id;
    const told = pushesTo(viewer.client);
    await away(viewer.client, gate, async () => {
      await admin.users.update({ id: target, mqttPublishPrefix: 'y/' });
      await admin.roles.create({ name: 'unread' });
    });
    await until(() => told.length > 0);
    await admin.users.update({ id: target, mqttPublishPrefix: 'z/' });
    await until(() => told.length === 2);
    expect(new Set(told)).to.deep.equal(new Set([`users:changed ${target}`]));
  });

  it('a connection whose login ends is told so, then that it is nobody, and is closed', async () => {
    const { id, client } = await person();
    const raw = await connectRaw(url);
    const order: string[] = [];
    raw.socket.onAny((event: string) => order.push(event));
    raw.socket.emit('identity', { token: client.credentials.token });
    await until(() => raw.got('ready').length > 0);
    let revoked: unknown;
    client.on('session:revoked', (body) => (revoked = body));
    await admin.users.revokeTokens({ id });
    await until(() => raw.socket.disconnected && client.state === 'closed');
    expect(order.slice(-2)).to.deep.equal(['session:revoked', 'notReady']);
    expect(raw.got('session:revoked')).to.deep.equal([{ uuid: id }]);
    expect(revoked).to.deep.equal({ uuid: id });
  });
});
