import { expect } from 'chai';
import { connectAs, connectRaw, register, type MeshbluSocket } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { call, client, closeClients, next, type AnyClient } from '../transports/socketio/clients.ts';

/** Sends packets of Engine.IO as they stand. */
const sendPackets = ({ socket }: Pick<MeshbluSocket, 'socket'>, ...packets: readonly (string | Buffer)[]): void => {
  const { ws } = socket.io.engine.transport as unknown as { readonly ws: { send(data: string | Buffer): void } };
  for (const packet of packets) ws.send(packet);
};

/** Time that some hundred calls, one after the other, may take on a busy machine: on MongoDB each waits for its write. */
const maxManyCallsMs = 120_000;

/** A session of Engine.IO 3 by plain HTTP requests, and the texts that a GET of it answers. */
const openPolling = async (url: string) => {
  const target = `${url}/socket.io/?EIO=3&transport=polling`;
  const [, sid = ''] = /"sid":"([^"]+)"/.exec(await (await fetch(target)).text()) ?? [];
  const at = `${target}&sid=${sid}`;
  return {
    post: (packets: readonly string[]) =>
      fetch(at, { method: 'POST', body: packets.map((packet) => `${packet.length}:${packet}`).join('') }),
    get: async () => (await fetch(at)).text(),
  };
};

const refusals = async (url: string, kind: string): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^rollcall_refusals_total\\{kind="${kind}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
};

