import { randomUUID } from 'node:crypto';
import { connectMqtt } from '../../mqtt/support/client.ts';
import { adminPassword } from '../../mqtt/support/ground.ts';
import { until } from '../../support/until.ts';
import type { Caller, Transport } from './callers.ts';

type Input = Readonly<Record<string, unknown>>;

/** How something of a size is sent: answers undefined, or what came instead. */
export interface Try {
  readonly over: readonly Transport[];
  send(size: number, client: Caller): Promise<string | undefined>;
  /** How far from the bound it is sent, where what surrounds it counts as well. */
  readonly slack?: number;
}

const everywhere: readonly Transport[] = ['Socket.IO', 'legacy Engine.IO', 'HTTP', 'MQTT'];
const searches: readonly Transport[] = ['Socket.IO', 'legacy Engine.IO', 'HTTP'];
const sockets: readonly Transport[] = ['Socket.IO', 'legacy Engine.IO'];

const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) });
const padded = (input: Input, bytes: number): Input => ({
  ...input,
  text: 'x'.repeat(bytes - JSON.stringify({ ...input, text: '' }).length),
});
const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const branched = (levels: number): Input => (levels === 1 ? { n: 1 } : { $and: [branched(levels - 1)] });

const calls = (over: readonly Transport[], event: string, input: (size: number, client: Caller) => Input, slack = 0): Try => ({
  over,
  slack,
  send: (size, client) => client.ask(event, input(size, client)),
});

/** Makes the same call many times with other values; answers the first refusal. */
const repeated = (event: string, input: (n: number) => Input): Try => ({
  over: ['Socket.IO'],
  async send(size, client) {
    const codes = await Promise.all(numbers(size).map((n) => client.ask(event, input(n))));
    return codes.find((code) => code !== undefined);
  },
});

/** As a user who may hear every topic. */
const subscribing = (filters: (size: number) => string | string[]): Try => ({
  over: ['MQTT'],
  async send(size, { place }) {
    const client = await connectMqtt(place.broker, { username: 'admin', password: adminPassword, clientId: randomUUID() });
    let codes: readonly number[] | undefined;
    let isClosed = false;
    client.mqtt.on('close', () => (isClosed = true));
    client.subscribe(filters(size)).then(
      (granted) => (codes = granted),
      () => undefined,
    );
    await until(() => codes !== undefined || isClosed);
    client.cut();
    if (codes === undefined) return 'the connection ends';
    return codes.includes(128) ? 'SUBACK 128' : undefined;
  },
});

/** What is tried of the bounds of work, by its name in the document. */
export const tries: Readonly<Record<string, Try>> = {
  'bytes of a message to devices': calls(everywhere, 'message', (size, { uuid }) => padded({ devices: [uuid] }, size)),
  'bytes of any other call': {
    over: everywhere,
    slack: 64,
    send: (size, client) => client.ask(client.transport === 'MQTT' ? 'whoami' : 'devices', padded({}, size)),
  },
  'levels of an argument': calls(everywhere, 'message', (size, { uuid }) => ({ devices: [uuid], payload: nested(size - 1) })),
  'arguments of an event': {
    over: sockets,
    async send(size, client) {
      const asked = client.ask('status', {}, ...numbers(size - 1)).catch(() => undefined);
      let isAnswered = false;
      void asked.then(() => (isAnswered = true));
      await until(() => isAnswered || client.isClosed());
      return client.isClosed() ? 'the connection is closed' : undefined;
    },
  },
  'addressees of a message': calls(everywhere, 'message', (size) => ({
    devices: numbers(size).map((n) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`),
  })),
  "characters of a message's topic": calls(everywhere, 'message', (size, { uuid }) => ({
    devices: [uuid],
    topic: 'x'.repeat(size),
  })),
  "bytes of a device's document, with its whitelists": calls(
    everywhere,
    'update',
    (size, { uuid }) => ({ uuid, sendWhitelist: numbers(size / 39 - 1).map(() => randomUUID()) }),
    1_024,
  ),
  'levels of a stored value': calls(everywhere, 'update', (size, { uuid }) => ({ uuid, value: nested(size) })),
  "bytes of a token's metadata": calls(everywhere, 'generateAndStoreToken', (size, { uuid }) => ({
    uuid,
    ...padded({}, size),
  })),
  'values in a list of a query': calls(searches, 'devices', (size) => ({ n: { $in: numbers(size) } })),
  'values in all lists of a query': calls(searches, 'devices', (size) => ({
    $or: numbers(Math.ceil(size / 100)).map((n) => ({ n: { $in: numbers(Math.min(100, size - 100 * n)) } })),
  })),
  'conditions of a query': calls(searches, 'devices', (size) => Object.fromEntries(numbers(size).map((n) => [`p${n}`, n]))),
  'branches of a query': calls(searches, 'devices', (size) => ({ $or: numbers(size / 2).map((n) => ({ n })) }), 2),
  'levels of a query': calls(searches, 'devices', branched),
  'paths of an order': calls(['Socket.IO'], 'live:open', (size) => ({
    filter: {},
    sort: Object.fromEntries(numbers(size).map((n) => [`p${n}`, 1])),
  })),
  'live queries of a connection': repeated('live:open', (n) => ({ filter: { n } })),
  'topics of a subscription': calls(sockets, 'subscribe', (size, { uuid }) => ({
    uuid,
    topics: numbers(size).map((n) => `t${n}`),
  })),
  'types of a subscription': calls(sockets, 'subscribe', (size, { uuid }) => ({ uuid, types: numbers(size).map(() => 'sent') })),
  'filters of an MQTT client': subscribing((size) => numbers(size).map((n) => `f/${n}`)),
  'levels of an MQTT filter': subscribing((size) => Array(size).fill('a').join('/')),
  'bytes of an MQTT filter': subscribing((size) => 'a'.repeat(size)),
  'levels of an MQTT topic': {
    over: ['MQTT'],
    async send(size, { mqtt, isClosed }) {
      void mqtt?.publish(Array(size).fill('a').join('/'), '', { qos: 1 }).catch(() => undefined);
      return (await alive(mqtt, isClosed)) ? undefined : 'the connection ends';
    },
  },
  'bytes of the head of an HTTP request': {
    over: ['HTTP'],
    slack: 1_024,
    async send(size, { place }) {
      const { status } = await fetch(`${place.url}/status?x=${'x'.repeat(size / 2)}`, { headers: { x: 'x'.repeat(size / 2) } });
      return status === 431 ? '431' : undefined;
    },
  },
};

/** Does the connection still answer what comes after? */
const alive = async (mqtt: Caller['mqtt'], isClosed: () => boolean): Promise<boolean> => {
  let isAnswered = false;
  void mqtt?.subscribe(`after/${randomUUID()}`).then(
    () => (isAnswered = true),
    () => undefined,
  );
  await until(() => isAnswered || isClosed());
  return !isClosed();
};

/** Makes one more of what a device has as many of as it may: answers how that was refused. */
export const oneMore: Readonly<Record<string, Omit<Try, 'slack'>>> = {
  'session tokens of a device': calls(everywhere, 'generateAndStoreToken', (_size, { uuid }) => ({ uuid })),
  'stored subscriptions of a device': calls(searches, 'createSubscription', (_size, { uuid }) => ({
    subscriberUuid: uuid,
    emitterUuid: randomUUID(),
    type: 'message.sent',
  })),
};
