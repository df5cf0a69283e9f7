import { expect } from 'chai';
import { connectAs, register, v2, type Made, type MeshbluSocket } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

const nobody = '00000000-0000-4000-8000-000000000000';

onBothStores('Meshblu messages and subscriptions (reference, 8.5)', (registries) => {
  let url = '';
  const open: MeshbluSocket[] = [];
  before(async () => {
    ({ url } = await registries.start());
  });
  afterEach(() => {
    for (const socket of open.splice(0)) socket.close();
  });

  const make = async (properties: unknown = {}): Promise<MeshbluSocket> => as(await register(url, properties));
  const as = async (made: Made): Promise<MeshbluSocket> => {
    const socket = await connectAs(url, made);
    open.push(socket);
    return socket;
  };
  /** What a socket has got, when a message sent after the others has come to it. */
  const settled = async (socket: MeshbluSocket, from: MeshbluSocket): Promise<readonly Record<string, unknown>[]> => {
    const mark = `mark-${Math.random()}`;
    const me = await as(socket);
    await me.ask('message', { devices: [me.uuid], topic: mark });
    const isMark = (message: unknown) => (message as { topic?: string }).topic?.startsWith('mark-') === true;
    await until(() => socket.got('message').some((message) => (message as { topic?: string }).topic === mark));
    expect(from.socket.connected).to.equal(true);
    return socket.got('message').filter((message) => !isMark(message)) as Record<string, unknown>[];
  };
  const grant = (socket: MeshbluSocket, lists: Readonly<Record<string, readonly string[]>>) => socket.ask('update', v2(lists));

  it('75, 76: a message reaches every socket of its addressee once, and not its sender', async () => {
    const [a, b] = [await make(), await make()];
    const second = await as(b);
    expect(await a.call('message', { devices: [b.uuid], payload: 1 })).to.deep.equal([null]);
    expect(await a.call('message', { devices: b.uuid, payload: 2 })).to.deep.equal([null]);
    const expected = [1, 2].map((payload) => ({ devices: [b.uuid], payload, fromUuid: a.uuid }));
    expect(await settled(b, a)).to.deep.equal(expected);
    expect(await settled(second, a)).to.deep.equal(expected);
    expect(await settled(a, b)).to.deep.equal([]);
  });

  it('77: all addressees get it, with all addressees in it', async () => {
    const [a, b, c, d] = [await make(), await make(), await make(), await make()];
    await a.ask('message', { devices: [b.uuid, c.uuid] });
    for (const socket of [b, c])
      expect((await settled(socket, a)).map(({ devices }) => devices)).to.deep.equal([[b.uuid, c.uuid]]);
    expect(await settled(d, a)).to.deep.equal([]);
  });

  it('78, 79: message.from decides who may send', async () => {
    const [a, w] = [await make(), await make()];
    const b = await make(v2({ 'message.from': [w.uuid] }));
    const old = await make({ sendWhitelist: [w.uuid] });
    for (const sender of [a, w]) await sender.ask('message', { devices: [b.uuid, old.uuid] });
    for (const socket of [b, old]) expect((await settled(socket, a)).map(({ fromUuid }) => fromUuid)).to.deep.equal([w.uuid]);
  });

  it('80: fromUuid is the sender, whatever it says', async () => {
    const [a, b] = [await make(), await make()];
    await a.ask('message', { devices: [b.uuid], fromUuid: nobody, token: 'x' });
    expect(await settled(b, a)).to.deep.equal([{ devices: [b.uuid], fromUuid: a.uuid }]);
  });

  it('81: a message to nobody is accepted; one without devices is not', async () => {
    const a = await make();
    expect(await a.call('message', { devices: [nobody] })).to.deep.equal([null]);
    expect(await a.call('message', { payload: 1 })).to.deep.equal([{ error: 'Unprocessable Entity' }]);
    expect(await a.call('message')).to.deep.equal([{ error: 'Unprocessable Entity' }]);
  });

  it('82, 83, 85: a broadcast reaches whoever subscribed and is listed, once, until he unsubscribes', async () => {
    const [b, c] = [await make(), await make()];
    const a = await make(v2({ 'broadcast.sent': [b.uuid] }));
    await a.ask('message', { devices: ['*'], payload: 0 });
    expect(await b.ask('subscribe', { uuid: a.uuid })).to.deep.equal({
      api: 'subscribe',
      socketid: b.socket.id,
      toUuid: a.uuid,
      result: true,
      types: ['broadcast'],
    });
    expect(await c.ask('subscribe', { uuid: a.uuid })).to.deep.equal({ error: 'Forbidden' });
    await a.ask('message', { devices: ['*'], payload: 1 });
    expect(await settled(b, a)).to.deep.equal([{ devices: ['*'], payload: 1, fromUuid: a.uuid }]);
    expect(await settled(c, a)).to.deep.equal([]);
    expect(await b.ask('unsubscribe', { uuid: a.uuid })).to.deep.equal({ api: 'unsubscribe', uuid: a.uuid });
    await a.ask('message', { devices: ['*'], payload: 2 });
    expect(await settled(b, a)).to.have.lengthOf(1);
  });

  it('84: receiveWhitelist is broadcast.sent of a version 1 device', async () => {
    const [b, c] = [await make(), await make()];
    const a = await make({ receiveWhitelist: [b.uuid], configureWhitelist: [], discoverWhitelist: [] });
    await b.ask('subscribe', { uuid: a.uuid });
    await c.ask('subscribe', { uuid: a.uuid });
    await a.ask('message', { devices: ['*'] });
    expect(await settled(b, a)).to.have.lengthOf(1);
    expect(await settled(c, a)).to.deep.equal([]);
  });

  it('86: broadcast and addressees may be mixed', async () => {
    const [a, b, c] = [await make(), await make(), await make()];
    await b.ask('subscribe', { uuid: a.uuid, types: ['broadcast'] });
    await a.ask('message', { devices: ['*', c.uuid] });
    expect(await settled(b, a)).to.have.lengthOf(1);
    expect(await settled(c, a)).to.have.lengthOf(1);
  });

  it('one copy per socket, whatever the reasons', async () => {
    const [a, b] = [await make(), await make()];
    await b.ask('subscribe', { uuid: a.uuid, types: ['broadcast', 'sent', 'received'] });
    await a.ask('message', { devices: ['*', b.uuid] });
    expect(await settled(b, a)).to.have.lengthOf(1);
  });

  it('87, 88, 89: sent and received are asked of their own lists', async () => {
    const [b, w] = [await make(), await make()];
    const a = await make(v2({ 'message.sent': [b.uuid] }));
    const r = await make(v2({ 'message.from': [a.uuid], 'message.received': [w.uuid] }));
    await b.ask('subscribe', { uuid: a.uuid, types: ['sent'] });
    await w.ask('subscribe', { uuid: a.uuid, types: ['sent'] });
    await a.ask('message', { devices: [r.uuid], payload: 'one' });
    expect((await settled(b, a)).map(({ payload }) => payload)).to.deep.equal(['one']);
    expect(await settled(w, a)).to.deep.equal([]);
    await w.ask('subscribe', { uuid: r.uuid, types: ['received'] });
    await a.ask('message', { devices: [r.uuid], payload: 'two' });
    expect((await settled(w, a)).map(({ payload }) => payload)).to.deep.equal(['two']);
    const listening = await make();
    const openDevice = await make();
    await listening.ask('subscribe', { uuid: openDevice.uuid, types: ['broadcast'] });
    await openDevice.ask('message', { devices: [r.uuid] });
    expect(await settled(listening, a)).to.deep.equal([]);
  });

  it('90: topics filter', async () => {
    const [a, b] = [await make(), await make()];
    await b.ask('subscribe', { uuid: a.uuid, types: ['broadcast'], topics: ['pe*', '-pears'] });
    for (const topic of ['pens', 'pears', 'x', undefined]) await a.ask('message', { devices: ['*'], ...(topic && { topic }) });
    expect((await settled(b, a)).map(({ topic }) => topic)).to.deep.equal(['pens']);
  });

  it('91, 92: config goes to whoever is listed in configure.sent', async () => {
    const [a, b, c] = [await make(), await make(), await make()];
    const d = await make(v2({ 'configure.sent': [b.uuid], 'configure.update': [a.uuid] }));
    expect(await b.ask('subscribe', { uuid: d.uuid })).to.include({ result: true });
    await c.ask('subscribe', { uuid: d.uuid });
    await a.ask('update', { uuid: d.uuid, x: 1 });
    await until(() => b.got('config').length === 1);
    expect(b.got('config')[0]).to.include({ uuid: d.uuid, x: 1 });
    expect(b.got('config')[0]).to.not.have.any.keys('token', '_id', '_rollcall');
    const old = await make();
    await b.ask('subscribe', { uuid: old.uuid });
    await a.ask('update', { uuid: old.uuid, x: 1 });
    await until(() => b.got('config').length === 2);
    expect(c.got('config')).to.deep.equal([]);
  });

  it('a right that was taken away ends the next message and the next config', async () => {
    const b = await make();
    const d = await make(v2({ 'broadcast.sent': [b.uuid], 'configure.sent': [b.uuid], 'message.from': [b.uuid] }));
    await b.ask('subscribe', { uuid: d.uuid });
    await d.ask('message', { devices: ['*'], payload: 1 });
    expect(await settled(b, d)).to.have.lengthOf(1);
    await grant(d, {});
    const configs = b.got('config').length;
    await d.ask('message', { devices: ['*'], payload: 2 });
    await d.ask('update', { y: 1 });
    await b.ask('message', { devices: [d.uuid] });
    expect(await settled(b, d)).to.have.lengthOf(1);
    expect(await settled(d, b)).to.deep.equal([]);
    expect(b.got('config')).to.have.lengthOf(configs);
  });

  it('93: who may hear nothing is refused', async () => {
    const a = await make();
    expect(await a.ask('subscribe', { uuid: nobody })).to.deep.equal({ error: 'Forbidden' });
    expect(await a.ask('subscribe', nobody)).to.deep.equal({ error: 'Forbidden' });
    expect(await a.ask('subscribe')).to.deep.equal({ error: 'Unprocessable Entity' });
  });

  it('by its token everything of a device can be heard, as long as the token lives', async () => {
    const b = await make();
    const a = await make(v2());
    const { token } = await a.ask<{ token: string }>('generateAndStoreToken', { uuid: a.uuid });
    expect(await b.ask('subscribe', { uuid: a.uuid, token })).to.include({ result: true });
    await a.ask('message', { devices: ['*'], payload: 1 });
    expect(await settled(b, a)).to.have.lengthOf(1);
    await a.ask('revokeToken', { uuid: a.uuid, token });
    await a.ask('message', { devices: ['*'], payload: 2 });
    expect(await settled(b, a)).to.have.lengthOf(1);
  });

  it('94: an answer comes back to the asker; more than one addressee cannot be asked', async () => {
    const [a, b, c] = [await make(), await make(), await make()];
    await a.ask('message', { devices: [b.uuid], ack: 7 });
    expect(await settled(b, a)).to.deep.equal([{ devices: [b.uuid], ack: 7, fromUuid: a.uuid }]);
    await b.ask('messageAck', { devices: a.uuid, ack: 7, payload: 'yes' });
    await until(() => a.got('messageAck').length === 1);
    expect(a.got('messageAck')[0]).to.deep.equal({ devices: [a.uuid], ack: 7, payload: 'yes', fromUuid: b.uuid });
    await a.ask('message', { devices: [b.uuid, c.uuid], ack: 8 });
    expect((await settled(c, a))[0]).to.not.have.property('ack');
  });

  it('9, 10: presence is broadcast', async () => {
    const [b, made] = [await make(), await register(url)];
    await b.ask('subscribe', { uuid: made.uuid, types: ['broadcast'] });
    const socket = await connectAs(url, made, { auto_set_online: true });
    const status = () => b.got('message') as { topic: string; payload: { online: boolean } }[];
    await until(() => status().length === 1);
    socket.close();
    await until(() => status().length === 2);
    expect(status().map(({ topic, payload }) => [topic, payload.online])).to.deep.equal([
      ['device-status', true],
      ['device-status', false],
    ]);
  });

  it('109, 110: acting for another device needs its message.as', async () => {
    const i = await make();
    const x = await make(v2({ 'message.as': [i.uuid] }));
    const closed = await make(v2());
    const r = await make(v2({ 'message.from': [x.uuid, closed.uuid] }));
    await i.ask('message', { devices: [r.uuid], payload: 1 }, { as: x.uuid });
    await i.ask('message', { devices: [r.uuid], payload: 2 }, { as: closed.uuid });
    expect(await settled(r, i)).to.deep.equal([{ devices: [r.uuid], payload: 1, fromUuid: x.uuid }]);
  });

  it('a second sending of a numbered message is not delivered again', async () => {
    const [a, b] = [await make(), await make()];
    const options = { reqId: 'abcdefghijklmnopqrstuv:3' };
    await a.ask('message', { devices: [b.uuid] }, options);
    await a.ask('message', { devices: [b.uuid] }, { ...options, again: 1 });
    expect(await settled(b, a)).to.have.lengthOf(1);
  });

  it('records are stored, broadcast and read back', async () => {
    const [a, b] = [await make(), await make()];
    await b.ask('subscribe', { uuid: a.uuid, types: ['broadcast'] });
    expect(await a.call('data', { uuid: a.uuid, temperature: '21', note: 'warm' })).to.deep.equal([]);
    const [message] = (await settled(b, a)) as { payload: Record<string, unknown> }[];
    expect(message?.payload).to.include({ temperature: 21, note: 'warm', uuid: a.uuid });
    const { data } = await a.ask<{ data: Record<string, unknown>[] }>('getdata', { uuid: a.uuid, token: a.token });
    expect(data).to.deep.equal([message?.payload]);
    expect(await a.ask('getdata', { uuid: a.uuid, token: 'x' })).to.deep.equal({ api: 'getdata', result: false });
    expect(await a.ask('events', { uuid: a.uuid, token: a.token })).to.deep.equal({
      error: { message: 'Events not found', code: 404 },
    });
    expect(await a.ask('events', { uuid: a.uuid, token: 'x' })).to.deep.equal({ api: 'events', result: false });
  });

  it('over HTTP a message is accepted with 204, and refused without addressees', async () => {
    const [a, b] = [await make(), await make()];
    const post = async (path: string, body: unknown) => {
      const authorization = `Basic ${Buffer.from(`${a.uuid}:${a.token}`).toString('base64')}`;
      const headers = { authorization, 'content-type': 'application/json' };
      return (await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })).status;
    };
    await b.ask('subscribe', { uuid: a.uuid, types: ['broadcast'] });
    expect(await post('/messages', { devices: [b.uuid], payload: 1 })).to.equal(204);
    expect(await post('/broadcasts', { payload: 2 })).to.equal(204);
    expect(await post('/messages', { payload: 1 })).to.equal(422);
    expect((await settled(b, a)).map(({ payload }) => payload)).to.deep.equal([1, 2]);
  });
});

