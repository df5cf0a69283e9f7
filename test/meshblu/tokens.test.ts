import bcrypt from 'bcrypt';
import { expect } from 'chai';
import { connectAs, register, v2, type Made, type MeshbluSocket } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

const nobody = '00000000-0000-4000-8000-000000000000';
const forbidden = { error: 'Forbidden' };

/** Does this token make a socket of this device ready? */
const opens = (url: string, device: Made): Promise<boolean> =>
  connectAs(url, device).then(
    (socket) => {
      socket.close();
      return true;
    },
    () => false,
  );

onBothStores('Meshblu tokens (reference, 8.4)', (registries) => {
  let url = '';
  let a: MeshbluSocket;
  before(async () => {
    ({ url } = await registries.start());
    a = await connectAs(url, await register(url, v2()));
  });
  after(() => a.close());

  const logsIn = (uuid: string, token: string): Promise<boolean> => opens(url, { uuid, token });
  const make = (uuid: string, metadata: object = {}) =>
    a.ask<{ uuid: string; token: string; createdAt: string }>('generateAndStoreToken', { uuid, ...metadata });

  it('58, 62: a made token opens the device beside the root token, and its metadata come back', async () => {
    const made = await make(a.uuid, { tag: 't' });
    expect(made).to.include({ uuid: a.uuid, tag: 't' });
    expect(made.token).to.match(/^[0-9a-f]{40}$/);
    expect(new Date(made.createdAt).toISOString()).to.equal(made.createdAt);
    expect(await logsIn(a.uuid, made.token)).to.equal(true);
    expect(await logsIn(a.uuid, a.token)).to.equal(true);
    const { tokens } = await a.ask<{ tokens: { metadata: { tag?: string } }[] }>('searchTokens', { tag: 't' });
    expect(tokens.map(({ metadata }) => metadata.tag)).to.deep.equal(['t']);
    expect(JSON.stringify(tokens)).to.not.match(/hashedToken|_id/);
  });

  it('59, 60, 61: configure.update decides who may make one', async () => {
    const b = await register(url, v2({ 'configure.update': [a.uuid] }));
    const made = await make(b.uuid);
    expect(await logsIn(b.uuid, made.token)).to.equal(true);
    expect(await logsIn(a.uuid, made.token)).to.equal(false);
    const seen = await register(url, v2({ 'discover.view': [a.uuid] }));
    expect(await make(seen.uuid)).to.deep.equal(forbidden);
    expect(await make(nobody)).to.deep.equal(forbidden);
  });

  it('66, 67: a revoked token is dead, the others live; who may not configure revokes nothing', async () => {
    const b = await register(url);
    const [s1, s2] = [await make(b.uuid), await make(b.uuid)];
    expect(await a.ask('revokeToken', { uuid: b.uuid, token: s1.token })).to.deep.equal({ uuid: b.uuid });
    expect(await a.ask('revokeToken', { uuid: b.uuid, token: 'never was' })).to.deep.equal({ uuid: b.uuid });
    expect(await logsIn(b.uuid, s1.token)).to.equal(false);
    expect(await logsIn(b.uuid, s2.token)).to.equal(true);
    expect(await logsIn(b.uuid, b.token)).to.equal(true);
    const closed = await register(url, v2());
    const own = await connectAs(url, closed);
    const { token } = await own.ask<{ token: string }>('generateAndStoreToken', { uuid: closed.uuid });
    own.close();
    expect(await a.ask('revokeToken', { uuid: closed.uuid, token })).to.deep.equal(forbidden);
    expect(await logsIn(closed.uuid, token)).to.equal(true);
  });

  it('68: a socket that hangs on a revoked token is refused from then on, and closed', async () => {
    const b = await register(url);
    const { token } = await make(b.uuid);
    const socket = await connectAs(url, { uuid: b.uuid, token });
    await a.ask('revokeToken', { uuid: b.uuid, token });
    expect(await socket.ask('whoami', {})).to.deep.equal({ error: 'Unauthorized' });
    await until(() => socket.socket.disconnected);
  });

  it('68: who revokes his own token is answered first', async () => {
    const b = await register(url);
    const { token } = await make(b.uuid);
    const socket = await connectAs(url, { uuid: b.uuid, token });
    expect(await socket.ask('revokeToken', { uuid: b.uuid, token })).to.deep.equal({ uuid: b.uuid });
    await until(() => socket.got('notReady').length === 1);
    expect(socket.got('notReady')[0]).to.include({ status: 401 });
    await until(() => socket.socket.disconnected);
  });

  it('69: tokens are revoked by their metadata; an empty query is refused', async () => {
    const b = await register(url);
    const [one, two] = [await make(b.uuid, { tag: 'a' }), await make(b.uuid, { tag: 'b' })];
    expect(await logsIn(b.uuid, one.token)).to.equal(true);
    expect(await a.ask('revokeTokenByQuery', { uuid: b.uuid })).to.deep.equal({ error: 'Unprocessable Entity' });
    expect(await a.call('revokeTokenByQuery', { uuid: b.uuid, tag: 'a' })).to.deep.equal([null]);
    expect(await logsIn(b.uuid, one.token)).to.equal(false);
    expect(await logsIn(b.uuid, two.token)).to.equal(true);
    expect(await logsIn(b.uuid, b.token)).to.equal(true);
  });

  it('70: the query may compare', async () => {
    const b = await register(url);
    const older = await make(b.uuid, { someDate: '2026-01-01T00:00:00.000Z' });
    const younger = await make(b.uuid, { someDate: '2026-01-01T01:00:00.000Z' });
    await a.ask('revokeTokenByQuery', { uuid: b.uuid, someDate: { $gt: '2026-01-01T00:30:00.000Z' } });
    expect(await logsIn(b.uuid, younger.token)).to.equal(false);
    expect(await logsIn(b.uuid, older.token)).to.equal(true);
  });

  it('71: a reset gives a new root token, ends the old one, and leaves session tokens', async () => {
    const b = await register(url);
    const session = await make(b.uuid);
    expect(await logsIn(b.uuid, b.token)).to.equal(true);
    const socket = await connectAs(url, b);
    const answer = await a.ask<Made & { device: Made }>('resetToken', { uuid: b.uuid });
    expect(answer).to.deep.equal({ uuid: b.uuid, token: answer.token, device: { uuid: b.uuid, token: answer.token } });
    expect(await logsIn(b.uuid, answer.token)).to.equal(true);
    expect(await logsIn(b.uuid, b.token)).to.equal(false);
    expect(await logsIn(b.uuid, session.token)).to.equal(true);
    await until(() => socket.socket.disconnected);
    const again = await a.ask<Made>('resetToken', b.uuid);
    expect(await logsIn(b.uuid, answer.token)).to.equal(false);
    expect(await logsIn(b.uuid, again.token)).to.equal(true);
  });

  it('72: who may not configure resets nothing', async () => {
    const b = await register(url, v2());
    expect(await a.ask('resetToken', { uuid: b.uuid })).to.deep.equal(forbidden);
    expect(await logsIn(b.uuid, b.token)).to.equal(true);
  });

  it('73: authenticate is a question only', async () => {
    const b = await register(url);
    expect(await a.ask('authenticate', { uuid: b.uuid, token: b.token })).to.deep.equal({ uuid: b.uuid, authentication: true });
    expect(await a.ask('authenticate', { uuid: b.uuid, token: 'x' })).to.deep.equal({ uuid: b.uuid, authentication: false });
    expect(await a.ask('whoami', {})).to.include({ uuid: a.uuid });
  });

  it('74: getPublicKey in both forms', async () => {
    const b = await register(url, v2({}, { publicKey: 'K' }));
    expect(await a.call('getPublicKey', b.uuid)).to.deep.equal([null, 'K']);
    expect(await a.call('getPublicKey', { uuid: b.uuid })).to.deep.equal([{ uuid: b.uuid, publicKey: 'K' }]);
    expect(await a.call('getPublicKey', nobody)).to.deep.equal([{ message: 'Device not found' }]);
    expect(await a.call('getPublicKey', { uuid: nobody })).to.deep.equal([{ error: 'Not Found' }]);
    expect(await a.call('getPublicKey', a.uuid)).to.deep.equal([null, null]);
  });
});

