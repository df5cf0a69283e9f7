import { expect } from 'chai';
import { openHistory } from './history.ts';
import { startProcess, type Process } from './process.ts';
import { openReplicaSet, type ReplicaSet } from './replica-set.ts';
import { openWorld, type World } from './world.ts';

/** Nodes that have just begun to serve, on a world that stands still until it is told to go on. */
const open = async (count: number): Promise<{ world: World; set: ReplicaSet; nodes: Process[] }> => {
  const world = openWorld(7);
  const set = openReplicaSet(world);
  const history = openHistory();
  const nodes = Array.from({ length: count }, (_, index) => startProcess(world, set, `node-${index}`, history, {}));
  set.insert('devices', { _id: 'lamp', uuid: 'lamp', effects: [], by: '', open: true });
  await world.runUntil(3_000);
  expect(nodes.map(({ node }) => node.state)).to.deep.equal(nodes.map(() => 'serving'));
  return { world, set, nodes };
};

/** How long the barrier of a node takes, in true milliseconds; it must be passed within 20 s. */
const barrier = async (world: World, { node }: Process): Promise<number> => {
  const begun = world.time;
  let ended = Number.POSITIVE_INFINITY;
  void node.barrier().then(() => (ended = world.time));
  await world.runUntil(begun + 20_000);
  return ended - begun;
};

/** When a node leaves a state or comes to it, in true milliseconds. */
const times = (world: World, { node }: Process): Map<string, number> => {
  const seen = new Map<string, number>();
  node.onState((state) => seen.set(state, world.time));
  return seen;
};

describe('an ending', () => {
  it('is over within a second when all nodes are well', async () => {
    const { world, nodes } = await open(3);
    expect(await barrier(world, nodes[0]!)).to.be.below(1_000);
  });

  it('takes 7 s at most when the feed of another node stalls, and by then that one has paused', async () => {
    const { world, nodes } = await open(2);
    const seen = times(world, nodes[1]!);
    nodes[1]!.connection.trouble.stalled = true;
    const begun = world.time;
    const took = await barrier(world, nodes[0]!);
    expect(took).to.be.within(5_000, 7_000);
    expect(seen.get('paused')).to.be.below(begun + took);
  });

  it('takes 7 s at most when another node has ended without a word', async () => {
    const { world, nodes } = await open(2);
    nodes[1]!.host.kill();
    expect(await barrier(world, nodes[0]!)).to.be.within(4_000, 7_000);
  });

  it('waits for a node that was started before it', async () => {
    const { world, set, nodes } = await open(1);
    const late = startProcess(world, set, 'late', openHistory(), {});
    await world.runUntil(world.time + 3_000);
    late.connection.trouble.stalled = true;
    expect(await barrier(world, nodes[0]!)).to.be.above(4_000);
  });
});

describe('a device', () => {
  it('is shown as offline within 8 s when it left a node whose feed then has a hole where it came', async () => {
    const { world, set, nodes } = await open(2);
    const [{ connection, messaging }] = nodes as [Process, Process];
    const shown = (): unknown => set.latest('devices', 'lamp')?.['online'];
    connection.trouble.stalled = true;
    connection.mute();
    const attached = messaging.attach('lamp', () => undefined);
    for (let passed = 0; shown() !== true && passed < 500; passed += 1) await world.runUntil(world.time + 1);
    expect(shown()).to.equal(true);
    attached.leave();
    await world.runUntil(world.time + 1_000);
    set.truncate();
    connection.heal();
    await world.runUntil(world.time + 8_000);
    expect(shown()).to.equal(false);
  });
});

describe('a node', () => {
  it('pauses 4 s after it was last proven alive, and goes on when the fault is over', async () => {
    const { world, nodes } = await open(2);
    const [, other] = nodes as [Process, Process];
    const seen = times(world, other);
    const cutAt = world.time;
    other.connection.trouble.cut = true;
    await world.runUntil(cutAt + 8_000);
    expect(seen.get('paused')! - cutAt).to.be.within(2_000, 4_600);
    expect(() => other.node.check()).to.throw('Service Unavailable');
    const healedAt = world.time;
    other.connection.heal();
    await world.runUntil(healedAt + 5_000);
    expect(other.node.state).to.equal('serving');
  });

  it('that was stopped does nothing when it wakes up, whatever was waiting', async () => {
    const { world, nodes } = await open(2);
    for (const freezes of [false, true]) {
      const { host, node } = nodes[1]!;
      host.stop(freezes);
      await world.runUntil(world.time + 9_000);
      let allowed: boolean | null = null;
      host.enter(() => {
        try {
          node.check();
          allowed = true;
        } catch {
          allowed = false;
        }
      });
      host.resume();
      await world.runUntil(world.time + 1);
      expect(allowed).to.equal(false);
      await world.runUntil(world.time + 20_000);
      expect(node.state).to.equal('serving');
    }
  });

  it('gives its clients up after a pause of 30 s', async () => {
    const { world, nodes } = await open(2);
    const seen = times(world, nodes[1]!);
    nodes[1]!.connection.trouble.cut = true;
    await world.runUntil(world.time + 40_000);
    expect(seen.get('lost')! - seen.get('paused')!).to.be.within(29_000, 32_000);
  });

  it('is not held for dead because of an election', async () => {
    const { world, set, nodes } = await open(3);
    set.elect(6_500, 1);
    for (let step = 0; step < 120; step += 1) {
      await world.runUntil(world.time + 100);
      for (const { node } of nodes) for (const other of nodes) expect(node.lives(other.name)).to.equal(true);
    }
    expect(nodes.map(({ node }) => node.state)).to.deep.equal(['serving', 'serving', 'serving']);
  });

  it('does not read its cache while its feed is late', async () => {
    const { world, nodes } = await open(2);
    const [one, other] = nodes as [Process, Process];
    const found = async (process: Process): Promise<unknown> => {
      let answer: unknown = 'none';
      void process.devices.get('lamp').then((document) => (answer = document?.['open']));
      await world.runUntil(world.time + 200);
      return answer;
    };
    expect(await found(other)).to.equal(true);
    other.connection.trouble.stalled = true;
    void one.admit('lamp', false);
    await world.runUntil(world.time + 2_500);
    expect(other.cache.get('devices', 'lamp')).to.have.property('open', true);
    expect(await found(other)).to.equal(false);
  });

  it('does not read its cache when it wakes up from a sleep that one of its clocks hides', async () => {
    const { world, nodes } = await open(1);
    const { host, node } = nodes[0]!;
    for (const freezes of [false, true]) {
      expect(node.trusts()).to.equal(true);
      host.stop(freezes);
      await world.runUntil(world.time + 2_500);
      expect(node.trusts()).to.equal(false);
      host.resume();
      await world.runUntil(world.time + 20_000);
    }
  });

  it('opens its stream anew when it is silent for 3 s', async () => {
    const { world, nodes } = await open(1);
    const { position } = nodes[0]!.feed;
    nodes[0]!.connection.mute();
    await world.runUntil(world.time + 5_000);
    expect(nodes[0]!.feed.position > position).to.equal(true);
  });
});
