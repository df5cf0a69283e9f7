import type { Client, Device, LiveEvent, LiveQuery, Login } from '@rollcall/client';
import { connect } from '@rollcall/client';
import { expect } from 'chai';
import { v2 } from '../../support/meshblu.ts';
import { onBothStores } from '../../support/registries.ts';
import { until } from '../../support/until.ts';
import { startProxy, type Proxy } from '../../sdk/support/proxy.ts';
import { loss, quick, refusalCode } from '../../sdk/support/session.ts';

const names = (rows: readonly Device[]): unknown[] => rows.map((row) => row['name']);

onBothStores('a live query of the client', ({ start }) => {
  let url = '';
  let proxy: Proxy;
  let owner: Client;
  const clients: Client[] = [];
  const open = async (login: Login = {}, at = url): Promise<Client> => {
    const client = await connect(at, login, { ...quick, autoSetOnline: false });
    clients.push(client);
    return client;
  };
  before(async () => {
    ({ url } = await start());
    proxy = await startProxy(url);
    owner = await open();
  });
  after(() => {
    for (const client of clients) client.close();
    proxy.close();
  });

  /** A lamp that the owner controls and these may see. */
  const lamp = (kind: string, name: string, viewers: readonly string[] = []) => {
    const mine = owner.credentials.uuid;
    return owner.register(v2({ 'discover.view': [mine, ...viewers], 'configure.update': [mine] }, { type: kind, name }));
  };
  const lists = (viewers: readonly string[]) => ({
    'meshblu.whitelists.discover.view': [owner.credentials.uuid, ...viewers].map((uuid) => ({ uuid })),
  });
  const recorded = (live: LiveQuery): LiveEvent[] => {
    const events: LiveEvent[] = [];
    live.on('change', (event) => events.push(event));
    return events;
  };
  const told = (events: readonly LiveEvent[]) =>
    events.map(({ type, device, index, previousIndex }) => [type, device?.['name'], index, previousIndex]);

  it('starts with what a search finds, and tells who enters, changes, moves and leaves', async () => {
    const a = await lamp('told', 'a');
    const live = await owner.live({ type: 'told' }, { sort: { name: 1 } });
    expect(live.rows).to.deep.equal((await owner.devices({ type: 'told' })).devices);
    expect(live.rows).to.be.frozen;
    const events = recorded(live);
    const c = await lamp('told', 'c');
    await owner.update({ uuid: a.uuid, name: 'b' });
    await owner.update({ uuid: a.uuid, name: 'd' });
    await owner.unregister({ uuid: c.uuid });
    await owner.update({ uuid: a.uuid, type: 'other' });
    await until(() => events.length === 5);
    expect(told(events)).to.deep.equal([
      ['enter', 'c', 1, null],
      ['change', 'b', 0, 0],
      ['change', 'd', 1, 0],
      ['leave', 'c', null, 0],
      ['leave', 'd', null, 0],
    ]);
    expect(live.rows).to.deep.equal([]);
    live.close();
  });

  it('lets a device enter when its document grants the view, and leave when it is revoked', async () => {
    const viewer = await open();
    const live = await viewer.live({ type: 'granted' });
    const events = recorded(live);
    const { uuid } = await lamp('granted', 'a');
    await owner.update({ uuid, ...lists([viewer.credentials.uuid]) });
    await until(() => live.rows.length === 1);
    await owner.update({ uuid, name: 'b', ...lists([]) });
    await until(() => live.rows.length === 0);
    expect(told(events)).to.deep.equal([
      ['enter', 'a', 0, null],
      ['leave', 'a', null, 0],
    ]);
  });

  it('keeps the window of a limit right, from its reserve and then from the store', async () => {
    const made: Device[] = [];
    for (let index = 0; index < 45; index += 1) made.push(await lamp('window', `n${String(index).padStart(2, '0')}`));
    const live = await owner.live({ type: 'window' }, { sort: { name: 1 }, limit: 4 });
    expect(names(live.rows)).to.deep.equal(['n00', 'n01', 'n02', 'n03']);
    for (let index = 0; index < 40; index += 1) await owner.unregister({ uuid: made[index]!.uuid });
    await until(() => names(live.rows).join() === 'n40,n41,n42,n43');
    await lamp('window', 'm');
    await until(() => names(live.rows).join() === 'm,n40,n41,n42');
    live.close();
  });

  it('gives each reader the newest result, and ends with close', async () => {
    const live = await owner.live({ type: 'iterated' });
    const seen: unknown[][] = [];
    const reading = (async () => {
      for await (const rows of live) seen.push(names(rows));
    })();
    await until(() => seen.length === 1);
    await lamp('iterated', 'a');
    await until(() => seen.length === 2);
    await Promise.all(['b', 'c', 'd', 'e'].map((name) => lamp('iterated', name)));
    await until(() => seen.at(-1)?.length === 5);
    live.close();
    await reading;
    expect(seen[0]).to.deep.equal([]);
    expect(seen[1]).to.deep.equal(['a']);
  });

  it('is the same again after a drop, told by one resync', async () => {
    const { credentials } = await open();
    const viewer = await open(credentials, proxy.url);
    await lamp('dropped', 'a', [credentials.uuid]);
    const live = await viewer.live({ type: 'dropped' }, { sort: { name: 1 } });
    const events = recorded(live);
    const lost = loss(viewer);
    proxy.cut();
    await lost;
    await lamp('dropped', 'b', [credentials.uuid]);
    await until(() => live.rows.length === 2);
    await lamp('dropped', 'c', [credentials.uuid]);
    await until(() => live.rows.length === 3);
    expect(events.filter(({ type }) => type === 'resync')).to.have.length(1);
    expect(names(live.rows)).to.deep.equal(['a', 'b', 'c']);
  });

  it('shows equal queries to each who asked, until each has closed', async () => {
    const [one, two] = [await owner.live({ type: 'equal' }), await owner.live({ type: 'equal' })];
    await lamp('equal', 'a');
    await until(() => one.rows.length === 1 && two.rows.length === 1);
    one.close();
    await lamp('equal', 'b');
    await until(() => two.rows.length === 2);
    expect(one.rows).to.have.length(1);
    two.close();
  });

  it('does not tell what is hidden, such as a token that is reset', async () => {
    const device = await lamp('hidden', 'a');
    const live = await owner.live({ type: 'hidden' });
    const events = recorded(live);
    await owner.resetToken({ uuid: device.uuid });
    await owner.update({ uuid: device.uuid, name: 'b' });
    await until(() => events.length > 0);
    expect(told(events)).to.deep.equal([['change', 'b', 0, 0]]);
    expect(JSON.stringify(live.rows)).to.not.include('_rollcall');
  });

  it('refuses what devices refuses, and sorting by what is secret', async () => {
    for (const [filter, options] of [
      [{ token: 'x' }, {}],
      [{ $where: '1' }, {}],
      [{ name: { $regex: '(a+)+$' } }, {}],
      [{}, { sort: { token: 1 } }],
      [{}, { sort: { meshblu: 1 } }],
      [{}, { sort: { '_rollcall.rev': 1 } }],
      [{}, { sort: { name: 2 as 1 } }],
      [{}, { limit: 0 }],
      [{}, { limit: 1001 }],
    ] as const) {
      expect(await refusalCode(owner.live(filter, options)), JSON.stringify([filter, options])).to.equal('invalid-input');
    }
  });

  it('gives one connection 128 of them, and takes them all back with it', async () => {
    const greedy = await open();
    const opened: LiveQuery[] = [];
    let refused: unknown;
    for (let index = 0; index < 140 && refused === undefined; index += 1) {
      await greedy.live({ type: 'greedy', index }).then(
        (live) => opened.push(live),
        (error: { code: string }) => (refused = error.code),
      );
    }
    expect(opened).to.have.length(128);
    expect(refused).to.equal('busy');
    opened[0]!.close();
    expect((await greedy.live({ type: 'greedy', index: 999 })).rows).to.deep.equal([]);
  });
});
