import { Binary } from 'mongodb';
import type { QoS } from './subscription-index.ts';
import type { StoredPublish } from '../domain/documents/mqtt.ts';

/** A message in the broker's form. */
export interface Publication {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: QoS;
  readonly retain: boolean;
}

/** Converts a message to its stored form. */
export const stored = ({ topic, payload, qos, retain }: Publication): StoredPublish => ({
  topic,
  payload: new Binary(payload),
  qos,
  retain,
});

/** Converts a stored message back. */
export const publicationOf = ({ topic, payload, qos, retain }: StoredPublish): Publication => ({
  topic,
  payload: Buffer.from(payload.buffer.buffer, payload.buffer.byteOffset, payload.position),
  qos,
  retain,
});
