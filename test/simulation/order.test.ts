import type { RegistryError } from '@rollcall/client';
import { expect } from 'chai';
import { openHistory } from './history.ts';
import { startProcess, type Process } from './process.ts';
import type { Attached } from './realtime.ts';
import { openReplicaSet } from './replica-set.ts';
import { openWorld } from './world.ts';

/** A client of ours and the payloads of the messages that came to it, in their order. */
interface Client {
  attached: Attached;
  readonly heard: unknown[];
  /** Where it is: it resumes from there. */
  cursor: string;
}

/** Two nodes that serve, on a world that stands still until it is told to go on; four devices. */
const open = async () => {
  const world = openWorld(11);
  const set = openReplicaSet(world);
  const history = openHistory();
  const [here, there] = ['here', 'there'].map((name) => startProcess(world, set, name, history, {})) as [Process, Process];
  for (const uuid of ['lamp', 'fan', 'radio', 'phone']) set.insert('devices', { _id: uuid, uuid, sendWhitelist: '*' });
  const pass = (ms: number): Promise<void> => world.runUntil(world.time + ms);
  /** Waits for something that the world has to go on for. */
  const done = async <T>(work: Promise<T>, ms = 500): Promise<T> => {
    let settled = false;
    void work.then(
      () => (settled = true),
      () => (settled = true),
    );
    for (let passed = 0; !settled && passed < ms; passed += 1) await pass(1);
    if (!settled) throw new Error(`not done within ${ms} ms`);
    return work;
  };
  const connect = (node: Process, uuid: string, back?: Client): Client => {
    const client: Client = back ?? { attached: null!, heard: [], cursor: node.feed.cursor };
    const got = (event: string, body: Readonly<Record<string, unknown>>, cursor: string | undefined): void => {
      client.cursor = cursor ?? client.cursor;
      if (event === 'message') client.heard.push(body['payload']);
      if (event === 'resync') client.heard.push('resync');
    };
    client.attached = node.messaging.attach(uuid, got, back?.cursor);
    return client;
  };
  /** The client was here, and is gone. */
  const away = (uuid: string): Client => {
    const client = connect(here, uuid);
    client.attached.leave();
    return client;
  };
  /** The client connects again, and is brought up to date. */
  const comesBack = async (client: Client, uuid: string): Promise<void> => {
    connect(here, uuid, client);
    await done(client.attached.resume());
  };
  /** While something happens, the feed brings nothing to a node. */
  const withoutFeed = async (node: Process, happens: () => Promise<void>): Promise<void> => {
    node.connection.trouble.stalled = true;
    await happens();
    node.connection.heal();
    await pass(200);
  };
  const say = (node: Process, from: string, payload: unknown, repeated = false) =>
    done(node.messaging.say(from, ['phone'], payload, repeated));
  await pass(3_000);
  // What the messages will ask for is in the memory of both nodes.
  for (const node of [here, there]) for (const from of ['lamp', 'fan']) await say(node, from, `first of ${from} ${node.name}`);
  await pass(100);
  return { world, set, here, there, pass, done, connect, away, comesBack, withoutFeed, say };
};

