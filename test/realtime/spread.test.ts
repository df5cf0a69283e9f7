import { expect } from 'chai';
import { connectAs, register, type MeshbluSocket } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

/** Bigger than any of the meshes below needs; without a bound each of them makes millions. */
const generousMs = 20_000;

onBothStores('what becomes of one message', (registries) => {
  let url = '';
  const open: MeshbluSocket[] = [];
  before(async () => {
    ({ url } = await registries.start({ messageDeliveries: 60 }));
  });
  afterEach(() => {
    for (const socket of open.splice(0)) socket.close();
  });

  const make = async (count: number): Promise<readonly MeshbluSocket[]> => {
    const made = await Promise.all(Array.from({ length: count }, async () => connectAs(url, await register(url))));
    open.push(...made);
    return made;
  };
  const others = (all: readonly MeshbluSocket[], { uuid }: MeshbluSocket): readonly string[] =>
    all.map((one) => one.uuid).filter((one) => one !== uuid);
  const counts = (all: readonly MeshbluSocket[]): readonly number[] => all.map((one) => one.got('message').length);
  const sum = (all: readonly MeshbluSocket[]): number => counts(all).reduce((total, count) => total + count, 0);
  const cutOff = async (): Promise<number> => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return Number(/^rollcall_messages_cut_off_total (\d+)$/m.exec(text)?.[1]);
  };
  /** Everything that was sent before has been delivered, and the process answers. */
  const settled = async (all: readonly MeshbluSocket[]): Promise<void> => {
    let seen = -1;
    await until(async () => {
      await Promise.all(all.map((one) => one.ask('status', {})));
      const before = seen;
      seen = sum(all);
      return before === seen;
    }, generousMs);
  };

  it('reaches each of 16 devices that forward to all others once by forwarding (S4)', async () => {
    const [sender] = await make(1);
    const mesh = await make(16);
    for (const one of mesh) await one.ask('update', { meshblu: { messageForward: others(mesh, one) } });
    const before = await cutOff();
    await sender?.ask('message', { devices: [mesh[0]?.uuid], payload: 1 });
    await until(() => sum(mesh) >= 17, generousMs);
    await settled(mesh);
    // The addressee gets the message itself, and one copy back from the first that forwards it.
    expect(counts(mesh)).to.deep.equal([2, ...Array.from({ length: 15 }, () => 1)]);
    expect(await cutOff()).to.equal(before);
  });

  it('reaches each of 10 devices that subscribe to the broadcasts of all others once (S4)', async () => {
    const mesh = await make(10);
    for (const one of mesh) {
      for (const emitterUuid of others(mesh, one))
        await one.ask('createSubscription', { subscriberUuid: one.uuid, emitterUuid, type: 'broadcast' });
      await one.ask('subscribe', { uuid: one.uuid, types: ['broadcast'] });
    }
    await mesh[0]?.ask('message', { devices: ['*'], payload: 1 });
    await until(() => sum(mesh) >= 10, generousMs);
    await settled(mesh);
    expect(counts(mesh)).to.deep.equal(Array.from({ length: 10 }, () => 1));
  });

  it('reaches each of 7 devices that subscribe to what all others send and receive once for each way (S4)', async () => {
    const mesh = await make(7);
    const sender = (await make(1))[0] as MeshbluSocket;
    const types = ['message.received', 'broadcast.received', 'broadcast.sent'];
    for (const one of mesh) {
      for (const emitter of [...mesh, sender])
        for (const type of types)
          await one.ask('createSubscription', { subscriberUuid: one.uuid, emitterUuid: emitter.uuid, type });
      await one.ask('subscribe', { uuid: one.uuid, types: ['firehose'] });
    }
    const copies = (): readonly number[] => mesh.map((one) => one.got('firehose').length);
    await sender.ask('message', { devices: ['*'], payload: 1 });
    await until(() => copies().every((count) => count > 0), generousMs);
    await settled(mesh);
    expect(copies()).to.deep.equal(Array.from({ length: 7 }, () => 1));
    await sender.ask('message', { devices: [mesh[0]?.uuid], payload: 1 });
    await until(() => copies().every((count) => count > 1), generousMs);
    await settled(mesh);
    expect(copies()).to.deep.equal(Array.from({ length: 7 }, () => 2));
  });

  it('reaches each of 6 devices that emit again what they receive at most twice (S4)', async () => {
    const mesh = await make(6);
    for (const one of mesh) {
      await one.ask('update', { meshblu: { forwarders: { broadcast: { received: [{ type: 'meshblu' }] } } } });
      for (const emitter of mesh)
        await one.ask('createSubscription', { subscriberUuid: one.uuid, emitterUuid: emitter.uuid, type: 'broadcast.sent' });
      await one.ask('createSubscription', { subscriberUuid: one.uuid, emitterUuid: one.uuid, type: 'broadcast.received' });
      await one.ask('subscribe', { uuid: one.uuid, types: ['firehose'] });
    }
    const copies = (): readonly number[] => mesh.map((one) => one.got('firehose').length);
    await mesh[0]?.ask('message', { devices: ['*'], payload: 1 });
    await until(() => copies().every((count) => count > 0), generousMs);
    await settled(mesh);
    for (const count of copies()) expect(count).to.be.within(1, 2);
  });

  it('ends at the bound of deliveries, counts the message, and serves others meanwhile (S4)', async () => {
    const [sender, other] = await make(2);
    const mesh = await make(70);
    for (const [at, one] of mesh.entries()) {
      const next = [1, 2, 3].map((step) => mesh[(at + step) % mesh.length]?.uuid);
      await one.ask('update', { meshblu: { messageForward: next } });
    }
    const before = await cutOff();
    await sender?.ask('message', { devices: [mesh[0]?.uuid], payload: 1 });
    expect(await other?.ask('status', {})).to.have.property('meshblu', 'online');
    await until(async () => (await cutOff()) === before + 1, generousMs);
    await settled(mesh);
    expect(sum(mesh)).to.be.within(2, 60);
  });
});
