import { generate } from 'mqtt-packet';
import { numbersFrom } from './random.ts';
import { connectPacket, field, packetOf, type Packet } from './raw.ts';

/**
 * Byte streams that a client could send and should not: packets, most of them after a good CONNECT, that are changed, cut, repeated or mixed. The
 * same for the same seed; without end.
 */
export function* mutations(
  seed: number,
  { login, topic }: { readonly login: { readonly username: string; readonly password: Buffer }; readonly topic: string },
): Generator<Buffer, undefined> {
  const next = numbersFrom(seed);
  const below = (limit: number): number => Math.floor(next() * limit);
  const pick = <T>(all: readonly T[]): T => all[below(all.length)] as T;

  const good = generate(connectPacket({ ...login, clean: next() < 0.9, clientId: 'fuzz' }));
  const messageId = (): number => 1 + below(3);
  const qos = (): 0 | 1 | 2 => pick([0, 1, 2] as const);
  const valid: readonly (() => Packet)[] = [
    () => {
      const of = qos();
      return {
        cmd: 'publish',
        topic,
        payload: 'x'.repeat(below(200)),
        qos: of,
        dup: false,
        retain: next() < 0.2,
        ...(of > 0 && { messageId: messageId() }),
      };
    },
    () => ({ cmd: 'subscribe', messageId: messageId(), subscriptions: [{ topic: pick([topic, '#', 't/+']), qos: qos() }] }),
    () => ({ cmd: 'unsubscribe', messageId: messageId(), unsubscriptions: [topic] }),
    () => ({ cmd: pick(['puback', 'pubrec', 'pubrel', 'pubcomp'] as const), messageId: messageId() }),
    () => ({ cmd: 'pingreq' }),
    () => ({ cmd: 'disconnect' }),
    () => connectPacket({ ...login, clientId: 'fuzz', will: { topic, payload: Buffer.from('gone'), qos: qos() } }),
  ];
  const noise = (): Buffer => Buffer.from(Array.from({ length: below(64) }, () => below(256)));
  const made: readonly (() => Buffer)[] = [
    () => generate(pick(valid)()),
    () => generate(pick(valid)()),
    () => generate(pick(valid)()),
    noise,
    () => packetOf(below(256), [noise()], pick([undefined, 0, 1, below(300), below(268_435_456)])),
    () => packetOf(0x10, [field('MQTT'), below(256), below(256), 0, below(256), field(noise()), noise()]),
    () => packetOf(0x30 | below(16), [field(noise()), noise()]),
    () => packetOf(0x82, [0, messageId(), field(noise()), below(256)]),
  ];
  const damages: readonly ((bytes: Buffer) => Buffer)[] = [
    (bytes) => bytes,
    (bytes) => bytes.subarray(0, below(bytes.length + 1)),
    (bytes) => {
      const changed = Buffer.from(bytes);
      for (let n = 0; n <= below(4) && changed.length > 0; n += 1) changed[below(changed.length)] = below(256);
      return changed;
    },
    (bytes) => {
      const at = below(bytes.length + 1);
      return Buffer.concat([bytes.subarray(0, at), noise(), bytes.subarray(at)]);
    },
    (bytes) => {
      const at = below(bytes.length + 1);
      return Buffer.concat([bytes, bytes.subarray(at)]);
    },
  ];
  for (;;) {
    const parts = Array.from({ length: 1 + below(5) }, () => pick(damages)(pick(made)()));
    yield Buffer.concat(next() < 0.8 ? [good, ...parts] : parts);
  }
}
