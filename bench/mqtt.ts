import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@rollcall/client';
import { connectMqttWire } from './load/mqtt-wire.ts';
import type { MqttLogins } from './load/jobs.ts';
import type { Bench, Measure } from './measure.ts';
import { describedServer, each, observe } from './observe.ts';
import { adminPassword, startBroker, startRawBroker } from './processes.ts';
import { interleaved, quantile, ratio, rounded } from './statistics.ts';

const groupName = 'bench';
const pairs = 50;
const inFlight = 8;
const atOnce = 64;
/** Messages of P16, and how many of them go out in a second. */
const paced = { count: 400, perSecond: 40 };

type Body = Readonly<Record<string, unknown>>;

/** Makes a group and tokens in it, whose secrets the registry makes. */
const makeTokens = async (
  http: string,
  count: number,
): Promise<{ readonly logins: MqttLogins; readonly topics: readonly string[] }> => {
  const ask = async (method: string, path: string, body: Body, authorization: string): Promise<Body> => {
    const headers = { 'content-type': 'application/json', authorization };
    const response = await fetch(http + path, { method, headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Body;
  };
  const { token } = await ask('POST', '/api/login', { username: 'admin', password: adminPassword }, '');
  const authorization = `Bearer ${String(token)}`;
  const { uuid } = (await (await fetch(`${http}/v2/whoami`, { headers: { authorization } })).json()) as Body;
  const whitelists = { configure: { update: [{ uuid }] } };
  await ask('POST', '/devices', { type: 'group', name: groupName, meshblu: { version: '2.0.0', whitelists } }, authorization);
  const logins: { username: string; password: string }[] = [];
  const topics: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const body = { groupName, username: `device-${n}` };
    const { tokenResponse } = (await ask('PUT', '/m2m/token/mqtt', body, authorization)) as {
      tokenResponse: { token: string; secret: string; username: string };
    };
    logins.push({ username: tokenResponse.username, password: tokenResponse.secret });
    topics.push(tokenResponse.token);
  }
  return { logins, topics };
};

const nobody: MqttLogins = [{}];

const brokers = async ({ database, temporary, profiling }: Bench) => ({
  embedded: await startBroker({ dataDir: await temporary() }, profiling),
  mongodb: await startBroker({ mongodbUrl: await database() }, profiling),
  raw: await startRawBroker(profiling),
});

/** Messages from publisher to subscriber, each checked at both ends and made a broadcast of its device, against aedes alone. */
export const p14: Measure = async (bench) => {
  const { scale, load } = bench;
  const { embedded, mongodb, raw } = await brokers(bench);
  const span = { warmUpMs: scale.warmUpMs, ms: scale.ms, pairs, inFlight };
  const tokens = { embedded: await makeTokens(embedded.http, pairs), mongodb: await makeTokens(mongodb.http, pairs) };
  const bare = { logins: nobody, topics: ['a'] };
  const messages = (server: typeof raw, given: typeof tokens.embedded | typeof bare, qos: 0 | 1) => () =>
    observe(load, server, { kind: 'mqttMessages', url: server.url, ...given, qos, ...span });
  const rounds = await interleaved(scale.rounds, {
    raw0: messages(raw, bare, 0),
    embedded0: messages(embedded, tokens.embedded, 0),
    mongodb0: messages(mongodb, tokens.mongodb, 0),
    raw1: messages(raw, bare, 1),
    embedded1: messages(embedded, tokens.embedded, 1),
    mongodb1: messages(mongodb, tokens.mongodb, 1),
  });
  await Promise.all([embedded.stop(), mongodb.stop(), raw.stop()]);
  const line = (id: string, measure: string, name: keyof typeof rounds, against: keyof typeof rounds) => ({
    id,
    measure,
    value: ratio(each(rounds[name], 'perSecond'), each(rounds[against], 'perSecond')),
    ours: describedServer(rounds[name]),
    raw: describedServer(rounds[against]),
  });
  const goal = { atLeast: 0.6 };
  const what = `messages from publisher to subscriber with permission checks ÷ bare aedes, ${pairs} pairs × ${inFlight} on their way`;
  return [
    { ...line('P14 QoS 0', `QoS 0 ${what}, embedded store`, 'embedded0', 'raw0'), goal },
    { ...line('P14 QoS 1', 'QoS 1, the same', 'embedded1', 'raw1'), goal },
    line('P14 QoS 0 MongoDB', 'QoS 0 on MongoDB, where each message is handed to other nodes', 'mongodb0', 'raw0'),
    line('P14 QoS 1 MongoDB', 'QoS 1 on MongoDB', 'mongodb1', 'raw1'),
  ];
};

/** Connections that show a generated secret, against aedes alone. */
export const p15: Measure = async (bench) => {
  const { scale, load } = bench;
  const { embedded, mongodb, raw } = await brokers(bench);
  const count = scale.connections;
  const tokens = { embedded: await makeTokens(embedded.http, 100), mongodb: await makeTokens(mongodb.http, 100) };
  const connects = (server: typeof raw, logins: MqttLogins) => () =>
    observe(load, server, { kind: 'mqttConnects', url: server.url, logins, count, atOnce });
  const rounds = await interleaved(scale.rounds, {
    raw: connects(raw, nobody),
    embedded: connects(embedded, tokens.embedded.logins),
    mongodb: connects(mongodb, tokens.mongodb.logins),
  });
  await Promise.all([embedded.stop(), mongodb.stop(), raw.stop()]);
  const line = (name: 'embedded' | 'mongodb') => ({
    value: ratio(each(rounds[name], 'perSecond'), each(rounds.raw, 'perSecond')),
    ours: describedServer(rounds[name]),
    raw: describedServer(rounds.raw),
  });
  return [
    {
      id: 'P15',
      measure: `MQTT connections with generated secrets per second on the embedded store ÷ bare aedes, ${atOnce} at once`,
      ...line('embedded'),
      goal: { atLeast: 0.7 },
    },
    { id: 'P15 MongoDB', measure: 'the same on MongoDB, where each client id is written down', ...line('mongodb') },
  ];
};

/** How long a message takes from an MQTT client to a Socket.IO client that listens to the device. */
export const p16: Measure = async ({ temporary, profiling }) => {
  const server = await startBroker({ dataDir: await temporary() }, profiling);
  const { logins, topics } = await makeTokens(server.http, 1);
  const wire = await connectMqttWire(server.url, { ...logins[0], clientId: 'device' });
  wire.publish(`${topics[0]}/serial/device`, Buffer.from('{}'), 1);
  const { token } = (await (
    await fetch(`${server.http}/api/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'admin', password: adminPassword }),
    })
  ).json()) as { token: string };
  const listener = await connect(server.http, { token });
  const find = async (): Promise<string> => {
    const [device] = (await listener.devices({ serialNumber: 'serial' })).devices;
    return typeof device?.['uuid'] === 'string' ? device['uuid'] : find();
  };
  await listener.subscribe({ uuid: await find(), types: ['broadcast'] });
  const times: number[] = [];
  listener.on('message', ({ payload }) => void times.push(performance.now() - Number(payload)));
  for (let n = 0; n < paced.count; n += 1) {
    wire.publish(`${topics[0]}/serial/3303/0/5700`, Buffer.from(String(performance.now())), 0);
    await sleep(1000 / paced.perSecond);
  }
  await sleep(200);
  wire.close();
  await listener.close();
  await server.stop();
  const sorted = Float64Array.from(times).sort();
  const [p50, p99] = [rounded(quantile(sorted, 0.5)), rounded(quantile(sorted, 0.99))];
  return [
    {
      id: 'P16',
      measure: `a message from an MQTT client to a Socket.IO listener, p50 in milliseconds at ${paced.perSecond} a second`,
      value: p50,
      ours: `p50 ${p50} ms, p99 ${p99} ms, ${times.length} of ${paced.count}`,
      raw: '',
    },
  ];
};
