import { expect } from 'chai';
import type { Registry } from '@rollcall/server';
import { connectAs, register, v2, type MeshbluSocket } from '../support/meshblu.ts';
import { onBothStores, onTwoNodes } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { closeClients, connectMqtt, type TestClient } from './support/client.ts';
import { adminPassword, openStage } from './support/ground.ts';
import { numbersFrom } from './support/random.ts';

const options = { mqttPort: 0, adminPassword };
/** Messages of one run. Fewer than may wait for one session. */
const total = 300;
/** Messages that each sender has under way at once. */
const atOnce = 4;
/** Attempts to connect. */
const maxTries = 20;

/** A kept session whose client loses its connection again and again while messages come for it, and what it has received. */
const openReceiver = (brokers: readonly string[], login: { username: string; password: string }, filters: readonly string[]) => {
  const received = new Set<string>();
  const keep = (text: string): void => {
    const parsed = JSON.parse(text) as { topic?: string; data?: { payload?: unknown } } | string;
    const name = typeof parsed === 'string' ? parsed : parsed.data?.payload;
    if (typeof name === 'string') received.add(name);
  };
  const connect = async (node: number): Promise<TestClient> => {
    for (let tries = 1; ; tries += 1) {
      try {
        const client = await connectMqtt(brokers[node % brokers.length] ?? '', {
          ...login,
          clientId: `kept-${login.username}`,
          clean: false,
        });
        for (const { text } of client.got) keep(text);
        client.mqtt.on('message', (_topic, payload) => keep(payload.toString()));
        return client;
      } catch (error) {
        // Another connection of the session may just be leaving.
        if (tries > maxTries) throw error;
      }
    }
  };
  return {
    received,
    connect,
    async begin(): Promise<TestClient> {
      const client = await connect(0);
      await client.subscribe(filters, 1);
      return client;
    },
  };
};

/** Sends all messages and disturbs the receiver meanwhile. Resolves with the names of acknowledged messages that did not arrive. */
const missingAfter = async (nodes: readonly Registry[], seed: number): Promise<readonly string[]> => {
  const next = numbersFrom(seed);
  const brokers = nodes.map(({ mqtt }) => mqtt[0] ?? '');
  const urls = nodes.map(({ url }) => url);
  const stage = await openStage(urls[0] ?? '');
  const username = `anna-${seed}`;
  const id = await stage.user(username, { 'plant/#': 'readWrite' });
  const sender = await register(urls[0] ?? '');
  const open = v2({ 'message.from': [sender.uuid] });
  expect((await stage.call('update', { uuid: id, ...open })).outcome).to.equal('ok');

  const receiver = openReceiver(brokers, { username, password: 'secret1' }, [id, 'plant/x']);
  let client = await receiver.begin();
  const sockets: MeshbluSocket[] = [];
  const publishers: TestClient[] = [];
  for (const [at, url] of urls.entries()) {
    sockets.push(await connectAs(url, sender));
    publishers.push(
      await connectMqtt(brokers[at] ?? '', { username: sender.uuid, password: sender.token, clientId: `device-${at}-${seed}` }),
      await connectMqtt(brokers[at] ?? '', { username, password: 'secret1', clientId: `user-${at}-${seed}` }),
    );
  }

  const acknowledged: string[] = [];
  let begun = 0;
  const ways: readonly ((name: string) => Promise<unknown>)[] = urls.flatMap((_, at) => [
    (name) => sockets[at]!.ask('message', { devices: [id], payload: name }),
    (name) => publishers[2 * at]!.publish('message', JSON.stringify({ devices: [id], payload: name }), { qos: 1 }),
    (name) => publishers[2 * at + 1]!.publish('plant/x', JSON.stringify(name), { qos: 1 }),
  ]);
  const send = async (way: number): Promise<void> => {
    while (begun < total) {
      const name = `${way}-${(begun += 1)}`;
      await ways[way]!(name);
      acknowledged.push(name);
    }
  };
  const sending = Promise.all(ways.flatMap((_, way) => Array.from({ length: atOnce }, () => send(way))));
  let isSending = true;
  const sent = sending.finally(() => (isSending = false));

  /** Ends the connection in one of the ways in which connections end, and comes back. */
  const disturb = async (): Promise<void> => {
    const before = client;
    const way = Math.floor(next() * 4);
    if (way === 0) before.cut();
    if (way === 1) await before.end();
    // No acknowledgement goes out before it is cut.
    if (way === 2) {
      before.mqtt.handleMessage = () => undefined;
      await passed(acknowledged.length + 5);
      before.cut();
    }
    // Ways 0 to 2 leave the session without a client for a while; way 3 takes it over.
    if (way < 3 && next() < 0.7) await passed(acknowledged.length + Math.floor(next() * 10));
    client = await receiver.connect(Math.floor(next() * nodes.length));
  };
  const passed = (count: number): Promise<void> => until(() => !isSending || acknowledged.length >= count, 20_000);
  while (isSending) {
    await passed(acknowledged.length + Math.floor(next() * 12));
    await disturb();
  }
  await sent;
  const missing = () => acknowledged.filter((name) => !receiver.received.has(name));
  await until(() => missing().length === 0, 10_000).catch(() => undefined);
  for (const socket of sockets) socket.close();
  return missing();
};

onBothStores('messages for kept sessions', (registries) => {
  let registry: Registry;
  before(async () => {
    registry = await registries.start(options);
  });
  afterEach(closeClients);

  for (const seed of [1, 2, 3])
    it(`delivers every acknowledged message, however often the connection ends: run ${seed} (D3)`, async () => {
      expect(await missingAfter([registry], seed)).to.deep.equal([]);
    });
});

onTwoNodes('messages for kept sessions on two nodes', options, (nodes) => {
  afterEach(closeClients);

  for (const seed of [4, 5])
    it(`delivers every acknowledged message, whichever node has the client: run ${seed} (D3)`, async () => {
      expect(await missingAfter(nodes, seed)).to.deep.equal([]);
    });
});
