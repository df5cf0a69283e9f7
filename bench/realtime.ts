import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type Client } from '@rollcall/client';
import { MongoClient } from 'mongodb';
import { fillMongo } from './fill.ts';
import { handshake } from './load/calls.ts';
import { together } from './load/loop.ts';
import { connect as connectWire, type Wire } from './load/wire.ts';
import type { Measure, Result } from './measure.ts';
import { deviceUuid, tokenOf, tokenRow, type Population } from './population.ts';
import { startRaw, startRegistry, type Served } from './processes.ts';
import { median, quantile, rounded } from './statistics.ts';

/** Devices that everybody may listen to; each client listens to one of them. */
const hubs = 50;
/** What each hub says, and how often it changes, while the clients are away. */
const missed = 10;
/** Clients that try to come back at the same time. */
const atOnce = 256;

const hubUuid = (index: number): string => `hub-${index % hubs}`;

/** Adds the hubs to a database that has been filled. */
const addHubs = async (url: string): Promise<void> => {
  const client = await MongoClient.connect(url);
  const uuids = Array.from({ length: hubs }, (_, index) => hubUuid(index));
  const lists = { discoverWhitelist: ['*'], receiveWhitelist: ['*'], sendWhitelist: ['*'], configureWhitelist: [] };
  const document = (uuid: string) => ({
    _id: uuid,
    uuid,
    ...lists,
    meshblu: { createdAt: new Date(0) },
    _rollcall: { rev: 1, shown: 1 },
  });
  await client.db().collection<{ _id: string }>('devices').insertMany(uuids.map(document));
  await client
    .db()
    .collection<{ _id: string }>('tokens')
    .insertMany(uuids.map((uuid) => ({ ...tokenRow(uuid), _id: `root:${uuid}` })));
  await client.close();
};

/** Counts the queries that a database answers from now on; the answer gives their number and stops counting. */
const countQueries = async (client: MongoClient): Promise<() => Promise<number>> => {
  const db = client.db();
  await db.command({ profile: 0 });
  await db.collection('system.profile').drop();
  await db.createCollection('system.profile', { capped: true, size: 16 * 1024 * 1024 });
  await db.command({ profile: 1, slowms: 0, filter: { op: 'query' } });
  return async () => {
    await db.command({ profile: 0 });
    return db.collection('system.profile').countDocuments({});
  };
};

/** The answer of a call; what was unavailable is asked again, as our client does. */
const ask = async (wire: Wire, event: string, input: object): Promise<Record<string, unknown>> => {
  for (;;) {
    const answer = await Promise.race([
      new Promise<string>((resolve) => wire.call(event, `${JSON.stringify(input)},{}`, resolve)),
      wire.closed.then(() => Promise.reject(new Error(`closed before ${event} was answered`))),
    ]);
    const [result = {}] = JSON.parse(answer) as Record<string, unknown>[];
    if (!('error' in result)) return result;
    if (result['code'] !== 'unavailable') throw new Error(`${event}: ${JSON.stringify(result)}`);
    await sleep(Math.random() * 1_000);
  }
};

/** Connects as often as it takes; who is sent away comes back when it was told to, and a little later. */
const comeIn = async (url: string, auth: Record<string, unknown>, sentAway: () => void): Promise<Wire> => {
  for (;;) {
    try {
      return await connectWire(url, { auth, readyAt: 'ready' });
    } catch (error) {
      const [, asked = /"status":503/.test(String(error)) ? '1000' : undefined] =
        /"retryAfterMs":(\d+)/.exec(String(error)) ?? [];
      if (asked === undefined) throw error;
      sentAway();
      await sleep(Number(asked) * (1 + Math.random() / 2));
    }
  }
};

/** Connects all clients and makes them listen to their hubs; with a cursor they also ask for what they missed. Answers how many events came. */
const comeAll = async (server: Served, count: number, cursor: string | undefined) => {
  const wires: Wire[] = [];
  let replayed = 0;
  let resyncs = 0;
  let sentAway = 0;
  let next = 0;
  await together(atOnce, async () => {
    while (next < count) {
      const index = next++;
      const auth = { ...handshake(deviceUuid(index), true), ...(cursor !== undefined && { cursor, resume: true }) };
      const wire = await comeIn(server.url, auth, () => (sentAway += 1));
      wires.push(wire);
      const restored = ask(wire, 'feed:restore', { subscriptions: [{ uuid: hubUuid(index), types: ['broadcast', 'config'] }] });
      if (cursor !== undefined) {
        const answer = await ask(wire, 'feed:resume', { cursor });
        replayed += Number(answer['replayed']);
        if (answer['resync'] !== undefined) resyncs += 1;
      }
      await restored;
    }
  });
  return { wires, replayed, resyncs, sentAway };
};

/** A position of the feed after everything that has happened so far. */
const cursorNow = async (hub: Client): Promise<string> => {
  const told = new Promise<string>((resolve) =>
    hub.on('config', (_device, { cursor }) => cursor !== undefined && resolve(cursor)),
  );
  await hub.update({ asked: performance.now() });
  return told;
};

