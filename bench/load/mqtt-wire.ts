import { connect, type Socket } from 'node:net';
import { generate, parser, type Packet } from 'mqtt-packet';

/** An MQTT client that does as little as it can: the broker is to be the one that is measured. */
export interface MqttWire {
  publish(topic: string, payload: Buffer, qos: 0 | 1): void;
  subscribe(topic: string, qos: 0 | 1): Promise<void>;
  /** Told of every message. */
  onMessage: (payload: Buffer) => void;
  close(): void;
}

/** Who connects; a bare broker asks nobody. */
export interface MqttLogin {
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
}

/** Connects and waits for CONNACK; rejects with its return code. */
export const connectMqttWire = (url: string, { clientId, username, password }: MqttLogin): Promise<MqttWire> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const socket: Socket = connect(Number(port), hostname);
    socket.setNoDelay(true);
    const packets = parser({ protocolVersion: 4 });
    let subscribed = (): void => undefined;
    let nextId = 0;
    let corked = false;
    const send = (packet: Packet): void => {
      if (!corked) {
        corked = true;
        socket.cork();
        setImmediate(() => {
          corked = false;
          socket.uncork();
        });
      }
      socket.write(generate(packet));
    };
    const messageId = (): number => (nextId = (nextId % 65_535) + 1);
    const wire: MqttWire = {
      publish: (topic, payload, qos) =>
        send({ cmd: 'publish', topic, payload, qos, dup: false, retain: false, ...(qos > 0 && { messageId: messageId() }) }),
      subscribe: (topic, qos) =>
        new Promise((done) => {
          subscribed = done;
          send({ cmd: 'subscribe', messageId: messageId(), subscriptions: [{ topic, qos }] });
        }),
      onMessage: () => undefined,
      close: () => socket.destroy(),
    };
    packets.on('packet', (packet: Packet) => {
      if (packet.cmd === 'publish') {
        if (packet.qos > 0) send({ cmd: 'puback', messageId: packet.messageId ?? 0 });
        wire.onMessage(packet.payload as Buffer);
      } else if (packet.cmd === 'suback') subscribed();
      else if (packet.cmd === 'connack') {
        if (packet.returnCode === 0) resolve(wire);
        else reject(new Error(`refused with ${packet.returnCode}`));
      }
    });
    socket.on('data', (chunk: Buffer) => packets.parse(chunk));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed')));
    send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      clientId,
      keepalive: 60,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password: Buffer.from(password) }),
    });
  });
