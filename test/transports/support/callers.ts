import { createRequire } from 'node:module';
import { errors } from '@rollcall/client/contract';
import { connectMqtt, type TestClient } from '../../mqtt/support/client.ts';
import { connectAs, type Made } from '../../support/meshblu.ts';
import { until } from '../../support/until.ts';

/** A device that makes calls over one transport. */
export interface Caller extends Made {
  readonly transport: Transport;
  readonly place: Place;
  /** Makes a call; answers undefined, or the code of its refusal. */
  ask(event: string, input: Readonly<Record<string, unknown>>, ...more: readonly unknown[]): Promise<string | undefined>;
  /** MQTT only. */
  readonly mqtt?: TestClient;
  readonly isClosed: () => boolean;
  close(): void;
}

export type Transport = 'Socket.IO' | 'legacy Engine.IO' | 'HTTP' | 'MQTT';

/** Where the registry listens. */
export interface Place {
  readonly url: string;
  readonly broker: string;
}

const byStatus = new Map<number, string>(
  (['invalid-input', 'too-large', 'conflict', 'busy', 'rate', 'forbidden'] as const).map((code) => [errors[code].http, code]),
);

const refusalIn = (answer: unknown): string | undefined => {
  const { error, code, status } = (answer ?? {}) as { error?: unknown; code?: string; status?: number };
  if (code !== undefined || error === undefined) return code;
  // Meshblu's own calls are answered with the phrase of the status.
  const [named] = Object.entries(errors).find(([, row]) => row.message === error) ?? [];
  return named ?? byStatus.get(status ?? 0) ?? JSON.stringify(error);
};

const overSocket = async (place: Place, device: Made): Promise<Caller> => {
  const { url } = place;
  const client = await connectAs(url, device);
  return {
    ...device,
    place,
    transport: 'Socket.IO',
    ask: async (event, input, ...more) => refusalIn(await client.ask(event, input, ...(more.length > 0 ? more : [{}]))),
    isClosed: () => client.socket.disconnected,
    close: client.close,
  };
};

interface LegacySocket {
  readonly connected: boolean;
  on(event: string, listener: (value: unknown) => void): void;
  emit(event: string, ...values: unknown[]): void;
  close(): void;
}
const connectLegacy = createRequire(import.meta.url)('socket.io-client-1') as (url: string, options: object) => LegacySocket;

const overLegacy = async (place: Place, device: Made): Promise<Caller> => {
  const { url } = place;
  const socket = connectLegacy(url, { forceNew: true, reconnection: false });
  let isReady = false;
  let isClosed = false;
  socket.on('identify', () => socket.emit('identity', { uuid: device.uuid, token: device.token }));
  socket.on('ready', () => (isReady = true));
  socket.on('disconnect', () => (isClosed = true));
  await until(() => isReady);
  return {
    ...device,
    place,
    transport: 'legacy Engine.IO',
    async ask(event, input, ...more) {
      let answers: unknown[] | undefined;
      socket.emit(event, input, ...more, (...given: unknown[]) => (answers = given));
      await until(() => answers !== undefined || isClosed);
      return refusalIn(answers?.[0]);
    },
    isClosed: () => isClosed,
    close: () => socket.close(),
  };
};

const routes: Readonly<Record<string, (input: Readonly<Record<string, unknown>>) => readonly [method: string, path: string]>> = {
  message: () => ['POST', '/messages'],
  update: ({ uuid }) => ['PATCH', `/v2/devices/${String(uuid)}`],
  devices: () => ['POST', '/search/devices'],
  generateAndStoreToken: ({ uuid }) => ['POST', `/devices/${String(uuid)}/tokens`],
  createSubscription: ({ subscriberUuid, emitterUuid, type }) => [
    'POST',
    `/v2/devices/${String(subscriberUuid)}/subscriptions/${String(emitterUuid)}/${String(type)}`,
  ],
};

const overHttp = (place: Place, device: Made): Promise<Caller> =>
  Promise.resolve({
    ...device,
    place,
    transport: 'HTTP',
    async ask(event, input) {
      const [method, path] = routes[event]?.(input) ?? ['', ''];
      const { uuid: _uuid, ...rest } = input;
      const response = await fetch(place.url + path, {
        method,
        headers: {
          authorization: `Basic ${Buffer.from(`${device.uuid}:${device.token}`).toString('base64')}`,
          'content-type': 'application/json',
        },
        body: event === 'createSubscription' ? null : JSON.stringify(event === 'update' ? rest : input),
      });
      await response.arrayBuffer();
      // A search that finds nothing says so by its status.
      return response.ok || response.status === 404 ? undefined : (byStatus.get(response.status) ?? String(response.status));
    },
    isClosed: () => false,
    close: () => undefined,
  });

interface Answer {
  readonly topic: string;
  readonly data: { readonly code?: string };
}

const overMqtt = async (place: Place, device: Made): Promise<Caller> => {
  const { broker } = place;
  const client = await connectMqtt(broker, { username: device.uuid, password: device.token, clientId: `c-${device.uuid}` });
  await client.subscribe(device.uuid);
  let isClosed = false;
  client.mqtt.on('close', () => (isClosed = true));
  return {
    ...device,
    place,
    transport: 'MQTT',
    mqtt: client,
    async ask(event, input) {
      const before = client.texts(device.uuid).length;
      // A call that is too large is not read, and answered without its callback id.
      await client.publish(event, JSON.stringify({ callbackId: 1, ...input }));
      const answers = (): readonly Answer[] =>
        client
          .texts(device.uuid)
          .slice(before)
          .map((text) => JSON.parse(text) as Answer & { _request?: object })
          .filter(({ topic, _request }) => topic === 'error' || _request !== undefined);
      await until(() => answers().length > 0);
      const [answer] = answers();
      return answer?.topic === 'error' ? answer.data.code : undefined;
    },
    isClosed: () => isClosed,
    close: () => client.cut(),
  };
};

/** Connects a device over each transport. */
export const callers: Readonly<Record<Transport, (place: Place, device: Made) => Promise<Caller>>> = {
  'Socket.IO': overSocket,
  'legacy Engine.IO': overLegacy,
  HTTP: overHttp,
  MQTT: overMqtt,
};
