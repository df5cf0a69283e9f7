import type { Client } from '@rollcall/client';
import { connect } from '@rollcall/client';
import { expect } from 'chai';
import { quick } from '../sdk/support/session.ts';
import { connectAs, connectRaw, register } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

interface Seen {
  readonly online?: boolean;
  readonly meshblu: { readonly online: { readonly since: string; readonly reason: string; readonly lastProof?: string } };
}

onBothStores('presence', (registries) => {
  let url = '';
  let watcher: Client;
  before(async () => {
    ({ url } = await registries.start());
    watcher = await connect(url, {}, { ...quick, autoSetOnline: false });
  });
  after(() => watcher.close());

  const look = async (uuid: string): Promise<Seen> => (await watcher.device({ uuid })).device as unknown as Seen;
  const becomes = (uuid: string, online: boolean): Promise<void> => until(async () => (await look(uuid)).online === online);

  it('says since when and why a device is on line, and when it last gave a sign of life', async () => {
    const made = await register(url);
    const socket = await connectAs(url, made, { auto_set_online: true });
    await becomes(made.uuid, true);
    const { since, reason, lastProof = '' } = (await look(made.uuid)).meshblu.online;
    expect(reason).to.equal('connected');
    expect(Date.now() - Date.parse(since)).to.be.within(0, 10_000);
    expect(Date.now() - Date.parse(lastProof)).to.be.within(0, 10_000);
    socket.close();
    await becomes(made.uuid, false);
    expect((await look(made.uuid)).meshblu.online)
      .to.include({ reason: 'disconnected' })
      .and.not.have.property('lastProof');
  });

  it('a device is on line as long as one of its sockets lives, whichever leaves last', async () => {
    const made = await register(url);
    const as = { auto_set_online: true };
    const sockets = [await connectAs(url, made, as), await connectAs(url, made, as), await connectAs(url, made, as)];
    await becomes(made.uuid, true);
    sockets[0]?.close();
    sockets[2]?.close();
    const mark = await connectAs(url, made, { auto_set_online: false });
    await mark.ask('update', { mark: 1 });
    expect((await look(made.uuid)).online).to.equal(true);
    sockets[1]?.close();
    await becomes(made.uuid, false);
    mark.close();
  });

  it('the late end of an old socket does not mark a newer one', async () => {
    const made = await register(url);
    const old = await connectAs(url, made, { auto_set_online: true });
    await becomes(made.uuid, true);
    const newer = await connectAs(url, made, { auto_set_online: true });
    const states: unknown[] = [];
    newer.socket.on('config', ({ online }: { online: boolean }) => states.push(online));
    old.close();
    await newer.ask('update', { mark: 1 });
    await until(() => states.length > 0);
    expect(states).to.not.include(false);
    expect((await look(made.uuid)).online).to.equal(true);
    newer.close();
  });

  it('a live socket is not shown off line, whatever is written', async () => {
    const made = await register(url);
    const socket = await connectAs(url, made, { auto_set_online: true });
    await becomes(made.uuid, true);
    await socket.ask('update', { online: false });
    await becomes(made.uuid, true);
    socket.close();
  });

  it('a socket that was never accepted changes nothing', async () => {
    const made = await register(url);
    const { rev } = (await look(made.uuid)).meshblu as unknown as { rev: number };
    const raw = await connectRaw(url);
    raw.socket.emit('identity', { uuid: made.uuid, token: 'wrong' });
    await until(() => raw.got('notReady').length === 1);
    raw.close();
    expect((await look(made.uuid)).meshblu).to.include({ rev });
  });

  it('what the server says of presence cannot be written', async () => {
    const made = await register(url);
    const socket = await connectAs(url, made, { auto_set_online: true });
    await becomes(made.uuid, true);
    await socket.ask('update', { meshblu: { online: { since: 'never', reason: 'because' } } });
    expect((await look(made.uuid)).meshblu.online.reason).to.equal('connected');
    socket.close();
  });

  it('many come and go together, and each is told once', async () => {
    const made = await Promise.all(Array.from({ length: 60 }, () => register(url)));
    const told: string[] = [];
    watcher.on('message', ({ fromUuid, payload }) => told.push(`${fromUuid} ${String((payload as { online: boolean }).online)}`));
    for (const { uuid } of made) await watcher.subscribe({ uuid, types: ['broadcast'] });
    const sockets = await Promise.all(made.map((one) => connectAs(url, one, { auto_set_online: true })));
    await until(() => told.length >= made.length, 10_000);
    for (const socket of sockets) socket.close();
    await until(() => told.length >= 2 * made.length, 10_000);
    expect(told.sort()).to.deep.equal(made.flatMap(({ uuid }) => [`${uuid} false`, `${uuid} true`]).sort());
    for (const { uuid } of made) expect((await look(uuid)).online).to.equal(false);
  });

  it('what a crash left on line is put right at the next start', async () => {
    const { url: first } = await registries.start({}, async (store) => {
      const online = {
        online: true,
        _rollcall: { rev: 3, shown: 3, presence: { nodes: ['a node that is no more'], since: 1, reason: 'connected' } },
      };
      for (const uuid of ['left-1', 'left-2'])
        await store.collection('devices').insertOne({ _id: uuid, uuid, ...online, discoverWhitelist: ['*'] });
    });
    const client = await connect(first, {}, quick);
    for (const uuid of ['left-1', 'left-2']) {
      const { device } = await client.device({ uuid });
      expect(device.online).to.equal(false);
      expect(device.meshblu?.['online']).to.include({ reason: 'node lost' });
    }
    client.close();
  });
});
