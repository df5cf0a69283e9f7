import type { Client, ConnectOptions, Login } from '@rollcall/client';
import { connect } from '@rollcall/client';
import type { Registry } from '@rollcall/server';
import { expect } from 'chai';
import { io } from 'socket.io-client';
import { quick, refusalCode } from '../sdk/support/session.ts';
import { connectAs, v2 } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { startGate, type Gate } from './support/gate.ts';
import { away, heardBy } from './support/heard.ts';

onBothStores('back after a drop', (registries) => {
  let registry: Registry;
  let gate: Gate;
  const clients: Client[] = [];
  before(async () => {
    registry = await registries.start();
    gate = await startGate(registry.url);
  });
  after(() => gate.close());
  afterEach(() => clients.splice(0).forEach((client) => client.close()));

  const open = async (url: string, login: Login = {}, options: ConnectOptions = {}): Promise<Client> => {
    const client = await connect(url, login, { ...quick, autoSetOnline: false, ...options });
    clients.push(client);
    return client;
  };
  const direct = (): Promise<Client> => open(registry.url);
  const through = (options: ConnectOptions = {}): Promise<Client> => open(gate.url, {}, options);
  const say = (from: Client, payload: unknown, to = '*', topic?: string) =>
    from.message({ devices: [to], payload, ...(topic !== undefined && { topic }) });

  it('a client listens again to what it listened to, with the same types and topics', async () => {
    const [away1, lamp] = [await through(), await direct()];
    const { uuid } = lamp.credentials;
    await away1.subscribe({ uuid, types: ['broadcast'], topics: ['on*'] });
    const heard = heardBy(away1);
    await away(away1, gate, async () => undefined);
    await say(lamp, 1, '*', 'off');
    await say(lamp, 2, '*', 'on');
    await say(lamp, 3, '*', 'off');
    await say(lamp, 4, '*', 'on');
    await until(() => heard.length === 2);
    expect(heard).to.deep.equal(['message 2', 'message 4']);
  });

  it('what was unsubscribed stays so', async () => {
    const [back, lamp, fan] = [await through(), await direct(), await direct()];
    for (const { credentials } of [lamp, fan]) await back.subscribe({ uuid: credentials.uuid });
    await back.unsubscribe({ uuid: lamp.credentials.uuid, types: ['broadcast', 'sent'] });
    await back.unsubscribe({ uuid: fan.credentials.uuid });
    const heard = heardBy(back);
    await away(back, gate, async () => undefined);
    await say(lamp, 1);
    await say(fan, 2);
    await fan.update({ n: 3 });
    await lamp.update({ n: 4 });
    await until(() => heard.length > 0);
    expect(heard).to.deep.equal(['config 4']);
  });

  it('a subscription that is refused then is forgotten, the others are not', async () => {
    const [back, lamp, fan] = [await through(), await direct(), await direct()];
    for (const { credentials } of [lamp, fan]) await back.subscribe({ uuid: credentials.uuid });
    const heard = heardBy(back);
    await away(back, gate, () => lamp.update({ ...v2(), n: 1 }));
    await lamp.update({ meshblu: { version: '1.0.0' } });
    await away(back, gate, async () => undefined);
    await say(lamp, 2);
    await say(fan, 3);
    await until(() => heard.length > 0);
    expect(heard).to.deep.equal(['message 3']);
  });

  it('listening by the token of a device is restored too, and ends with the token', async () => {
    const [back, lamp] = [await through(), await open(registry.url)];
    const { uuid } = lamp.credentials;
    await lamp.update(v2());
    const { token } = await lamp.generateAndStoreToken({ uuid });
    await back.call('subscribe', { uuid, token });
    const heard = heardBy(back);
    await away(back, gate, async () => undefined);
    await say(lamp, 1);
    await until(() => heard.length === 1);
    await lamp.revokeToken({ uuid, token });
    await say(lamp, 2);
    await away(back, gate, async () => undefined);
    await say(lamp, 3);
    await say(lamp, 4, back.credentials.uuid);
    await until(() => heard.length === 2);
    expect(heard).to.deep.equal(['message 1', 'message 4']);
  });

  it('what was missed comes once, in its order: own changes, changes and broadcasts listened to, messages', async () => {
    const [back, lamp] = [await through(), await direct()];
    const { uuid } = back.credentials;
    await back.subscribe({ uuid: lamp.credentials.uuid });
    const heard = heardBy(back);
    await say(lamp, 0, uuid);
    await away(back, gate, async () => {
      await say(lamp, 1);
      await lamp.update({ n: 2 });
      await say(lamp, 3, uuid);
      await lamp.update({ uuid, n: 4 });
      await lamp.update({ n: 5 });
    });
    await say(lamp, 6, uuid);
    await until(() => heard.length >= 7);
    expect(heard).to.deep.equal(['message 0', 'message 1', 'config 2', 'message 3', 'own 4', 'config 5', 'message 6']);
    await away(back, gate, () => say(lamp, 7));
    await until(() => heard.length >= 8);
    expect(heard.slice(7)).to.deep.equal(['message 7']);
  });

  it('by way of stored subscriptions too', async () => {
    const [back, hub, lamp] = [await through(), await direct(), await direct()];
    const emitterUuid = lamp.credentials.uuid;
    const subscriberUuid = hub.credentials.uuid;
    await hub.createSubscription({ subscriberUuid, emitterUuid, type: 'broadcast' });
    await back.subscribe({ uuid: subscriberUuid });
    const heard = heardBy(back);
    await say(lamp, 1);
    await until(() => heard.length === 1);
    await away(back, gate, () => say(lamp, 2));
    await until(() => heard.length === 2);
    expect(heard).to.deep.equal(['message 1', 'message 2']);
  });

  it('what was not permitted at its time is not replayed, nor what is not permitted any more', async () => {
    const [back, lamp] = [await through(), await direct()];
    const { uuid } = back.credentials;
    const open = v2({ 'broadcast.sent': [uuid], 'configure.sent': [uuid] });
    await lamp.update(open);
    await back.subscribe({ uuid: lamp.credentials.uuid });
    const heard = heardBy(back);
    await away(back, gate, async () => {
      await say(lamp, 1);
      await lamp.update({ ...v2(), n: 2 });
      await say(lamp, 3);
      await lamp.update({ ...open, n: 4 });
      await say(lamp, 5);
    });
    await until(() => heard.length >= 3);
    expect(heard).to.deep.equal(['message 1', 'config 4', 'message 5']);
    await away(back, gate, async () => {
      await say(lamp, 6);
      await lamp.update({ n: 7 });
      await lamp.update(v2({ 'message.sent': [uuid] }));
      await say(lamp, 8);
    });
    await say(lamp, 9, uuid);
    await until(() => heard.includes('message 9'));
    expect(heard.slice(3)).to.deep.equal(['message 9']);
  });

  it('more than a connection may leave unread is replayed all the same', async () => {
    const [back, lamp] = [await through(), await direct()];
    const { uuid } = back.credentials;
    let heard = 0;
    const order: unknown[] = [];
    back.on('message', ({ payload, topic }) => {
      heard += 1;
      order.push(topic);
      expect(payload).to.have.length(30_000);
    });
    const payload = 'x'.repeat(30_000);
    const topics = Array.from({ length: 200 }, (_, index) => String(index));
    await away(back, gate, async () => {
      for (const topic of topics) await lamp.message({ devices: [uuid], topic, payload });
    });
    await until(() => heard === topics.length);
    expect(order).to.deep.equal(topics);
  });

  it('a client that does not want it is told nothing of what it missed', async () => {
    const [back, lamp] = [await through({ resume: false }), await direct()];
    const heard = heardBy(back);
    await say(lamp, 1, back.credentials.uuid);
    await away(back, gate, () => say(lamp, 2, back.credentials.uuid));
    await say(lamp, 3, back.credentials.uuid);
    await until(() => heard.length === 2);
    expect(heard).to.deep.equal(['message 1', 'message 3']);
  });

  it('Meshblu clients are told nothing of what they missed', async () => {
    const lamp = await direct();
    const made = await lamp.register({});
    const first = await connectAs(registry.url, made);
    first.close();
    await say(lamp, 1, made.uuid);
    const second = await connectAs(registry.url, made);
    await say(lamp, 2, made.uuid);
    await until(() => second.got('message').length === 1);
    expect(second.got('message')[0]).to.include({ payload: 2 });
    second.close();
  });

  it('a call of a client that has nothing to resume is refused', async () => {
    expect(await refusalCode((await direct()).feed.resume({ cursor: 'x.y' }))).to.equal('invalid-input');
  });

  for (const [what, reason, forge] of [
    ['of another feed', 'other-feed', (cursor: string) => `another${cursor}`],
    ['of no form', 'other-feed', () => 'nonsense'],
    ['that this node does not reach in 4 s', 'too-new', (cursor: string) => cursor.replace(/\.[0-9a-f]{8}/, '.ffffffff')],
    ['before the window', 'too-old', (cursor: string) => cursor.replace(/\.[0-9a-f]{8}/, '.00000001')],
  ] as const)
    it(`a position ${what} is answered with resync ${reason} and the own document`, async () => {
      const { uuid, token } = (await direct()).credentials;
      const cursorOf = await new Promise<string>((resolve) => {
        const socket = io(registry.url, { transports: ['websocket'], forceNew: true, auth: { sdk: 'test', uuid, token } });
        socket.on('ready', (_body, { cursor }: { cursor: string }) => {
          socket.disconnect();
          resolve(cursor);
        });
      });
      const cursor = forge(cursorOf);
      const socket = io(registry.url, {
        transports: ['websocket'],
        forceNew: true,
        auth: { sdk: 'test', uuid, token, cursor, resume: true },
      });
      const told: unknown[] = [];
      socket.on('resync', (body, { cursor: at }) => told.push([body, typeof at]));
      socket.on('config', ({ uuid: own }: { uuid: string }) => told.push(own));
      const answer = (await socket.emitWithAck('feed:resume', { cursor }, {})) as Record<string, unknown>;
      expect(answer).to.include({ resync: reason, replayed: 0 });
      await until(() => told.includes(uuid));
      expect(told.find((one) => typeof one === 'object')).to.deep.equal([{ reason }, 'string']);
      socket.disconnect();
    });

  it('who was away for longer than the window is told so, and goes on from there', async () => {
    const small = await registries.start({ resumeWindowChanges: 20 });
    const own = await startGate(small.url);
    const [back, lamp] = [await open(own.url), await open(small.url)];
    const { uuid } = back.credentials;
    await back.update({ n: 0 });
    const heard = heardBy(back);
    await away(back, own, async () => {
      for (let n = 1; n <= 30; n += 1) await say(lamp, n, uuid);
    });
    await say(lamp, 31, uuid);
    await until(() => heard.includes('message 31'));
    expect(heard).to.deep.equal(['resync too-old', 'own 0', 'message 31']);
    own.close();
  });

  it('nothing is lost or doubled though the connection is cut again and again', async () => {
    const [back, lamp] = [await through(), await direct()];
    await back.subscribe({ uuid: lamp.credentials.uuid });
    const { uuid } = back.credentials;
    const heard = heardBy(back);
    const sent: string[] = [];
    let cutting = true;
    const cuts = (async () => {
      while (cutting) {
        gate.cut();
        await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 60));
      }
    })();
    for (let n = 0; n < 300; n += 1) {
      if (n % 3 === 0) await lamp.update({ n });
      else await say(lamp, n, n % 3 === 1 ? '*' : uuid);
      sent.push(`${n % 3 === 0 ? 'config' : 'message'} ${n}`);
    }
    cutting = false;
    await cuts;
    await until(() => heard.length >= sent.length, 10_000);
    const only = (kind: string, all: readonly string[]) => all.filter((one) => one.startsWith(kind));
    // A message and a change may have their places in the feed in either order; those of one kind have the order of their calls.
    for (const kind of ['config', 'message']) expect(only(kind, heard)).to.deep.equal(only(kind, sent));
    expect(heard).to.have.length(sent.length);
  });
});

onBothStores('back after a restart', (registries) => {
  it('what was missed is replayed from the store, or told to be missing where there is none', async () => {
    const first = await registries.start();
    const gate = await startGate(first.url);
    const back = await connect(gate.url, {}, { ...quick, autoSetOnline: false });
    const lamp = await connect(first.url, {}, { ...quick, autoSetOnline: false });
    const heard = heardBy(back);
    const isStored = await registries.inspect(async () => true).catch(() => false);
    await back.update({ n: 0 });
    await until(() => heard.length === 1);
    await away(back, gate, async () => {
      await lamp.message({ devices: [back.credentials.uuid], payload: 1 });
      lamp.close();
      await first.close();
      const second = await registries.again();
      gate.open(second.url);
    });
    await until(() => heard.length >= 2);
    expect(heard.slice(1)).to.deep.equal(isStored ? ['message 1'] : ['resync other-feed', 'own 0']);
    back.close();
    gate.close();
  });
});