onBothStores('Meshblu stored subscriptions (reference, 8.6)', (registries) => {
  let url = '';
  const open: MeshbluSocket[] = [];
  before(async () => {
    ({ url } = await registries.start());
  });
  afterEach(() => {
    for (const socket of open.splice(0)) socket.close();
  });

  interface Firehose {
    readonly metadata: { readonly route: readonly { readonly from: string; readonly to: string; readonly type: string }[] };
    readonly rawData: string;
  }
  const make = async (properties: unknown = {}): Promise<MeshbluSocket> => {
    const socket = await connectAs(url, await register(url, properties));
    open.push(socket);
    await socket.ask('subscribe', { uuid: socket.uuid, types: ['firehose'] });
    return socket;
  };
  const listing = (socket: MeshbluSocket, lists: Readonly<Record<string, readonly string[]>>) => socket.ask('update', v2(lists));
  /** X→Y: subscriber X, emitter Y. */
  const subscribe = (subscriber: MeshbluSocket, emitter: MeshbluSocket, type: string) =>
    subscriber.ask('createSubscription', { subscriberUuid: subscriber.uuid, emitterUuid: emitter.uuid, type });
  const routes = (socket: MeshbluSocket, names: ReadonlyMap<string, string>): string[] =>
    (socket.got('firehose') as Firehose[]).map(({ metadata }) =>
      metadata.route.map(({ from, to, type }) => `${names.get(from)}→${names.get(to)} ${type}`).join(', '),
    );
  const namesOf = (sockets: Readonly<Record<string, MeshbluSocket>>) =>
    new Map(Object.entries(sockets).map(([name, { uuid }]) => [uuid, name]));
  /** A message has been delivered on this node when its sender has his answer; what follows on a connection comes after it. */
  const quiet = async (...sockets: MeshbluSocket[]): Promise<void> => {
    for (const socket of sockets) await socket.ask('status', {});
  };

  it('96, 97, 98: what a device receives, and who listens to that', async () => {
    const [s, r, c] = [await make(v2()), await make(), await make(v2())];
    await listing(r, { 'message.from': [s.uuid] });
    await subscribe(r, r, 'message.received');
    await s.ask('message', { devices: [r.uuid], payload: 1 });
    const names = namesOf({ S: s, R: r, C: c });
    await until(() => r.got('firehose').length === 1);
    expect(routes(r, names)).to.deep.equal(['S→R message.received, R→R message.received']);
    expect(JSON.parse((r.got('firehose')[0] as Firehose).rawData)).to.deep.equal({ devices: [r.uuid], payload: 1 });
    await subscribe(c, r, 'message.received');
    await subscribe(c, c, 'message.received');
    await s.ask('message', { devices: [r.uuid], payload: 2 });
    await quiet(c);
    expect(routes(c, names)).to.deep.equal([]);
    await listing(r, { 'message.from': [s.uuid], 'message.received': [c.uuid] });
    await s.ask('message', { devices: [r.uuid], payload: 3 });
    await until(() => c.got('firehose').length === 1);
    expect(routes(c, names)).to.deep.equal(['S→R message.received, R→C message.received, C→C message.received']);
  });

  it('99: what a device sends, even to one that does not list it', async () => {
    const [w, closed] = [await make(v2()), await make(v2())];
    const s = await make(v2({ 'message.sent': [w.uuid] }));
    await subscribe(w, s, 'message.sent');
    await subscribe(w, w, 'message.received');
    await s.ask('message', { devices: [closed.uuid] });
    await until(() => w.got('firehose').length === 1);
    expect(routes(w, namesOf({ S: s, W: w }))).to.deep.equal(['S→W message.sent, S→W message.received, W→W message.received']);
  });

  it('100, 101: what a device hears, and who listens to that', async () => {
    const d = await make(v2());
    const b = await make(v2({ 'broadcast.received': [d.uuid] }));
    const s = await make(v2({ 'broadcast.sent': [b.uuid] }));
    await subscribe(b, s, 'broadcast.sent');
    await subscribe(d, b, 'broadcast.received');
    await subscribe(d, d, 'broadcast.received');
    await s.ask('message', { devices: ['*'] });
    const names = namesOf({ S: s, B: b, D: d });
    const far = 'S→B broadcast.sent, S→B broadcast.received, B→D broadcast.received, D→D broadcast.received';
    await until(() => d.got('firehose').length === 1);
    expect(routes(d, names)).to.deep.equal([far]);
    expect(routes(b, names)).to.deep.equal([]);
    await subscribe(b, b, 'broadcast.received');
    await s.ask('message', { devices: ['*'] });
    await until(() => b.got('firehose').length === 1 && d.got('firehose').length === 2);
    expect(routes(b, names)).to.deep.equal(['S→B broadcast.sent, S→B broadcast.received, B→B broadcast.received']);
  });

  it('102, 103: changes of a device, and its end', async () => {
    const w = await make(v2());
    const e = await make(v2({ 'configure.sent': [w.uuid] }));
    for (const kind of ['configure', 'unregister']) {
      await subscribe(w, e, `${kind}.sent`);
      await subscribe(w, w, `${kind}.received`);
    }
    const names = namesOf({ E: e, W: w });
    await e.ask('update', { x: 1 });
    await until(() => w.got('firehose').length === 1);
    expect(routes(w, names)).to.deep.equal(['E→W configure.sent, E→W configure.received, W→W configure.received']);
    expect(JSON.parse((w.got('firehose')[0] as Firehose).rawData)).to.include({ uuid: e.uuid, x: 1 });
    await e.ask('unregister', { uuid: e.uuid });
    await until(() => w.got('firehose').length === 2);
    expect(routes(w, names)[1]).to.equal('E→W unregister.sent, E→W unregister.received, W→W unregister.received');
  });

  it('104: circles end by themselves, and no hop comes twice', async () => {
    const [s, x, y] = [await make(v2()), await make(), await make()];
    await listing(x, { 'message.from': [s.uuid], 'message.received': [y.uuid] });
    await listing(y, { 'message.received': [x.uuid] });
    for (const [subscriber, emitter] of [
      [x, x],
      [y, y],
      [x, y],
      [y, x],
    ] as const)
      await subscribe(subscriber, emitter, 'message.received');
    await s.ask('message', { devices: [x.uuid] });
    await until(() => x.got('firehose').length > 0 && y.got('firehose').length > 0);
    await quiet(x, y);
    for (const { metadata } of [...x.got('firehose'), ...y.got('firehose')] as Firehose[]) {
      const hops = metadata.route.map((hop) => JSON.stringify(hop));
      expect(new Set(hops).size).to.equal(hops.length);
    }
  });

  it('106: a subscription that the emitter does not list is made, and served as soon as it does', async () => {
    const [a, r, target] = [await make(v2()), await make(v2()), await make()];
    const made = { subscriberUuid: a.uuid, emitterUuid: r.uuid, type: 'message.sent' };
    expect(await subscribe(a, r, 'message.sent')).to.deep.equal(made);
    expect(await subscribe(a, r, 'message.sent')).to.deep.equal(made);
    await subscribe(a, a, 'message.received');
    await r.ask('message', { devices: [target.uuid] });
    await quiet(a);
    expect(a.got('firehose')).to.deep.equal([]);
    await listing(r, { 'message.sent': [a.uuid] });
    await r.ask('message', { devices: [target.uuid] });
    await until(() => a.got('firehose').length === 1);
    const { subscriptions } = await a.ask<{ subscriptions: unknown[] }>('subscriptions', {});
    expect(subscriptions).to.have.deep.members([made, { subscriberUuid: a.uuid, emitterUuid: a.uuid, type: 'message.received' }]);
    expect(await a.ask('deleteSubscription', made)).to.deep.equal(made);
    expect(await a.ask('deleteSubscription', made)).to.deep.equal(made);
    await r.ask('message', { devices: [target.uuid] });
    await quiet(a);
    expect(a.got('firehose')).to.have.lengthOf(1);
  });

  it('107, 108: who may not configure the subscriber makes none; an unknown type is refused', async () => {
    const [a, b] = [await make(), await make(v2())];
    const wanted = { subscriberUuid: b.uuid, emitterUuid: a.uuid, type: 'broadcast.sent' };
    expect(await a.ask('createSubscription', wanted)).to.deep.equal({ error: 'Forbidden' });
    const wrong = { subscriberUuid: a.uuid, emitterUuid: a.uuid, type: 'nonsense' };
    expect(await a.ask('createSubscription', wrong)).to.deep.equal({ error: 'Unprocessable Entity' });
    const headers = { authorization: `Basic ${Buffer.from(`${a.uuid}:${a.token}`).toString('base64')}` };
    const path = `/v2/devices/${a.uuid}/subscriptions/${a.uuid}`;
    const refused = await fetch(`${url}${path}/nonsense`, { method: 'POST', headers });
    expect(refused.status).to.equal(422);
    expect(refused.headers.get('x-meshblu-error')).to.equal('{"message":"Invalid type"}');
    expect((await fetch(`${url}${path}/broadcast.sent`, { method: 'POST', headers })).status).to.equal(204);
    expect((await fetch(`${url}${path}/broadcast.sent`, { method: 'DELETE', headers })).status).to.equal(204);
  });

  it('an old stored subscription hands on to whoever listens to the subscriber, as the lists allow', async () => {
    const [w, listener] = [await make(), await make()];
    const s = await make(v2({ 'broadcast.sent': [w.uuid] }));
    await subscribe(w, s, 'broadcast');
    await listener.ask('subscribe', { uuid: w.uuid, types: ['broadcast'] });
    await s.ask('message', { devices: ['*'], payload: 1 });
    await until(() => listener.got('message').length === 1);
    expect(listener.got('message')[0]).to.deep.equal({ devices: ['*'], payload: 1, fromUuid: s.uuid, forwardedFor: [s.uuid] });
    await listing(s, {});
    await s.ask('message', { devices: ['*'], payload: 2 });
    await quiet(listener);
    expect(listener.got('message')).to.have.lengthOf(1);
  });
});