describe('a message that is delivered at once', () => {
  it('does not wait for the feed when its addressee is up to date', async () => {
    const { here, connect, withoutFeed, say } = await open();
    const phone = connect(here, 'phone');
    await withoutFeed(here, async () => {
      await say(here, 'lamp', 1);
      await say(here, 'fan', 2);
      expect(phone.heard).to.deep.equal([1, 2]);
    });
    expect(phone.heard).to.deep.equal([1, 2]);
  });

  it('does not overtake one of the same sender that was sent before its addressee was back', async () => {
    const { here, away, comesBack, withoutFeed, say } = await open();
    const phone = away('phone');
    await withoutFeed(here, async () => {
      await say(here, 'lamp', 1);
      await comesBack(phone, 'phone');
      await say(here, 'lamp', 2);
      await say(here, 'lamp', 3);
    });
    expect(phone.heard).to.deep.equal([1, 2, 3]);
  });

  it('does not overtake one of another sender that was acknowledged before', async () => {
    const { here, away, comesBack, withoutFeed, say } = await open();
    const phone = away('phone');
    await withoutFeed(here, async () => {
      await say(here, 'fan', 1);
      await comesBack(phone, 'phone');
      await say(here, 'lamp', 2);
      await say(here, 'fan', 3);
    });
    expect(phone.heard).to.deep.equal([1, 2, 3]);
  });

  it('does not overtake one that another node took before its addressee was back', async () => {
    const { here, there, away, comesBack, withoutFeed, say } = await open();
    const phone = away('phone');
    await withoutFeed(here, async () => {
      await say(there, 'fan', 1);
      await comesBack(phone, 'phone');
      await say(here, 'lamp', 2);
    });
    expect(phone.heard).to.deep.equal([1, 2]);
  });

  it('comes once and in its turn when its addressee was back before it was decided who gets it', async () => {
    const { here, done, away, comesBack, withoutFeed, say } = await open();
    const phone = away('phone');
    await withoutFeed(here, async () => {
      here.connection.trouble.slowness = 400;
      const first = here.messaging.say('radio', ['phone'], 1);
      here.connection.trouble.slowness = 0;
      await comesBack(phone, 'phone');
      await say(here, 'fan', 2);
      await done(first);
    });
    expect(phone.heard).to.have.members([1, 2]);
  });

  it('comes by the feed to those that it could not be delivered to because the node paused', async () => {
    const { world, set, here, pass, connect, say } = await open();
    const phone = connect(here, 'phone');
    const senders = Array.from({ length: 30 }, (_, n) => `sender ${n}`);
    for (const uuid of senders) set.insert('devices', { _id: uuid, uuid, sendWhitelist: '*' });
    here.connection.trouble.stalled = true;
    here.connection.trouble.slowness = 400;
    const outcomes = new Map<string, string>();
    for (const from of senders) {
      void here.messaging.say(from, ['phone'], from).then(
        () => outcomes.set(from, 'done'),
        (error: RegistryError) => outcomes.set(from, error.code),
      );
      await pass(200);
    }
    expect(here.node.state).to.equal('paused');
    here.connection.heal();
    await world.runUntil(world.time + 10_000);
    const isWritten = (from: string): boolean => set.latest('messages', `${from}/${from}`) !== null;
    const halfway = senders.filter((from) => outcomes.get(from) !== 'done' && isWritten(from));
    expect(halfway).to.have.length.above(0);
    for (const from of senders.filter((one) => outcomes.get(one) !== 'done')) await say(here, from, from, true);
    await pass(200);
    // A client knows doubles by their ids.
    expect([...new Set(phone.heard)]).to.have.members(senders);
  });

  it('of a sender who has come from another node does not overtake what that one took from him', async () => {
    const { here, there, connect, comesBack, withoutFeed, say } = await open();
    const phone = connect(here, 'phone');
    const lamp = connect(there, 'lamp');
    await withoutFeed(here, async () => {
      await say(there, 'lamp', 1);
      lamp.attached.leave();
      await comesBack(lamp, 'lamp');
      await say(here, 'lamp', 2);
      await say(here, 'lamp', 3);
      await say(here, 'fan', 4);
      expect(phone.heard).to.deep.equal([4]);
    });
    expect(phone.heard).to.deep.equal([4, 1, 2, 3]);
  });

  it('does not overtake one whose repeat has come to this node and whose first sending to another', async () => {
    const { here, there, connect, withoutFeed, say } = await open();
    const phone = connect(here, 'phone');
    await withoutFeed(here, async () => {
      await say(there, 'lamp', 1);
      await say(here, 'lamp', 1, true);
      await say(here, 'lamp', 2);
    });
    expect(phone.heard).to.deep.equal([1, 2]);
  });

  it('does not come before one that was sent before its addressee was there, who would get that one late when it came back', async () => {
    const { here, connect, comesBack, withoutFeed, pass, say } = await open();
    let phone!: Client;
    await withoutFeed(here, async () => {
      await say(here, 'lamp', 1);
      phone = connect(here, 'phone');
      await say(here, 'lamp', 2);
      phone.attached.leave();
      await comesBack(phone, 'phone');
    });
    await pass(200);
    expect(phone.heard).to.deep.equal([1, 2]);
    await say(here, 'lamp', 3);
    await pass(200);
    const other = connect(here, 'phone');
    await withoutFeed(here, async () => {
      await say(here, 'lamp', 4);
      expect(other.heard).to.deep.equal([4]);
    });
  });

  it('comes at once again as soon as the feed has brought what it follows', async () => {
    const { here, away, comesBack, withoutFeed, say } = await open();
    const phone = away('phone');
    await comesBack(phone, 'phone');
    await say(here, 'lamp', 1);
    await withoutFeed(here, async () => undefined);
    await withoutFeed(here, async () => {
      await say(here, 'lamp', 2);
      await say(here, 'fan', 3);
      expect(phone.heard).to.deep.equal([1, 2, 3]);
    });
  });
});

describe('a delivery that the feed has brought', () => {
  it('is made up for when the documents that decide on it could not be read for a moment', async () => {
    const { set, here, there, pass, connect, say } = await open();
    const phone = connect(here, 'phone');
    for (let n = 0; n < 6; n += 1) {
      const from = `sender ${n}`;
      set.insert('devices', { _id: from, uuid: from, sendWhitelist: '*' });
      await pass(100);
      here.cache.drop('devices', from);
      here.connection.trouble.loss = 1;
      await say(there, from, n);
      await pass(10);
      here.connection.trouble.loss = 0;
      await pass(8_000);
      expect(phone.heard).to.have.length(n + 1);
    }
    expect(phone.heard).to.deep.equal([0, 1, 2, 3, 4, 5]);
  });
});
