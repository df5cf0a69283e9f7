import type { Client, ConnectOptions, Login } from '@rollcall/client';
import { connect } from '@rollcall/client';
import { expect } from 'chai';
import { quick, refusalCode } from '../sdk/support/session.ts';
import { connectAs, register, v2, type MeshbluSocket } from '../support/meshblu.ts';
import { mongodUriOrSkip } from '../support/mongod.ts';
import { until } from '../support/until.ts';
import { startGate } from './support/gate.ts';
import { away, heardBy } from './support/heard.ts';
import { freshDatabase, startNode, type NodeProcess } from './support/processes.ts';

const reachMs = 5_000;

describe('three nodes on one MongoDB', function () {
  this.timeout(60_000);
  let nodes: NodeProcess[] = [];
  const clients: { close(): void }[] = [];
  const urlOf = (index: number): string => nodes[index]?.url ?? '';

  before(async function () {
    const database = freshDatabase(await mongodUriOrSkip(this));
    nodes = [await startNode(database)];
    nodes.push(...(await Promise.all([startNode(database), startNode(database)])));
  });
  after(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  });
  afterEach(() => clients.splice(0).forEach((client) => client.close()));

  const open = async (node: number, login: Login = {}, options: ConnectOptions = {}): Promise<Client> => {
    const client = await connect(urlOf(node), login, { ...quick, autoSetOnline: false, ...options });
    clients.push(client);
    return client;
  };
  const plain = async (node: number, made?: { uuid: string; token: string }): Promise<MeshbluSocket> => {
    const socket = await connectAs(urlOf(node), made ?? (await register(urlOf(node))));
    clients.push(socket);
    return socket;
  };

  it('a message reaches every socket of its addressee once, on whichever nodes they are', async () => {
    const from = await plain(0);
    const made = await register(urlOf(0));
    const sockets = [await plain(0, made), await plain(1, made), await plain(2, made), await plain(2, made)];
    for (let index = 0; index < 20; index += 1) await from.ask('message', { devices: [made.uuid], payload: index });
    await from.ask('message', { devices: [made.uuid], payload: 'last' });
    for (const socket of sockets) {
      await until(() => socket.got('message').some((message) => (message as { payload: unknown }).payload === 'last'), reachMs);
      const payloads = socket.got('message').map((message) => (message as { payload: unknown }).payload);
      expect(payloads.filter((payload) => payload !== 'last')).to.have.members(Array.from({ length: 20 }, (_, index) => index));
    }
  });

  it('broadcasts and changes reach whoever listens, in the order of the document', async () => {
    const lamp = await plain(0);
    const listeners = [await plain(0), await plain(1), await plain(2)];
    for (const listener of listeners) expect(await listener.ask('subscribe', { uuid: lamp.uuid })).to.include({ result: true });
    for (let n = 1; n <= 30; n += 1) await lamp.ask('update', { n });
    await lamp.ask('message', { devices: '*', payload: 'done' });
    for (const listener of listeners) {
      await until(() => listener.got('config').length === 30 && listener.got('message').length === 1, reachMs);
      expect(listener.got('config').map((document) => (document as { n: number }).n)).to.deep.equal(
        Array.from({ length: 30 }, (_, n) => n + 1),
      );
    }
  });

  it('stored subscriptions made on one node hold on the others', async () => {
    const [lamp, hub] = [await plain(0), await plain(1)];
    const listener = await plain(2);
    await listener.ask('subscribe', { uuid: hub.uuid });
    await hub.ask('createSubscription', { subscriberUuid: hub.uuid, emitterUuid: lamp.uuid, type: 'broadcast' });
    await until(async () => {
      await lamp.ask('message', { devices: '*', payload: 1 });
      return listener.got('message').length > 0;
    }, reachMs);
    expect(listener.got('message')[0]).to.include({ fromUuid: lamp.uuid });
  });

  it('a right that was taken away on one node ends what the others deliver', async () => {
    const [lamp, spy] = [await plain(0), await plain(1)];
    await lamp.ask('update', v2({ 'configure.sent': [spy.uuid] }));
    await spy.ask('subscribe', { uuid: lamp.uuid });
    await lamp.ask('update', { n: 1 });
    await until(() => spy.got('config').length === 1, reachMs);
    await lamp.ask('update', v2());
    await lamp.ask('update', { n: 2 });
    await lamp.ask('update', v2({ 'configure.sent': [spy.uuid] }, { n: 3 }));
    await until(() => spy.got('config').length > 1, reachMs);
    expect(spy.got('config').map((document) => (document as { n: number }).n)).to.deep.equal([1, 3]);
  });

  it('a revoked token is nobody on any node when that is acknowledged, and its sockets are closed within a second', async () => {
    const owner = await plain(0);
    const { token } = await owner.ask<{ token: string }>('generateAndStoreToken', { uuid: owner.uuid });
    const phones = [
      await plain(0, { uuid: owner.uuid, token }),
      await plain(1, { uuid: owner.uuid, token }),
      await plain(2, { uuid: owner.uuid, token }),
    ];
    let acknowledged = false;
    const afterwards: unknown[] = [];
    // Each asks on and on; what is asked after the acknowledgement may not be carried out.
    const asking = phones.map(async (phone, index) => {
      for (let n = 0; phone.socket.connected && n < 10_000; n += 1) {
        const late = acknowledged;
        const closed = new Promise<{ error: string }>((resolve) =>
          phone.socket.once('disconnect', () => resolve({ error: 'closed' })),
        );
        const asked = phone.ask<{ error?: string }>('update', { [`n${index}`]: n }).catch(() => ({ error: 'closed' }));
        const answer = await Promise.race([asked, closed]);
        if (late) afterwards.push(answer.error);
      }
    });
    const begun = performance.now();
    await owner.ask('revokeToken', { uuid: owner.uuid, token });
    acknowledged = true;
    const acknowledgedMs = performance.now() - begun;
    const frozen = JSON.stringify(await owner.ask('whoami', {}));
    await until(() => phones.every(({ socket }) => !socket.connected), 2_000);
    const closedMs = performance.now() - begun - acknowledgedMs;
    await Promise.all(asking);
    expect(afterwards.every((error) => error === 'Unauthorized' || error === 'closed')).to.equal(true);
    expect(JSON.stringify(await owner.ask('whoami', {}))).to.equal(frozen);
    expect(acknowledgedMs).to.be.below(2_000);
    expect(closedMs).to.be.below(1_000);
    for (let node = 0; node < 3; node += 1)
      expect(await refusalCode(open(node, { uuid: owner.uuid, token }))).to.equal('unauthenticated');
  });

  it('nothing of a message is delivered by a revoked token on another node', async () => {
    const [owner, addressee] = [await plain(0), await plain(2)];
    const { token } = await owner.ask<{ token: string }>('generateAndStoreToken', { uuid: owner.uuid });
    const phone = await plain(1, { uuid: owner.uuid, token });
    const flood = (async () => {
      for (let n = 0; phone.socket.connected; n += 1) {
        const asked = phone
          .ask<{ error?: string } | null>('message', { devices: [addressee.uuid], payload: n })
          .catch(() => null);
        const closed = new Promise<null>((resolve) => phone.socket.once('disconnect', () => resolve(null)));
        if ((await Promise.race([asked, closed]))?.error !== undefined) break;
      }
    })();
    await until(() => addressee.got('message').length > 5, reachMs);
    await owner.ask('revokeToken', { uuid: owner.uuid, token });
    await owner.ask('message', { devices: [addressee.uuid], payload: 'revoked' });
    await flood;
    await until(
      () => addressee.got('message').some((message) => (message as { payload: unknown }).payload === 'revoked'),
      reachMs,
    );
    const payloads = addressee.got('message').map((message) => (message as { payload: unknown }).payload);
    const count = payloads.length;
    await owner.ask('message', { devices: [addressee.uuid], payload: 'end' });
    await until(() => addressee.got('message').length > count, reachMs);
    // What was accepted before the acknowledgement has its place in the feed before it.
    expect(payloads.at(-1)).to.equal('revoked');
    expect((addressee.got('message').at(-1) as { payload: unknown }).payload).to.equal('end');
  });

  it('the same request on another node takes effect once', async () => {
    const [one, other] = [await plain(0), await plain(1)];
    const made = { uuid: one.uuid, token: one.token };
    const elsewhere = await plain(2, made);
    const options = { reqId: `${'r'.repeat(22)}:1` };
    const count = { uuid: one.uuid, update: { $inc: { count: 1 } } };
    await one.ask('documents:update', count, options);
    const answers = await Promise.all([
      elsewhere.ask<{ document: { count: number } }>('documents:update', count, { ...options, again: 1 }),
      one.ask<{ document: { count: number } }>('documents:update', count, { ...options, again: 2 }),
    ]);
    expect(answers.map(({ document }) => document.count)).to.deep.equal([1, 1]);
    const message = { devices: [other.uuid], payload: 'once' };
    const numbered = { reqId: `${'r'.repeat(22)}:2` };
    await one.ask('message', message, numbered);
    await elsewhere.ask('message', message, { ...numbered, again: 1 });
    await one.ask('message', { devices: [other.uuid], payload: 'last' });
    await until(() => other.got('message').some((message) => (message as { payload: unknown }).payload === 'last'), reachMs);
    expect(other.got('message').filter((message) => (message as { payload: unknown }).payload === 'once')).to.have.length(1);
  });

  it('a client that comes back on another node gets what it missed, once and in order', async () => {
    const gate = await startGate(urlOf(0));
    const back = await connect(gate.url, {}, { ...quick, autoSetOnline: false });
    clients.push(back, gate);
    const lamp = await open(2);
    const { uuid } = back.credentials;
    await back.subscribe({ uuid: lamp.credentials.uuid });
    const heard = heardBy(back);
    await lamp.update({ n: 0 });
    await until(() => heard.length === 1, reachMs);
    for (const node of [1, 2, 0]) {
      const before = heard.length;
      await away(back, gate, async () => {
        await lamp.message({ devices: '*', payload: `${node} a` });
        await lamp.update({ n: `${node} b` });
        await lamp.message({ devices: [uuid], payload: `${node} c` });
        gate.open(urlOf(node));
      });
      await until(() => heard.length === before + 3, reachMs);
      expect(heard.slice(before)).to.have.members([`message ${node} a`, `config ${node} b`, `message ${node} c`]);
    }
  });

  it('a device is on line while it has a socket on any node', async () => {
    const watcher = await open(0);
    const made = await register(urlOf(0));
    const online = async () => (await watcher.device({ uuid: made.uuid })).device.online;
    const sockets = [
      await connectAs(urlOf(1), made, { auto_set_online: true }),
      await connectAs(urlOf(2), made, { auto_set_online: true }),
    ];
    clients.push(...sockets);
    await until(async () => (await online()) === true, reachMs);
    sockets[0]?.close();
    await until(async () => {
      const { device } = await watcher.device({ uuid: made.uuid });
      expect(device.online).to.equal(true);
      return true;
    });
    sockets[1]?.close();
    await until(async () => (await online()) === false, reachMs);
  });

  it('a node that is killed takes nobody with it: its devices are off line within 8 s, others stay on line', async () => {
    const watcher = await open(0);
    const [lost, kept] = [await register(urlOf(0)), await register(urlOf(0))];
    const onDead = [
      await connectAs(urlOf(2), lost, { auto_set_online: true }),
      await connectAs(urlOf(2), kept, { auto_set_online: true }),
    ];
    const onLive = await connectAs(urlOf(1), kept, { auto_set_online: true });
    clients.push(...onDead, onLive);
    const look = async (uuid: string) => (await watcher.device({ uuid })).device;
    await until(async () => (await look(lost.uuid)).online === true && (await look(kept.uuid)).online === true, reachMs);
    const states: unknown[] = [];
    await watcher.subscribe({ uuid: kept.uuid, types: ['config'] });
    watcher.on('config', ({ uuid, online }) => uuid === kept.uuid && states.push(online));
    nodes[2]?.signal('SIGKILL');
    const begun = performance.now();
    await until(async () => (await look(lost.uuid)).online === false, 15_000);
    expect(performance.now() - begun).to.be.below(8_000);
    expect((await look(lost.uuid)).meshblu?.['online']).to.include({ reason: 'node lost' });
    expect((await look(kept.uuid)).online).to.equal(true);
    expect(states).to.not.include(false);
  });
});
