import type { Outlet } from '../../realtime/connections.ts';
import { isProperties } from '../../common/plain-object.ts';

/** A message for one connection: where it appears and what it says. */
export interface Told {
  readonly topic: string;
  readonly payload: string;
}

/** As Meshblu's MQTT adapter has it: everything comes on the topic that is the device's uuid (domain model, section 5). */
export const meshbluWording = (event: string, data: unknown, topic: string): Told => ({
  topic,
  payload: JSON.stringify({ topic: event, data }),
});

/** Commands come as what the sender gave as payload (MQTT tokens reference, section 5). */
export const commandWording = (event: string, data: unknown, topic: string): Told | undefined => {
  if (event !== 'message' || !isProperties(data)) return undefined;
  const { payload } = data;
  return { topic, payload: typeof payload === 'string' ? payload : JSON.stringify(payload ?? null) };
};

/** The way out to one MQTT connection. `wording`: what an event of the registry becomes, undefined if it is none of its business. */
export const outletTo = (
  wording: (event: string, data: unknown) => Told | undefined,
  deliver: (told: Told, id: string | undefined) => void,
): Outlet => ({
  send(_to, event, data, extras) {
    const told = wording(event, data);
    if (told !== undefined) deliver(told, extras?.id);
  },
});