/** Clients that were all cut off and come back together: until the last of them is identified, listens again, and has what it missed. */
export const p9: Measure = async ({ scale, database, profiling, say }) => {
  const count = scale.idleSockets;
  const population: Population = { devices: count, groupSize: 1, bytes: 300 };
  const mongodbUrl = await database();
  await fillMongo(mongodbUrl, { ...population, withToken: count });
  await addHubs(mongodbUrl);
  const registry = await startRegistry({ mongodbUrl }, profiling);
  const observer = await MongoClient.connect(mongodbUrl);
  const hub = (index: number) =>
    connect(registry.url, { uuid: hubUuid(index), token: tokenOf(hubUuid(index)) }, { autoSetOnline: false });
  const times: number[] = [];
  const queries: number[] = [];
  const processorMs: number[] = [];
  let away = 0;
  for (let round = 0; round < Math.min(3, scale.rounds); round += 1) {
    const first = await comeAll(registry, count, undefined);
    const talkers = await Promise.all(Array.from({ length: hubs }, (_, index) => hub(index)));
    const cursor = await cursorNow(talkers[0] as Client);
    for (const wire of first.wires) wire.close();
    await Promise.all(first.wires.map(({ closed }) => closed));
    for (let n = 0; n < missed; n += 1) {
      await Promise.all(talkers.map((talker) => talker.update({ n })));
      await Promise.all(talkers.map((talker) => talker.message({ devices: '*', payload: n })));
    }
    const counted = await countQueries(observer);
    const processor = registry.processorMs();
    const begun = performance.now();
    const { wires, replayed, resyncs, sentAway } = await comeAll(registry, count, cursor);
    times.push((performance.now() - begun) / 1000);
    queries.push(await counted());
    processorMs.push(registry.processorMs() - processor);
    away += sentAway;
    if (replayed < count * missed * 2 || resyncs > 0)
      throw new Error(`only ${replayed} events were replayed, ${resyncs} clients told resync`);
    say(`  ${count} back, ${replayed} events replayed, ${sentAway} times sent away`);
    for (const wire of wires) wire.close();
    await Promise.all(wires.map(({ closed }) => closed));
    for (const talker of talkers) talker.close();
  }
  await observer.close();
  await registry.stop();
  const ours = `${rounded(median(processorMs) / 1000)} s of processor, ${away} times sent away`;
  return [
    {
      id: 'P9',
      measure: `seconds until ${count} clients are back, identified, listening, and have the ${missed * 2} events that each missed`,
      value: median(times),
      goal: { atMost: 15 },
      ours,
      raw: '',
    },
    {
      id: 'P9 queries',
      measure: 'read queries of the database meanwhile',
      value: median(queries),
      goal: { atMost: count / 50 },
      ours: `${rounded(median(queries) / count, 2)} for each client`,
      raw: '',
    },
  ];
};

/** Messages in a second, and how many of them are measured. */
const perSecond = 40;
const messages = 400;

/** Times from sending to arrival of messages that are sent one after the other at a steady pace, in milliseconds. */
const latencies = async (send: (n: number) => void, onArrival: (arrived: (n: number) => void) => void): Promise<Float64Array> => {
  const sentAt = new Map<number, number>();
  const times: number[] = [];
  const all = new Promise<void>((resolve) =>
    onArrival((n) => {
      const at = sentAt.get(n);
      if (at === undefined) return;
      times.push(performance.now() - at);
      if (times.length === messages) resolve();
    }),
  );
  const begun = performance.now();
  for (let n = 0; n < messages; n += 1) {
    await sleep(Math.max(0, begun + (n * 1000) / perSecond - performance.now()));
    sentAt.set(n, performance.now());
    send(n);
  }
  await Promise.race([all, sleep(10_000, undefined, { ref: false }).then(() => Promise.reject(new Error('messages were lost')))]);
  return Float64Array.from(times).sort();
};

const throughRegistry = async (from: Served, to: Served): Promise<Float64Array> => {
  const options = { autoSetOnline: false };
  const [sender, receiver] = [await connect(from.url, {}, options), await connect(to.url, {}, options)];
  const { uuid } = receiver.credentials;
  try {
    return await latencies(
      // A call whose answer is still on its way when everything has arrived ends with the connection.
      (n) => void sender.message({ devices: [uuid], payload: n }).catch(() => undefined),
      (arrived) => receiver.on('message', ({ payload }) => arrived(Number(payload))),
    );
  } finally {
    sender.close();
    receiver.close();
  }
};

const throughRelay = async (server: Served): Promise<Float64Array> => {
  const arrivals: ((n: number) => void)[] = [];
  const receiver = await connectWire(server.url, { onEvent: (_name, [n]) => arrivals.forEach((arrived) => arrived(Number(n))) });
  const sender = await connectWire(server.url);
  await new Promise((resolve) => receiver.call('join', '"receiver"', resolve));
  try {
    return await latencies(
      (n) => sender.call('relay', `"receiver",${n}`, () => undefined),
      (arrived) => void arrivals.push(arrived),
    );
  } finally {
    sender.close();
    receiver.close();
  }
};

/** How long a message takes to a socket on the same node and on another one, beside Socket.IO that passes it on without a question. */
export const p10: Measure = async ({ temporary, database, profiling }) => {
  const mongodbUrl = await database();
  const one = await startRegistry({ mongodbUrl }, profiling);
  const other = await startRegistry({ mongodbUrl }, profiling);
  const embedded = await startRegistry({ dataDir: await temporary() }, profiling);
  const raw = await startRaw({}, profiling);
  const relay = await throughRelay(raw);
  const described = (times: Float64Array): string =>
    `p50 ${rounded(quantile(times, 0.5))} ms, p99 ${rounded(quantile(times, 0.99))} ms`;
  const line = (id: string, measure: string, times: Float64Array): Result => ({
    id,
    measure: `${measure}, p50 in milliseconds at ${perSecond} a second`,
    value: quantile(times, 0.5),
    ours: described(times),
    raw: described(relay),
  });
  const results = [
    line('P10 embedded', 'a message from socket to socket on the embedded store', await throughRegistry(embedded, embedded)),
    line('P10', 'the same on one node on MongoDB', await throughRegistry(one, one)),
    line('P10 across', 'the same across two nodes', await throughRegistry(one, other)),
  ];
  await Promise.all([one, other, embedded, raw].map((server) => server.stop()));
  return results;
};
