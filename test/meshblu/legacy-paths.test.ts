import { createRequire } from 'node:module';
import { expect } from 'chai';
import { connectAs, register, v2, type Made } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

interface LegacySocket {
  on(event: string, listener: (value: unknown) => void): void;
  emit(event: string, ...values: unknown[]): void;
  close(): void;
}
const connect = createRequire(import.meta.url)('socket.io-client-1') as (url: string, options: object) => LegacySocket;

onBothStores('paths of the legacy engine', (registries) => {
  let url = '';
  const open: LegacySocket[] = [];
  before(async () => {
    ({ url } = await registries.start({ legacy: true }));
  });
  afterEach(() => {
    for (const socket of open.splice(0)) socket.close();
  });

  const socketAt = (path: string, query: object = {}, extraHeaders: object = {}): LegacySocket => {
    const socket = connect(url, { path, query, extraHeaders, forceNew: true, reconnection: false });
    open.push(socket);
    return socket;
  };
  const outcome = (socket: LegacySocket): Promise<string> =>
    new Promise((resolve) => {
      for (const event of ['connect', 'connect_error', 'identify']) socket.on(event, () => resolve(event));
    });
  const listenTo = (device: Made, shown: Made = device) =>
    socketAt(`/socket.io/v1/${device.uuid}`, { uuid: shown.uuid, token: shown.token });

  it('the firehose gives what reaches its device, and never asks who it is', async () => {
    const r = await connectAs(url, await register(url, { name: 'ß' }));
    await r.ask('createSubscription', { subscriberUuid: r.uuid, emitterUuid: r.uuid, type: 'message.received' });
    const heard: unknown[] = [];
    const socket = listenTo(r);
    let identify = 0;
    socket.on('message', (message) => heard.push(message));
    socket.on('identify', () => (identify += 1));
    expect(await outcome(socket)).to.equal('connect');
    await r.ask('message', { devices: [r.uuid], payload: 'höwdy ✓' });
    await until(() => heard.length === 1);
    expect(heard[0]).to.deep.equal({
      metadata: { route: [{ from: r.uuid, to: r.uuid, type: 'message.received' }] },
      rawData: JSON.stringify({ devices: [r.uuid], payload: 'höwdy ✓' }),
    });
    expect(identify).to.equal(0);
    r.close();
  });

  it('the firehose takes credentials from headers, and refuses any but those of its own device', async () => {
    const [a, b] = [await register(url), await register(url)];
    const headers = { 'X-Meshblu-UUID': a.uuid, 'X-Meshblu-Token': a.token };
    const byHeaders = connect(url, {
      path: `/socket.io/v1/${a.uuid}`,
      transportOptions: { polling: { extraHeaders: headers } },
      extraHeaders: headers,
      forceNew: true,
      reconnection: false,
    });
    open.push(byHeaders);
    expect(await outcome(byHeaders)).to.equal('connect');
    expect(await outcome(listenTo(a, { ...a, token: 'x' }))).to.equal('connect_error');
    expect(await outcome(listenTo(a, b))).to.equal('connect_error');
    expect(await outcome(socketAt(`/socket.io/v1/${a.uuid}`))).to.equal('connect_error');
  });

  it('a firehose is closed when its token ends', async () => {
    const a = await connectAs(url, await register(url));
    const session = await a.ask<Made>('generateAndStoreToken', { uuid: a.uuid });
    const socket = listenTo(session);
    let gone = false;
    socket.on('disconnect', () => (gone = true));
    expect(await outcome(socket)).to.equal('connect');
    await a.ask('revokeToken', { uuid: a.uuid, token: session.token });
    await until(() => gone);
    a.close();
  });

  it('the second protocol identifies and updates with lists as acknowledgements', async () => {
    const a = await register(url, { count: 1 });
    const closed = await register(url, v2());
    const socket = socketAt('/socket.io/v2');
    const ask = (event: string, value: unknown): Promise<unknown> => new Promise((resolve) => socket.emit(event, value, resolve));
    expect(await outcome(socket)).to.equal('connect');
    expect(await ask('update', [{ uuid: a.uuid }, { $set: { x: 1 } }])).to.deep.equal([{ message: 'unauthorized', status: 403 }]);
    expect(await ask('identity', { uuid: a.uuid, token: 'x' })).to.deep.equal([{ message: 'unauthorized', status: 401 }]);
    expect(await ask('identity', { uuid: a.uuid, token: a.token })).to.deep.equal([null, { uuid: a.uuid }]);
    expect(await ask('update', [{ uuid: a.uuid }, { $inc: { count: 2 } }])).to.deep.equal([null]);
    expect(await ask('update', [{ uuid: closed.uuid }, { $set: { x: 1 } }])).to.deep.equal([
      { message: 'Device does not have sufficient permissions for update', status: 422 },
    ]);
    for (const garbage of [null, 'text', [], [null], [[], []]]) expect(await ask('update', garbage)).to.be.an('array');
    const own = await connectAs(url, a);
    expect(await own.ask('whoami', {})).to.include({ count: 3 });
    own.close();
  });
});
