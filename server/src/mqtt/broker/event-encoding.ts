import type { FanOut } from '../../realtime/connections.ts';
import { isPlainObject } from '../../common/plain-object.ts';

/** A message for one connection: where it appears and what it says. */
export interface EncodedEvent {
  readonly topic: string;
  readonly payload: string;
}

/** As Meshblu's MQTT adapter has it: everything comes on the topic that is the device's uuid (DM-5). */
export const encodeMeshbluEvent = (event: string, data: unknown, topic: string): EncodedEvent => ({
  topic,
  payload: JSON.stringify({ topic: event, data }),
});

/** Commands come as what the sender gave as payload (MT-5). */
export const encodeCommand = (event: string, data: unknown, topic: string): EncodedEvent | undefined => {
  if (event !== 'message' || !isPlainObject(data)) return undefined;
  const { payload } = data;
  return { topic, payload: typeof payload === 'string' ? payload : JSON.stringify(payload ?? null) };
};

/** The way out to one MQTT connection. `wording`: what an event of the registry becomes, undefined if it is none of its business. */
export const createMqttFanOut = (
  wording: (event: string, data: unknown) => EncodedEvent | undefined,
  deliver: (told: EncodedEvent, id: string | undefined) => void,
): FanOut => ({
  send(_to, event, data, extras) {
    const told = wording(event, data);
    if (told !== undefined) deliver(told, extras?.id);
  },
});
