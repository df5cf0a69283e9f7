import type { Connection, Extras, Outlet } from '../../connections.ts';
import { isProperties } from '../../domain/properties.ts';

/** A message for one connection: where it appears and what it says. */
export interface Told {
  readonly topic: string;
  readonly payload: string;
}

/** What an event of the registry becomes for a connection; undefined if it is none of its business. */
export type Wording = (connection: Connection, event: string, data: unknown) => Told | undefined;

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

/** The way out to MQTT connections: `deliver` sends a message to the client of a connection, if it subscribes to the topic. */
export const outletTo = (
  wording: Wording,
  deliver: (connection: Connection, told: Told, id: string | undefined) => void,
): Outlet => ({
  send(to: readonly Connection[], event: string, data: unknown, extras?: Extras): void {
    for (const connection of to) {
      const told = wording(connection, event, data);
      if (told !== undefined) deliver(connection, told, extras?.id);
    }
  },
});
