import type { FanOut } from '../../realtime/connections.ts';
import { isPlainObject } from '../../common/plain-object.ts';

/** A message for one connection: its topic and its payload. */
export interface EncodedEvent {
  readonly topic: string;
  readonly payload: string;
}

/** Encodes an event like Meshblu's MQTT adapter, on the topic that is the device's uuid (DM-5). */
export const encodeMeshbluEvent = (event: string, data: unknown, topic: string): EncodedEvent => ({
  topic,
  payload: JSON.stringify({ topic: event, data }),
});

/** Encodes a command: the payload that the sender gave (MT-5). */
export const encodeCommand = (event: string, data: unknown, topic: string): EncodedEvent | undefined => {
  if (event !== 'message' || !isPlainObject(data)) return undefined;
  const { payload } = data;
  return { topic, payload: typeof payload === 'string' ? payload : JSON.stringify(payload ?? null) };
};

/**
 * Creates the outlet to one MQTT connection.
 * `wording`: encodes an event of the registry, or returns undefined if it is not sent over MQTT.
 */
export const createMqttFanOut = (
  wording: (event: string, data: unknown) => EncodedEvent | undefined,
  deliver: (told: EncodedEvent, id: string | undefined) => void,
): FanOut => ({
  send(_to, event, data, extras) {
    const told = wording(event, data);
    if (told !== undefined) deliver(told, extras?.id);
  },
});