onBothStores('What Socket.IO clients send', (registries) => {
  let url = '';
  before(async () => {
    ({ url } = await registries.start({ legacy: true }));
  });
  afterEach(closeClients);

  /** The three ways in; each gives a client that has proved who it is. */
  const ways = {
    'the main engine': async (made: { uuid: string; token: string }): Promise<AnyClient> => (await connectAs(url, made)).socket,
    'the legacy engine, by websocket': (made: object) => legacy(made, ['websocket']),
    'the legacy engine, by polling': (made: object) => legacy(made, ['polling']),
  } as const;
  const legacy = async (made: object, transports: readonly string[]): Promise<AnyClient> => {
    const opened = client('1.7.4', url, { transports });
    await next(opened, 'identify');
    const ready = next(opened, 'ready');
    opened.emit('identity', { ...made, auto_set_online: false });
    await ready;
    return opened;
  };

  for (const [way, open] of Object.entries(ways)) {
    describe(`by ${way}`, () => {
      it('300 calls at once without acknowledgement are all carried out, in their order (D2)', async () => {
        const [sender, hearer] = [await register(url), await register(url)];
        const heard = await connectAs(url, hearer);
        const opened = await open(sender);
        for (let index = 0; index < 300; index += 1) opened.emit('message', { devices: [hearer.uuid], index });
        await until(() => heard.got('message').length >= 300, 90_000);
        const numbers = heard.got('message').map((message) => (message as { index: number }).index);
        expect(numbers).to.deep.equal(Array.from({ length: 300 }, (_, index) => index));
        opened.close();
        heard.close();
      }).timeout(maxManyCallsMs);

      it('100 updates at once without acknowledgement are all carried out before the call behind them (D2)', async () => {
        const sender = await register(url);
        const opened = await open(sender);
        for (let index = 0; index < 100; index += 1) opened.emit('update', { uuid: sender.uuid, index });
        expect(await call(opened, 'whoami', {})).to.include({ index: 99 });
        opened.close();
      }).timeout(maxManyCallsMs);

      it('calls that were sent before the client closes the connection are carried out (D2)', async () => {
        const sender = await register(url);
        const opened = await open(sender);
        await call(opened, 'status', {});
        for (let index = 1; index <= 40; index += 1) opened.emit('update', { uuid: sender.uuid, index });
        // The 1.x client sends in the next turn what it was given before it is closed.
        if (way.endsWith('polling')) await call(opened, 'status', {});
        opened.close();
        const watcher = await connectAs(url, sender);
        await until(async () => (await watcher.ask('whoami', {}))['index'] === 40, 20_000);
        watcher.close();
      });

      for (const nothing of [[null], [undefined], [null, null]] as const) {
        it(`a call whose arguments end with ${nothing.map(String).join(', ')} is carried out (D1)`, async () => {
          const [sender, hearer] = [await register(url), await register(url)];
          const heard = await connectAs(url, hearer);
          const opened = await open(sender);
          opened.emit('message', { devices: [hearer.uuid], n: 1 }, ...nothing);
          opened.emit('update', { uuid: sender.uuid, color: 'blue' }, ...nothing);
          await until(() => heard.got('message').length === 1);
          expect(await call(opened, 'whoami', {}, ...nothing)).to.include({ color: 'blue' });
          expect(await call(opened, 'whoami', ...nothing)).to.include({ color: 'blue' });
          opened.close();
          heard.close();
        });
      }

      it('a call of a wrong form that nobody is answered ends the connection with a reason, and is counted (D2)', async () => {
        const opened = await open(await register(url));
        const before = [await refusals(url, 'call-form'), await refusals(url, 'unacknowledged-call')] as const;
        const reason = next<object>(opened, 'notReady');
        opened.emit('update', { color: 'blue' }, { colour: 1 });
        expect(await reason).to.deep.include({ status: 422, error: { message: 'Unprocessable Entity', code: 422 } });
        await until(() => !opened.connected);
        expect(await refusals(url, 'call-form')).to.equal(before[0] + 1);
        expect(await refusals(url, 'unacknowledged-call')).to.equal(before[1] + 1);
      });

      it('an event with too many arguments closes that connection, and no other one notices (S1)', async () => {
        const [bad, good] = [await open(await register(url)), await open(await register(url))];
        bad.emit('x', ...Array.from({ length: 60_000 }, () => 1));
        await until(() => !bad.connected);
        expect(await call(good, 'status', {})).to.deep.equal({ meshblu: 'online' });
        good.close();
      });

      it('an identity with a callback is answered there too (W8)', async () => {
        const made = await register(url);
        const opened =
          way === 'the main engine' ? client('4.8', url) : client('2.5.0', url, { transports: [way.split(' ').at(-1)] });
        await next(opened, 'identify');
        const { uuid, token } = made;
        expect(await call(opened, 'identity', { uuid, token: 'x' })).to.deep.equal({
          api: 'connect',
          status: 401,
          uuid,
          token: 'x',
        });
        expect(await call(opened, 'identity', { uuid, token })).to.deep.equal({ api: 'connect', status: 201, uuid, token });
        expect(await call(opened, 'whoami', {})).to.include({ uuid });
      });
    });
  }

  for (const version of ['4.8', '1.7.4'] as const) {
    it(`what ${version} sends before its identity is answered is carried out as that device, also if it closes at once (D2)`, async () => {
      const { uuid, token } = await register(url);
      const opened = client(version, url);
      await next(opened, 'identify');
      opened.emit('identity', { uuid, token });
      opened.emit('update', { uuid, color: 'blue' });
      opened.close();
      const watcher = await connectAs(url, { uuid, token });
      await until(async () => (await watcher.ask('whoami', {}))['color'] === 'blue', 20_000);
      watcher.close();
    });
  }

  it('an event without a name and a binary argument are answered, and the connection goes on (W8)', async () => {
    const raw = await connectAs(url, await register(url));
    const answers: string[] = [];
    raw.socket.io.engine.on('message', (text: string) => answers.push(text));
    sendPackets(raw, '42900[5,{}]');
    await until(() => answers.length === 1);
    sendPackets(raw, '451-901["update",{"a":{"_placeholder":true,"num":0}}]', Buffer.from([1, 2]));
    await until(() => answers.length === 2);
    expect(answers.map((text) => text.slice(0, 5))).to.deep.equal(['3900[', '3901[']);
    for (const text of answers) expect(text).to.include('Unprocessable Entity');
    expect(await raw.ask('status', {})).to.deep.equal({ meshblu: 'online' });
    raw.close();
  });

  it('a refused identity registers no device (W8)', async () => {
    const raw = await connectRaw(url);
    sendPackets(raw, '42900["identity",{"__proto__":{}}]');
    expect(await raw.ask('whoami', {})).to.deep.equal({ error: 'Unauthorized' });
    expect(raw.got('ready')).to.deep.equal([]);
    raw.close();
  });

  it('one POST of 65,000 arguments closes its session, and no other one notices (S1)', async () => {
    const [bad, good] = [await openPolling(url), await connectAs(url, await register(url))];
    await bad.post([`42["x"${',1'.repeat(65_000)}]`]).catch(() => undefined);
    await until(async () => (await bad.get()).includes('Session ID unknown'));
    expect(await good.ask('status', {})).to.deep.equal({ meshblu: 'online' });
    good.close();
  });

  it('one POST of more packets than are taken at once closes its session before they are read (S1)', async () => {
    const bad = await openPolling(url);
    await bad.post(Array.from({ length: 20_001 }, () => '2')).catch(() => undefined);
    await until(async () => (await bad.get()).includes('Session ID unknown'));
  });

  it('one POST of more bytes of calls than may wait closes its session with a reason, and is counted (D2)', async () => {
    const before = await refusals(url, 'intake-overflow');
    const bad = await openPolling(url);
    const padding = 'x'.repeat(400);
    const reason = (async () => {
      for (let text = ''; ; text = await bad.get()) if (text.includes('notReady')) return text;
    })();
    await bad.post(Array.from({ length: 19_000 }, () => `42["status","${padding}"]`)).catch(() => undefined);
    expect(await reason)
      .to.include('"status":413')
      .and.to.include('Payload Too Large');
    expect(await refusals(url, 'intake-overflow')).to.equal(before + 1);
  });
});
