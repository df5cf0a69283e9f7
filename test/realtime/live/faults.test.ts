import { connect as connectTcp } from 'node:net';
import type { Client, LiveEvent } from '@rollcall/client';
import { connect } from '@rollcall/client';
import type { Db } from 'mongodb';
import { expect } from 'chai';
import { connectAs, connectRaw, register, v2 } from '../../support/meshblu.ts';
import { onBothStores } from '../../support/registries.ts';
import { until } from '../../support/until.ts';

interface Answer {
  readonly id?: string;
  readonly code?: string;
  readonly rows?: readonly unknown[];
}

onBothStores('live queries under bad input and faults', ({ start, inspect }) => {
  let url = '';
  const clients: Client[] = [];
  const open = async (): Promise<Client> => {
    const client = await connect(url, {}, { autoSetOnline: false });
    clients.push(client);
    return client;
  };
  before(async () => ({ url } = await start()));
  after(() => clients.splice(0).forEach((client) => client.close()));

  it('answer ten thousand openings from one socket, each once, and serve the others meanwhile', async () => {
    const greedy = await connectAs(url, await register(url, v2()));
    const other = await connectAs(url, await register(url, v2()));
    const count = 10_000;
    const codes = new Map<string, number>();
    let answers = 0;
    for (let index = 0; index < count; index += 1) {
      greedy.socket.emit('live:open', { filter: { index } }, {}, ({ id, code = '' }: Answer) => {
        answers += 1;
        codes.set(id === undefined ? code : 'opened', (codes.get(id === undefined ? code : 'opened') ?? 0) + 1);
      });
    }
    expect(await other.ask('live:open', { filter: { type: 'none' } }, {})).to.deep.include({ rows: [] });
    await until(() => answers === count, 20_000);
    expect([...codes.keys()].sort()).to.deep.equal(['busy', 'opened']);
    expect(codes.get('opened')).to.be.at.most(128);
    let refused: Answer = {};
    for (let index = 0; refused.code === undefined; index += 1)
      refused = await greedy.ask<Answer>('live:open', { filter: { more: index } }, {});
    expect(refused.code).to.equal('busy');
    greedy.close();
    other.close();
  });

  it('refuse filters and orders that are deep, huge or hostile with a typed error', async () => {
    const socket = await connectAs(url, await register(url, v2()));
    const nested = (depth: number): object => (depth === 0 ? { a: 1 } : { $or: [nested(depth - 1)] });
    const wide = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`p${index}`, 1]));
    const filter = {};
    for (const input of [
      {},
      { filter: null },
      { filter: [] },
      { filter: 'x' },
      { filter: nested(9) },
      { filter: wide },
      { filter: { a: { $in: Array.from({ length: 101 }, (_, index) => index) } } },
      { filter: { a: { $regex: '^(a+)+$' } } },
      { filter: { $expr: { $gt: [1, 0] } } },
      { filter: { _rollcall: 1 } },
      { filter: { 'meshblu.tokens.x': 1 } },
      { filter, sort: [] },
      { filter, sort: { 'a.0': 1 } },
      { filter, sort: { '': 1 } },
      { filter, sort: { 'a..b': 1 } },
      { filter, sort: { $natural: 1 } },
      { filter, sort: Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`p${index}x`, 1])) },
      { filter, limit: '5' },
      { filter, limit: 1.5 },
      { filter, as: 'nobody' },
    ]) {
      expect(await socket.ask('live:open', input, {}), JSON.stringify(input)).to.include({ code: 'invalid-input', status: 422 });
    }
    expect(await socket.ask('live:open', { filter }, { as: 'somebody' })).to.include({ code: 'forbidden' });
    expect(await socket.ask('live:read', { id: 'nothing' }, {})).to.include({ code: 'not-found' });
    expect(await socket.ask('live:close', { id: 'nothing' }, {})).to.deep.equal({ id: 'nothing' });
    socket.close();
  });

  it('belong to the connection that opened them: no other can read or close them', async () => {
    const made = await register(url, v2());
    const [one, other] = [await connectAs(url, made), await connectAs(url, await register(url, v2()))];
    const { id } = await one.ask<{ id: string }>('live:open', { filter: {} }, {});
    expect(await other.ask('live:read', { id }, {})).to.include({ code: 'not-found' });
    await other.ask('live:close', { id }, {});
    await one.ask('update', { color: 'blue' });
    await until(() => one.got('live:changed').length > 0);
    expect(other.got('live:changed')).to.deep.equal([]);
    one.close();
    other.close();
  });

  it('need an identity', async () => {
    const response = await fetch(`${url}/live`);
    expect(response.status).to.equal(401);
    const raw = await connectRaw(url);
    expect(await raw.ask('live:open', { filter: {} }, {})).to.include({ code: 'unauthenticated' });
    raw.close();
  });

  it('let a stream go that does not read', async () => {
    const owner = await connectAs(url, await register(url, v2()));
    const stream = connectTcp(Number(new URL(url).port), '127.0.0.1');
    const credentials = Buffer.from(`${owner.uuid}:${owner.token}`).toString('base64');
    stream.write(`GET /live HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${credentials}\r\n\r\n`);
    await new Promise((resolve) => stream.once('data', resolve));
    stream.pause();
    const lamps = await Promise.all(
      Array.from({ length: 8 }, async () => connectAs(url, await register(url, v2({ 'discover.view': [owner.uuid] })))),
    );
    for (let round = 0; round < 50; round += 1)
      await Promise.all(lamps.map((lamp) => lamp.ask('update', { blob: String(round % 10).repeat(60_000) })));
    for (const lamp of lamps) lamp.close();
    let received = 0;
    let closed = false;
    stream.on('data', (data: Buffer) => (received += data.length));
    stream.on('error', () => undefined);
    stream.on('close', () => (closed = true));
    stream.resume();
    await until(() => closed);
    expect(received).to.be.below(400 * 60_000);
    owner.close();
  });

  it('tell a hole in the feed as one resync with the right rows', async function () {
    if (!this.test!.parent!.title.endsWith('MongoDB')) {
      this.test!.title = 'skipped: the feed of the embedded store has no holes while it runs';
      return;
    }
    const owner = await open();
    const live = await owner.live({ type: 'hole' }, { sort: { name: 1 } });
    const events: LiveEvent[] = [];
    live.on('change', (event) => events.push(event));
    await owner.register({ type: 'hole', name: 'a', owner: owner.credentials.uuid });
    await until(() => live.rows.length === 1);
    await inspect(async (store) => {
      await (store as unknown as Db).createCollection('dropped');
      await (store as unknown as Db).dropCollection('dropped');
    });
    await until(() => events.some(({ type }) => type === 'resync'));
    await owner.register({ type: 'hole', name: 'b', owner: owner.credentials.uuid });
    await until(() => live.rows.length === 2);
    expect(events.map(({ type }) => type)).to.deep.equal(['enter', 'resync', 'enter']);
  });
});
