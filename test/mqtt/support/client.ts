import { connect, type IClientOptions, type IConnackPacket, type MqttClient } from 'mqtt';
import { until } from '../../support/until.ts';

/** One message as a client got it. */
export interface Got {
  readonly topic: string;
  readonly text: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly dup: boolean;
}

/** An MQTT 3.1.1 client that keeps what it got and does not reconnect. */
export interface TestClient {
  readonly mqtt: MqttClient;
  readonly got: readonly Got[];
  /** Did the server say that there was a session? */
  readonly sessionPresent: boolean;
  /** The texts that came on this topic. */
  texts(topic: string): readonly string[];
  /** Granted QoS of each filter, 128 for a refusal. */
  subscribe(filters: string | readonly string[], qos?: 0 | 1 | 2): Promise<readonly number[]>;
  publish(topic: string, payload: string | Buffer, options?: { qos?: 0 | 1 | 2; retain?: boolean }): Promise<void>;
  /** Waits until the server has closed the connection. */
  closed(): Promise<void>;
  end(): Promise<void>;
  /** Cuts the connection without DISCONNECT. */
  cut(): void;
}

export type Login = Pick<
  IClientOptions,
  'username' | 'password' | 'clientId' | 'clean' | 'will' | 'keepalive' | 'protocolId' | 'ca' | 'cert' | 'key' | 'servername'
>;

const open = new Set<MqttClient>();

/** Closes whatever a test has left open. */
export const closeClients = (): void => {
  for (const client of open) client.end(true);
  open.clear();
};

/** Connects; fails with the return code of CONNACK as `code`. */
export const connectMqtt = (url: string, login: Login = {}): Promise<TestClient> =>
  new Promise((resolve, reject) => {
    const got: Got[] = [];
    const mqtt = connect(url, { protocolVersion: 4, reconnectPeriod: 0, connectTimeout: 8_000, ...login });
    open.add(mqtt);
    mqtt.on('message', (topic, payload, { qos, retain, dup }) => got.push({ topic, text: payload.toString(), qos, retain, dup }));
    let isClosed = false;
    mqtt.on('close', () => (isClosed = true));
    mqtt.once('error', reject);
    mqtt.once('close', () => reject(new Error('closed')));
    mqtt.once('connect', ({ sessionPresent }: IConnackPacket) => {
      mqtt.on('error', () => undefined);
      resolve({
        mqtt,
        got,
        sessionPresent,
        texts: (topic) => got.filter((one) => one.topic === topic).map(({ text }) => text),
        subscribe: (filters, qos = 0) =>
          new Promise((done, fail) => {
            mqtt.subscribe(filters as string | string[], { qos }, (error, granted, packet) => {
              const codes = (packet as { granted?: number[] } | undefined)?.granted;
              if (codes !== undefined) done(codes);
              else if (error) fail(error);
              else done((granted ?? []).map((one) => one.qos));
            });
          }),
        publish: async (topic, payload, options = {}) => void (await mqtt.publishAsync(topic, payload, options)),
        closed: () => until(() => isClosed, 15_000),
        async end() {
          open.delete(mqtt);
          await mqtt.endAsync();
        },
        cut: () => mqtt.stream.destroy(),
      });
    });
  });

/** The return code with which a connection is refused; 0 if it is not. */
export const refusalOf = async (url: string, login: Login = {}): Promise<number | string> => {
  try {
    const client = await connectMqtt(url, login);
    await client.end();
    return 0;
  } catch (error) {
    const { code } = error as { readonly code?: number };
    return code ?? String(error);
  }
};
