import type { Client } from '@rollcall/client';
import { connect } from '@rollcall/client';
import { expect } from 'chai';
import { MongoClient } from 'mongodb';
import { quick } from '../sdk/support/session.ts';
import { register } from '../support/meshblu.ts';
import { startReplicaSet, type StartedReplicaSet } from '../support/mongod.ts';
import { until } from '../support/until.ts';
import { startGate } from './support/gate.ts';
import { startLone } from './support/lone.ts';
import { freshDatabase, startNode, type NodeProcess } from './support/processes.ts';

/** What counts from 0 without a hole, as far as it has come. */
const counted = (length: number): readonly number[] => Array.from({ length }, (_, n) => n);

const patient = { ...quick, autoSetOnline: false, callTimeoutMs: 40_000 };

/** What a suite has of its own. */
interface Own {
  set: StartedReplicaSet;
  database: string;
  readonly nodes: NodeProcess[];
}

/** A replica set of one's own with nodes on it; both end with the suite. */
const onOwnSet = (title: string, members: number, count: number, suite: (own: Own) => void): void => {
  describe(title, function () {
    this.timeout(90_000);
    const own = { nodes: [] as NodeProcess[] } as Own;
    before(async function () {
      const started = await startReplicaSet(members);
      if ('skip' in started) {
        this.test!.title = `skipped: ${started.skip}`;
        return this.skip();
      }
      own.set = started;
      own.database = freshDatabase(started.uri);
      for (let index = 0; index < count; index += 1) own.nodes.push(await startNode(own.database));
    });
    after(async () => {
      await Promise.all(own.nodes.map((node) => node.stop()));
      await own.set?.stop();
    });
    suite(own);
  });
};

/** The process of a set's primary. */
const primaryOf = async ({ uri, members }: StartedReplicaSet): Promise<number> => {
  const client = await MongoClient.connect(uri);
  const { primary } = await client.db('admin').command({ hello: 1 });
  await client.close();
  const member = members.find(({ port }) => String(primary).endsWith(`:${port}`));
  if (member === undefined) throw new Error('the set has no primary');
  return member.pid;
};

/** A listener on one node that notes what a device on another one changes and says. */
const listen = async (node: NodeProcess, lamp: Client): Promise<{ client: Client; changes: number[]; resyncs: string[] }> => {
  const client = await connect(node.url, {}, patient);
  const changes: number[] = [];
  const resyncs: string[] = [];
  client.on('config', ({ uuid, n }) => uuid === lamp.credentials.uuid && typeof n === 'number' && changes.push(n));
  client.on('resync', ({ reason }) => resyncs.push(reason));
  await client.subscribe({ uuid: lamp.credentials.uuid });
  return { client, changes, resyncs };
};

onOwnSet('faults of one mongod', 1, 2, (own) => {
  it('stopped for 6 s and continued: nothing acknowledged is lost, and who listens gets every change in order', async () => {
    const lamp = await connect(own.nodes[0]!.url, {}, patient);
    const { client, changes, resyncs } = await listen(own.nodes[1]!, lamp);
    const [mongod] = own.set.members;
    const writes = (async () => {
      for (const n of counted(40)) await lamp.update({ n });
    })();
    await until(() => changes.length > 10, 20_000);
    process.kill(mongod!.pid, 'SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    process.kill(mongod!.pid, 'SIGCONT');
    await writes;
    await until(() => changes.at(-1) === 39, 20_000);
    expect(resyncs).to.deep.equal([]);
    expect(changes).to.deep.equal(counted(40));
    expect(await lamp.whoami()).to.include({ n: 39 });
    client.close();
    lamp.close();
  });

  it('a hole in the feed is told to every client of ours, with its own document, and what follows comes as before', async () => {
    const lamp = await connect(own.nodes[0]!.url, {}, patient);
    const { client, changes, resyncs } = await listen(own.nodes[1]!, lamp);
    const seen: unknown[] = [];
    client.on('config', ({ uuid }) => seen.push(uuid));
    await lamp.update({ n: 1 });
    await until(() => changes.length === 1);
    const mongodb = await MongoClient.connect(own.database);
    const scratch = await mongodb.db().createCollection('scratch');
    await scratch.drop();
    await mongodb.close();
    await until(() => seen.includes(client.credentials.uuid), 10_000);
    expect(resyncs).to.deep.equal(['hole']);
    await lamp.update({ n: 2 });
    await until(() => changes.length === 2);
    client.close();
    lamp.close();
  });

  it('a client that is killed is off line at once, one that is cut within 8 s, and on line again when it is back', async () => {
    const watcher = await connect(own.nodes[0]!.url, {}, patient);
    const made = await register(own.nodes[0]!.url);
    const online = async (): Promise<unknown> => (await watcher.device({ uuid: made.uuid })).device.online;
    const first = await startLone(own.nodes[1]!.url, made);
    await until(async () => (await online()) === true);
    await first.end();
    await until(async () => (await online()) === false, 8_000);
    const second = await startLone(own.nodes[1]!.url, made);
    await until(async () => (await online()) === true);
    second.signal('SIGSTOP');
    const begun = performance.now();
    await until(async () => (await online()) === false, 12_000);
    expect(performance.now() - begun).to.be.below(8_000);
    second.signal('SIGCONT');
    await until(async () => (await online()) === true, 15_000);
    await second.end();
    watcher.close();
  });

  it('a node killed in the middle of deliveries: who was on it gets every acknowledged message once and in order, on the other node', async () => {
    const gate = await startGate(own.nodes[1]!.url);
    const receiver = await connect(gate.url, {}, patient);
    const sender = await connect(own.nodes[0]!.url, {}, patient);
    const got: number[] = [];
    const resyncs: string[] = [];
    receiver.on('message', ({ payload }) => typeof payload === 'number' && got.push(payload));
    receiver.on('resync', ({ reason }) => resyncs.push(reason));
    const { uuid } = receiver.credentials;
    const sends = (async () => {
      for (const n of counted(200)) await sender.message({ devices: [uuid], payload: n });
    })();
    await until(() => got.length > 40, 20_000);
    gate.open(own.nodes[0]!.url);
    own.nodes[1]!.signal('SIGKILL');
    await sends;
    await until(() => got.length >= 200, 20_000);
    expect(resyncs).to.deep.equal([]);
    expect(got).to.deep.equal(counted(200));
    receiver.close();
    sender.close();
    gate.close();
  });
});

onOwnSet('faults of a set of three', 3, 2, (own) => {
  it('its primary killed: each request takes effect once, and who listens gets every change in order or resync', async () => {
    const lamp = await connect(own.nodes[0]!.url, {}, patient);
    const { client, changes, resyncs } = await listen(own.nodes[1]!, lamp);
    const { uuid } = lamp.credentials;
    const writes = (async () => {
      for (const n of counted(40)) await lamp.documents.update({ uuid, update: { $set: { n }, $inc: { count: 1 } } });
    })();
    await until(() => changes.length > 10, 20_000);
    process.kill(await primaryOf(own.set), 'SIGKILL');
    await writes;
    await until(() => changes.at(-1) === 39 || resyncs.length > 0, 30_000);
    expect(await lamp.whoami()).to.include({ n: 39, count: 40 });
    if (resyncs.length === 0) expect(changes).to.deep.equal(counted(40));
    expect(changes).to.deep.equal([...changes].sort((one, other) => one - other));
    client.close();
    lamp.close();
  });
});
