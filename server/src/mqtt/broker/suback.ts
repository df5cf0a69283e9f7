import type { Aedes, Client, Subscription } from 'aedes';
import { parserOf, type Parsed } from './aedes-internals.ts';

/** SUBACK (MQTT 3.1.1, section 3.9). */
const suback = (messageId: number, codes: readonly number[]): Buffer => {
  const head = [0x90];
  for (let left = codes.length + 2, more = true; more;) {
    const digit = left % 128;
    left = Math.floor(left / 128);
    more = left > 0;
    head.push(more ? digit | 128 : digit);
  }
  return Buffer.from([...head, messageId >> 8, messageId & 255, ...codes]);
};

/**
 * aedes answers a filter once that is there several times in one packet, but there has to be a return code for each [MQTT-3.8.4-5]. So such a
 * packet reaches aedes without its identifier, which leaves the answer to us.
 */
export const answerEachFilter = (broker: Aedes): ((client: Client) => void) => {
  const asked = new WeakMap<object, { readonly messageId: number; readonly filters: readonly string[] }>();

  broker.on('subscribe', (subscriptions: readonly Subscription[], { conn }) => {
    const { messageId, filters } = (subscriptions[0] && asked.get(subscriptions[0])) ?? {};
    if (messageId === undefined || filters === undefined) return;
    const codes = new Map<string, number>(subscriptions.map(({ topic, qos }) => [topic, qos]));
    conn.write(
      suback(
        messageId,
        filters.map((filter) => codes.get(filter) ?? 128),
      ),
    );
  });

  return (client) => {
    parserOf(client).prependListener('packet', (packet: Parsed) => {
      const { messageId, subscriptions = [] } = packet;
      // The last one counts, as if it came in a packet of its own [MQTT-3.8.4-4].
      const last = new Map(subscriptions.map((one) => [one.topic, one]));
      if (last.size === subscriptions.length || messageId === undefined) return;
      const once = [...last.values()];
      for (const one of once) asked.set(one, { messageId, filters: subscriptions.map(({ topic }) => topic) });
      Object.assign(packet, { subscriptions: once, messageId: undefined });
    });
  };
};
