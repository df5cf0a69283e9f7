import type { Binary } from 'mongodb';

/**
 * A message to be published by MQTT, as it is kept: for a session, as retained, as a will, or on
 * its way to other nodes.
 */
export interface StoredPublish {
  topic: string;
  payload: Binary;
  qos: 0 | 1 | 2;
  retain: boolean;
}

/** An MQTT session (MQTT 3.1.1, section 4.1), and where its client is now. */
export interface MqttSessionDocument {
  /** The client id. */
  _id: string;
  /** Counted up with every write. */
  rev: number;
  /**
   * The principal or device that owns the session: no other gets this client id while it exists.
   */
  uuid: string;
  clean: boolean;
  subscriptions: { topic: string; qos: 0 | 1 | 2 }[];
  /** The connection, and the node that has it; none while the client is away. */
  link?: string;
  node?: string;
  will?: StoredPublish;
  /** Since when the client is there, or away. */
  since: Date;
}

/** A message that waits for a session: to be sent, or to be acknowledged. */
export interface MqttQueueDocument extends StoredPublish {
  /** `<message>/<client id>`. */
  _id: string;
  client: string;
  /** Orders the messages of a session. */
  order: string;
  /** The packet identifier, once it was sent. */
  messageId?: number;
  /** Was it received, so that only PUBREL is left (QoS 2)? */
  received?: true;
}

/** A QoS 2 message that a session's client has sent and not released yet. */
export interface MqttIncomingDocument {
  /** `<packet identifier>/<client id>`. */
  _id: string;
  client: string;
  messageId: number;
}

/** The retained message of a topic, which is the `_id`. */
export interface MqttRetainedDocument extends StoredPublish {
  _id: string;
  /** Who answers for it; older rows do not say. */
  owner?: string;
}

/** A message on its way to the other nodes. */
export interface MqttPublicationDocument extends StoredPublish {
  _id: string;
  node: string;
  purgeAt: Date;
}
