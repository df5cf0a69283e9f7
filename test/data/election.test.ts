import { MongoClient } from 'mongodb';
import { RegistryError } from '@rollcall/client/contract';
import { expect } from 'chai';
import { startReplicaSet, type StartedReplicaSet } from '../support/mongod.ts';
import { until } from '../support/until.ts';
import { openMongoStore, openTestNode, type TestNode } from './support/nodes.ts';
import type { RequestId } from '@rollcall/server/internal/domain/revision';

/** Writers at work at the same time, and how long they go on, in milliseconds. */
const WRITERS = 12;
const WRITE_MS = 6_000;

interface Blow {
  readonly title: string;
  readonly members: number;
  strike(client: MongoClient, set: StartedReplicaSet): Promise<void>;
}

const blows: readonly Blow[] = [
  {
    title: 'steps down',
    members: 1,
    async strike(client) {
      // The connection on which a primary steps down may be closed before the answer.
      await client
        .db('admin')
        .command({ replSetStepDown: 2, force: true })
        .catch(() => undefined);
    },
  },
  {
    title: 'is killed',
    members: 3,
    async strike(client, set) {
      const { primary } = await client.db('admin').command({ hello: 1 });
      const victim = set.members.find(({ port }) => String(primary).endsWith(`:${port}`));
      process.kill(victim!.pid, 'SIGKILL');
    },
  },
];

const suite = ({ members, strike }: Blow) =>
  function (this: Mocha.Suite) {
    this.timeout(90_000);
    let set: StartedReplicaSet;
    let client: MongoClient;
    const nodes: TestNode[] = [];

    before(async function () {
      const started = await startReplicaSet(members);
      if ('skip' in started) {
        this.test!.title += ` (${started.skip})`;
        return this.skip();
      }
      set = started;
      client = await MongoClient.connect(set.uri, { heartbeatFrequencyMS: 500, serverSelectionTimeoutMS: 8_000 });
      const { store } = await openMongoStore(client, 'election');
      for (let index = 0; index < 2; index += 1) nodes.push(await openTestNode({ store, several: true }));
    });

    after(async () => {
      for (const node of nodes) await node.close();
      await client?.close();
      await set?.stop();
    });

    it('let every request take effect once, and serve again by themselves', async () => {
      const uuids = ['a', 'b', 'c'];
      for (const uuid of uuids) await nodes[0]!.devices.insert({ _id: uuid, uuid, effects: [] });
      for (const { feed } of nodes) await until(() => uuids.every((uuid) => feed.newest('devices', uuid)));
      const positions = nodes.map((): string[] => []);
      const begun = nodes.map(({ feed }) => feed.position).reduce((one, other) => (one > other ? one : other));
      nodes.forEach(({ feed }, index) => feed.subscribe(({ position }) => void positions[index]!.push(position)));
      const acknowledged: string[] = [];
      const unanswered: string[] = [];
      const end = performance.now() + WRITE_MS;

      const write = async (writer: number): Promise<void> => {
        for (let counter = 1; performance.now() < end; counter += 1) {
          const effect = `${writer}/${counter}`;
          let done = false;
          for (let again = 0; !done && again < 60; again += 1) {
            const request: RequestId = { actor: 'phone', instance: `writer ${writer}`, counter, again };
            try {
              await nodes[(writer + again) % 2]!.devices.update(uuids[counter % 3]!, request, (before) => ({
                next: { ...before!, effects: [...(before!['effects'] as string[]), effect] },
                visible: true,
              }));
              done = true;
            } catch (error) {
              if (!(error instanceof RegistryError) || !error.retry) throw error;
              await new Promise((resolve) => setTimeout(resolve, 100));
            }
          }
          (done ? acknowledged : unanswered).push(effect);
        }
      };
      const writers = Array.from({ length: WRITERS }, (_, writer) => write(writer));
      await until(() => acknowledged.length > 20);
      await strike(client, set);
      await Promise.all(writers);
      await until(() => nodes.every(({ node }) => node.state === 'serving'), 20_000);

      const documents = await Promise.all(uuids.map((uuid) => nodes[0]!.devices.getFresh(uuid)));
      const effects = documents.flatMap((document) => document!['effects'] as string[]);
      expect(effects.length).to.equal(new Set(effects).size);
      expect(acknowledged.filter((effect) => !effects.includes(effect))).to.deep.equal([]);
      expect(unanswered).to.deep.equal([]);
      documents.forEach((document) =>
        expect(document!._rollcall!.rev).to.be.at.least((document!['effects'] as string[]).length + 1),
      );
      expect(acknowledged.length).to.be.above(50);

      const last = nodes[0]!.feed.position;
      await until(() => nodes[1]!.feed.position >= last);
      const [one, other] = positions.map((list) => list.filter((position) => position > begun && position <= last));
      expect(one).to.deep.equal(other);
      for (const { cache } of nodes) {
        for (const document of documents) {
          await until(
            () => (cache.get('devices', document!.uuid)?._rollcall?.rev ?? document!._rollcall!.rev) === document!._rollcall!.rev,
          );
        }
      }
    });
  };

for (const blow of blows) describe(`two nodes on a replica set whose primary ${blow.title}`, suite(blow));
