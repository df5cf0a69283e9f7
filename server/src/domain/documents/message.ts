import type { ObjectId } from 'mongodb';

/** A stored Meshblu subscription (MS-2.18). */
export interface SubscriptionDocument {
  _id: string | ObjectId;
  subscriberUuid: string;
  emitterUuid: string;
  type: string;
  deleted?: boolean;
}

/** A message on its way to other nodes; `sent` is JSON text, as its keys are the sender's. */
export interface MessageDocument {
  _id: string;
  sent: string;
  purgeAt: Date;
}

/** A request of a webhook that failed. */
export interface WebhookFailureDocument {
  _id: string;
  uuid: string;
  at: Date;
  url: string;
  status?: number;
  reason: string;
  nextTryAt: Date | null;
}

/** A record that `data` stored, or an entry of an old database's event log (MS-2.19). */
export interface RecordDocument {
  _id: string | ObjectId;
  uuid?: string;
  timestamp?: string;
  [property: string]: unknown;
}
