import type { ObjectId } from 'mongodb';

/**
 * What the registry keeps beside the user's properties, in the one key of a device document that is ours.
 *
 * It never leaves the server: `outgoing()` strips it, and no filter, sort, projection or update of a client may name it.
 */
export interface Hidden {
  /** Raised by exactly one with every write of the document. */
  rev: number;
  /** `rev` of the last change that clients may see. */
  shown: number;
  /** Which requests took effect here (see `request-window.ts`). */
  window?: WindowEntry[];
  /** When a window entry younger than 15 minutes last had to go, in milliseconds of the feed's clock. */
  lost?: number;
  /** Nodes that hold a socket of this device, since when and why it is on or off line, and in which revision it came or went. */
  presence?: { nodes: string[]; since: number; reason: string; at?: number };
  /** Where a secret was handed out: by which request (keyed hash) and which of its sendings. */
  secretFor?: { request: string; sending: number };
  /** The node that wrote this revision: it makes the requests that the change asks for. */
  node?: string;
  /** Set when the device was unregistered: it is missing to everybody from then on. */
  gone?: { at: number; by: string };
}

/** One client instance of one actor: its highest counter that took effect, and the 64 counters up to it as a bit field (hex). */
export interface WindowEntry {
  key: string;
  top: number;
  bits: string;
  usedAt: number;
}

/** A document that is written through the door. */
export interface Guarded {
  _id: string | ObjectId;
  _rollcall?: Hidden;
  [property: string]: unknown;
}

/** A Meshblu device document (reference, section 3.1). `_id` is the uuid for new ones. */
export interface DeviceDocument extends Guarded {
  uuid: string;
}

/** A token in Meshblu's shape (reference, section 5.3). The root token is the row `root:<uuid>`. */
export interface TokenDocument extends Guarded {
  _id: string | ObjectId;
  uuid: string;
  hashedToken: string;
  metadata: Record<string, unknown>;
  root?: true;
  expiresOn?: Date;
}

/** One of the registry's own keys, sealed with `ROLLCALL_SECRET`; `check` rows hold the check values of pepper and secret. */
export interface KeyDocument {
  _id: string;
  sealed?: string;
  check?: string;
}

/** A node's lease (decisions, section 11). */
export interface NodeDocument {
  _id: string;
  /** Counted up with every renewal. */
  renewal: number;
  /** The place of the feed up to which the node has carried everything out. */
  at: string;
  /** Does this renewal prove that the node's feed is alive? */
  counts: boolean;
  /** The node waits for an ending: the others are to renew their leases as soon as they have come this far. */
  asks?: true;
}

/** A stored Meshblu subscription (reference, section 2.18). */
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

/** A record that `data` stored, or an entry of an old database's event log (Meshblu reference, section 2.19). */
export interface RecordDocument {
  _id: string | ObjectId;
  uuid?: string;
  timestamp?: string;
  [property: string]: unknown;
}

export interface Collections {
  messages: MessageDocument;
  'webhook-failures': WebhookFailureDocument;
  data: RecordDocument;
  events: RecordDocument;
  devices: DeviceDocument;
  'deleted-devices': DeviceDocument;
  tokens: TokenDocument;
  keys: KeyDocument;
  nodes: NodeDocument;
  subscriptions: SubscriptionDocument;
}