onBothStores('Meshblu tokens of an existing database (reference, 5)', (registries) => {
  let url = '';
  const mystery = '50805aa3-a88b-4a67-836b-4752e318c979';
  const logsIn = (uuid: string, token: string): Promise<boolean> => opens(url, { uuid, token });

  before(async () => {
    const slow = await bcrypt.hash('mushrooms', 4);
    ({ url } = await registries.start({ pepper: 'im-a-pepper' }, async (store) => {
      const devices = store.collection('devices');
      await devices.insertOne({ _id: 'spiral', uuid: 'spiral', discoverWhitelist: ['*'] });
      await devices.insertOne({ _id: 'slow', uuid: 'slow', token: slow, configureWhitelist: ['*'] });
      await devices.insertOne({ _id: 'used', uuid: 'used', token: slow, configureWhitelist: ['*'] });
      await devices.insertOne({
        _id: mystery,
        uuid: mystery,
        configureWhitelist: ['*'],
        meshblu: { tokens: { '/P+a8Wr2VWfcvx2MnnBc4qGMUR9/popNt24WOfeS+4M=': { tag: 'in' } } },
      });
      const tokens = store.collection('tokens');
      await tokens.insertOne({
        _id: 't1',
        uuid: 'spiral',
        hashedToken: 'T/GMBdFNOc9l3uagnYZSwgFfjtp8Vlf6ryltQUEUY1U=',
        metadata: {},
      });
    }));
  });

  it('63: a session token of the collection makes ready', async () => {
    expect(await logsIn('spiral', 'abc123')).to.equal(true);
    expect(await logsIn('spiral', 'abc124')).to.equal(false);
  });

  it('64: a session token inside the device makes ready, until it is revoked', async () => {
    expect(await logsIn(mystery, 'mystery-token')).to.equal(true);
    const socket = await connectAs(url, { uuid: mystery, token: 'mystery-token' });
    const own = await socket.ask<{ meshblu: object }>('whoami', {});
    expect(own.meshblu).to.not.have.property('tokens');
    const a = await connectAs(url, await register(url));
    expect(await a.ask('revokeToken', { uuid: mystery, token: 'mystery-token' })).to.deep.equal({ uuid: mystery });
    expect(await logsIn(mystery, 'mystery-token')).to.equal(false);
    await until(() => socket.socket.disconnected);
    a.close();
  });

  it('65: a bcrypt root token makes ready, again after it was moved, and dies by a reset', async () => {
    expect(await logsIn('slow', 'toadstools')).to.equal(false);
    expect(await logsIn('slow', 'mushrooms')).to.equal(true);
    expect(await logsIn('slow', 'mushrooms')).to.equal(true);
    const own = await connectAs(url, { uuid: 'slow', token: 'mushrooms' });
    expect(await own.ask('whoami', {})).to.not.have.property('token');
    expect(own.got('config')).to.deep.equal([]);
    const { token } = await own.ask<Made>('resetToken', { uuid: 'slow' });
    expect(await logsIn('slow', 'mushrooms')).to.equal(false);
    expect(await logsIn('slow', token)).to.equal(true);
    own.close();
  });

  it('65: a bcrypt root token that was never used dies by a reset too', async () => {
    const a = await connectAs(url, await register(url));
    const { token } = await a.ask<Made>('resetToken', { uuid: 'used' });
    expect(await logsIn('used', 'mushrooms')).to.equal(false);
    expect(await logsIn('used', token)).to.equal(true);
    a.close();
  });
});
