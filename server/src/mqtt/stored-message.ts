import { Binary } from 'mongodb';
import type { QoS } from './subscription-index.ts';
import type { StoredPublish } from '../domain/documents/mqtt.ts';

/** A message as the broker has it. */
export interface Publication {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: QoS;
  readonly retain: boolean;
}

/** The message in the form in which it is stored. */
export const stored = ({ topic, payload, qos, retain }: Publication): StoredPublish => ({
  topic,
  payload: new Binary(payload),
  qos,
  retain,
});

/** And back. */
export const publicationOf = ({ topic, payload, qos, retain }: StoredPublish): Publication => ({
  topic,
  payload: Buffer.from(payload.buffer.buffer, payload.buffer.byteOffset, payload.position),
  qos,
  retain,
});
