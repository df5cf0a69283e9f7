import type { ObjectId } from 'mongodb';

/**
 * What the registry keeps beside the user's properties, in the one key of a device document that is
 * ours.
 *
 * It never leaves the server: `outgoing()` strips it, and no filter, sort, projection or update of
 * a client may name it.
 */
export interface Metadata {
  /** Raised by exactly one with every write of the document. */
  rev: number;
  /** `rev` of the last change that clients may see. */
  shown: number;
  /** Which requests took effect here (see `request-window.ts`). */
  window?: WindowEntry[];
  /**
   * When a window entry younger than 15 minutes last had to go, in milliseconds of the feed's
   * clock.
   */
  lost?: number;
  /**
   * Nodes that hold a socket of this device, since when and why it is online or offline, and the
   * revision of the last change.
   */
  presence?: { nodes: string[]; since: number; reason: string; at?: number };
  /**
   * Where a secret was handed out: by which request and for which input (keyed hashes), and by
   * which of its sendings.
   */
  secretFor?: { request: string; sending: number; input?: string };
  /** The node that wrote this revision: it makes the requests that the change asks for. */
  node?: string;
  /** How many webhook requests this revision may cause, if it comes of one. */
  requestsLeft?: number;
  /** The device has a principal: what it may do does not rest on whitelists alone. */
  principal?: true;
  /**
   * Fingerprints of the approved hooks, which may forward the device's credentials: set by an actor
   * who may issue tokens for it. Principals only.
   */
  credentialHooks?: string[];
  /**
   * It is a group, and this is its name; unique. It stays one, whatever becomes of its visible
   * type.
   */
  group?: string;
  /** The MQTT client record that the device stands for, and the user whose it is. */
  record?: { id: string; clientId: string; owner: string };
  /** The group of its principal: lists that name the group name its members. */
  tenant?: string;
  /** Set on the tombstone of a group: its members are removed too. */
  wasGroup?: true;
  /**
   * Set on a tombstone: the device was unregistered and counts as missing. `at` in milliseconds
   * since 1970.
   */
  gone?: { at: number; by: string };
}

/**
 * One client instance of one actor: its highest counter that took effect, and the 64 counters up to
 * it as a bit field (hex).
 */
export interface WindowEntry {
  key: string;
  top: number;
  bits: string;
  usedAt: number;
  /** Short keyed hash of what the request of the highest counter asked for, if that is known. */
  input?: string;
}

/** A document with a revision and an idempotency window. */
export interface Guarded {
  _id: string | ObjectId;
  _rollcall?: Metadata;
  [property: string]: unknown;
}
