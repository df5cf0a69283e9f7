import { revokeEverywhere } from '@rollcall/server/internal/data/cluster/revocation-barrier';
import { expect } from 'chai';
import { until } from '../support/until.ts';
import { breakWire } from './support/broken-wire.ts';
import { onBothEngines, onMongo } from './support/engines.ts';

onBothEngines('the barrier of an ending', (bench) => {
  it('is passed at once when nobody has anything left to carry out', async () => {
    const { node } = await bench().node();
    const begun = performance.now();
    await node.barrier();
    expect(performance.now() - begun).to.be.below(1_000);
  });

  it('waits until this node has carried out what it was told', async () => {
    const { node, devices, feed } = await bench().node();
    let finish!: () => void;
    node.addConsumer({
      change: ({ collection }) => (collection === 'devices' ? new Promise<void>((resolve) => (finish = resolve)) : undefined),
    });
    await devices.insert({ _id: 'a', uuid: 'a' });
    await until(() => feed.newest('devices', 'a'));
    let passed = false;
    const barrier = node.barrier().then(() => (passed = true));
    await until(() => finish);
    expect(passed).to.equal(false);
    finish();
    await barrier;
  });
});

onMongo('several nodes', (bench) => {
  it('wait for each other to carry out an ending', async () => {
    const [one, other] = [await bench().node(), await bench().node()];
    const carried: string[] = [];
    let finish!: () => void;
    other.node.addConsumer({
      change: ({ collection, id }) =>
        collection === 'devices'
          ? new Promise<void>((resolve) => (finish = () => (carried.push(String(id)), resolve())))
          : undefined,
    });
    await one.devices.insert({ _id: 'a', uuid: 'a' });
    const barrier = one.node.barrier().then(() => carried.push('passed'));
    await until(() => finish);
    finish();
    await barrier;
    expect(carried).to.deep.equal(['a', 'passed']);
  });

  it('pass a barrier within a second when all are well', async () => {
    const [one] = [await bench().node(), await bench().node(), await bench().node()];
    for (let round = 0; round < 5; round += 1) {
      const begun = performance.now();
      await one!.node.barrier();
      expect(performance.now() - begun).to.be.below(1_000);
    }
  });

  it('wait for one that was lost no longer than it may still do something', async () => {
    const wire = breakWire(bench().store);
    const [one, other] = [await bench().node(), await bench().node({ store: wire.store })];
    wire.next('nodes', 'replaceOne', ...Array.from({ length: 1_000 }, () => 'drop' as const));
    let state = '';
    other.node.onState((next) => (state ||= next));
    expect(one.node.lives(other.node.id)).to.equal(true);
    const begun = performance.now();
    let pausedFirst = false;
    await one.node.barrier().then(() => (pausedFirst = state === 'paused'));
    expect(pausedFirst).to.equal(true);
    expect(performance.now() - begun).to.be.below(7_500);
    expect(one.node.lives(other.node.id)).to.equal(false);
    expect(() => other.node.check()).to.throw('Service Unavailable');
    wire.next('nodes', 'replaceOne');
    await until(() => other.node.state === 'serving');
  });

  it('forget one that has gone in good order', async () => {
    const [one, other] = [await bench().node(), await bench().node()];
    await until(() => one.node.lives(other.node.id));
    await other.close();
    await until(() => !one.node.lives(other.node.id));
  });

  it('look again after the barrier if there was nothing to end', async () => {
    const { node } = await bench().node();
    const found = [false, true];
    let asked = 0;
    await revokeEverywhere(node, async () => found[asked++]!);
    expect(asked).to.equal(2);
  });
});
