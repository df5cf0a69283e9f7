import type { Permission } from '@rollcall/client/contract';
import type { Binary, ObjectId } from 'mongodb';

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
  /** Where a secret was handed out: by which request and for which input (keyed hashes), and by which of its sendings. */
  secretFor?: { request: string; sending: number; input?: string };
  /** The node that wrote this revision: it makes the requests that the change asks for. */
  node?: string;
  /** How many webhook requests this revision may cause, if it comes of one. */
  requestsLeft?: number;
  /** The device has a principal: what it may do does not rest on whitelists alone. */
  principal?: true;
  /** Fingerprints of its hooks that may forward its credentials, as whoever set them may issue tokens for it; of principals only. */
  credentialHooks?: string[];
  /** It is a group, and this is its name; unique. It stays one, whatever becomes of its visible type. */
  group?: string;
  /** The MQTT client record that the device stands for, and the user whose it is. */
  record?: { id: string; clientId: string; owner: string };
  /** The group of its principal: lists that name the group name its members. */
  tenant?: string;
  /** It is gone, and was a group: whoever belongs to it goes too. */
  wasGroup?: true;
  /** Set when the device was unregistered: it is missing to everybody from then on. */
  gone?: { at: number; by: string };
}

/** One client instance of one actor: its highest counter that took effect, and the 64 counters up to it as a bit field (hex). */
export interface WindowEntry {
  key: string;
  top: number;
  bits: string;
  usedAt: number;
  /** Short keyed hash of what the request of the highest counter asked for, if that is known. */
  input?: string;
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

/**
 * Who can log in or be granted something: the security state of the device with this uuid (domain model, section 3). No Meshblu call
 * reaches it.
 */
export interface PrincipalDocument extends Guarded {
  /** The device's uuid. */
  _id: string;
  kind: 'device' | 'user' | 'group' | 'mqttToken' | 'mqttClient';
  state: 'creating' | 'active' | 'disabled';
  /** As it was given. */
  username?: string;
  /** Lower case; unique over all kinds. */
  loginName?: string;
  /** The uuid of the group. */
  tenant?: string;
  /** The uuid of the user whose client record it is: it goes with him. */
  owner?: string;
  mqtt?: MqttPart;
  /** What `mqtt` was before it gave up its unique names. */
  was?: MqttPart;
  autoGenerated: boolean;
  identityProvider: 'local';
  grantTypes: { method: 'password' | 'certificate'; isRequired: boolean }[];
  /** The shared roles; the role of his own is `privateRoleId`. */
  roleIds: string[];
  privateRoleId?: string;
  mqttPublishPrefix: string;
  /** The second factor, or what is to become it. */
  mfa?: MfaPart;
  /** Without a second factor he gets no full login. */
  enforceMfa?: true;
  /** Codes of the second factor tried since the last right one, and when the last was. */
  codesTried?: { count: number; at: Date };
  createdBy?: string;
  createdAt: Date;
  updatedAt: Date;
  expiresAt?: Date;
  /** What is left to be done, by whoever began it or by the sweeper. */
  unfinished?: Unfinished;
}

/** What an MQTT token or a client record has beside its name (MQTT token and MQTT client references). */
export interface MqttPart {
  /** First level of a token's topics; unique. */
  topicToken?: string;
  authType?: 'U' | 'S' | 'SN';
  serialNumber?: string;
  /** Group and serial number of a token, in one form for all cases; unique. */
  serialKey?: string;
  /** Unique; case counts. */
  clientId?: string;
  /** 24 hex digits; unique. */
  recordId?: string;
  name?: string;
  description?: string;
  /** Which of them the owner of a client record chose himself. */
  chosen?: { name: boolean; key: boolean };
}

/** A second factor (access control reference, section 5.7). */
export interface MfaPart {
  /** `pending` until a first right code was shown. */
  state: 'pending' | 'on';
  /** The TOTP seed, sealed. */
  seed: string;
  /** The time step of the last accepted code: no earlier one is accepted any more, nor this one again. */
  lastStep?: number;
  /** Hashes of the backup codes that are left. */
  backupCodes?: string[];
  /** The revision by which it was turned on. */
  since?: number;
}

/** A secret as it is stored, and the request (keyed hash) and its sending to which it is handed out. */
export interface StoredSecret {
  readonly alg: 'sha256-pepper' | 'bcrypt';
  readonly hash: string;
  readonly secretFor?: { request: string; sending: number };
}

/** Since when a principal is being made or removed, and what it takes to finish that. */
export interface Unfinished {
  since: Date;
  /** The creation of several that this one belongs to: it goes on only if that was decided. */
  work?: string;
  device?: Record<string, unknown>;
  passwordHash?: string;
  secret?: StoredSecret;
  permissions?: Permission[];
  certificates?: CertificatePin[];
}

/** A certificate that a user may show: its SHA-1 or SHA-256 fingerprint, upper-case hex with colons. */
export interface CertificatePin {
  fingerprint: string;
  createdAt: Date;
  expiresAt?: Date;
  /** The certificate itself, if it was issued here. */
  pem?: string;
}

/** A secret, or what is left of it (domain model, section 3). Meshblu tokens are in `tokens`. */
export interface CredentialDocument extends Guarded {
  _id: string;
  uuid: string;
  kind: 'password' | 'secret' | 'access' | 'refresh' | 'certificate' | 'mfaChallenge';
  alg: 'sha256-pepper' | 'bcrypt' | 'none';
  hash?: string;
  /** SHA-256 of an access token, or either fingerprint of a certificate, as colon separated hex. */
  fingerprint?: string;
  /** A certificate that was issued here. */
  pem?: string;
  label: string;
  /** The login that access and refresh tokens belong to. */
  sid?: string;
  createdAt: Date;
  expiresAt?: Date;
  /** Whatever happens, a refresh token of this login is worth nothing after this. */
  absoluteAt?: Date;
  /** A refresh token works once, and so does a challenge. */
  usedAt?: Date;
  /** The pair that took the place of a used refresh token, encrypted: repeats within the grace get the same one. */
  successor?: string;
  /** An access token of somebody who has still to enrol: it is worth only what that takes, until `fullUntil` takes the place of `expiresAt`. */
  scope?: 'enrolment';
  fullUntil?: Date;
  /** Of a challenge: the hash that the password fitted, the lifetime of the login that was asked for, and how often a code was tried. */
  proof?: string;
  lifetimeMs?: number;
  tries?: number;
  /** When the store may drop the row. */
  purgeAt?: Date;
}

/** A named set of permissions (domain model, section 3). */
export interface RoleDocument extends Guarded {
  _id: string;
  name: string;
  /** Unique; a user's own role has none. */
  nameLower?: string;
  isShared: boolean;
  autoGenerated: boolean;
  /** The user whose own role it is. */
  ownerUuid?: string;
  permissions: Permission[];
}

/** A certificate that client certificates are verified against (access control reference, section 5.11). */
export interface CertificateDocument extends Guarded {
  _id: string;
  /** Its SHA-256 fingerprint, lower-case hex; unique, and given up by one that was removed. */
  fingerprint?: string;
  pem: string;
  /** False for the registry's own authority. */
  removable: boolean;
  addedAt: Date;
}

/** A request to become a user (access control reference, section 5.8). Once it is granted, its `_id` is the user's uuid. */
export interface RegistrationDocument extends Guarded {
  _id: string;
  username: string;
  /** Unique, and given up by one that is no more. */
  loginName?: string;
  credentialType: 'password' | 'certificate';
  passwordHash?: string;
  /** The key that a certificate is asked for: SubjectPublicKeyInfo, DER as base64. */
  publicKey?: string;
  /** What was wished for: names of roles, and permissions. */
  roles: string[];
  permissions: Omit<Permission, 'id'>[];
  context: string;
  source: 'rest' | 'socket' | 'mqtt';
  timestamp: Date;
  /** By the feed's clock. */
  expiresAt: Date;
  granted: boolean;
  /** Which numbered call (keyed hash) was told that it is granted. */
  fetchedBy?: string;
}

/** One of a kind: who the administrators are; whether a creation of several was decided; when strangers may ask to become users. */
export interface RecordOfRegistry extends Guarded {
  _id: string;
  uuids: string[];
  state?: 'open' | 'decided' | 'abandoned';
  /** Since when strangers may ask to become users (milliseconds of the feed's clock), and for how long, in milliseconds. */
  window?: { openedAt: number; ms: number };
}

/** A message to be published by MQTT, as it is kept: for a session, as retained, as a will, or on its way to other nodes. */
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
  /** The principal or device whose session it is: nobody else gets this client id while it exists. */
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

/** One thing that somebody did or tried, in its place in a chain. Never changed, never removed. */
export interface AuditDocument {
  /** `<chain>:<number>`, the number with leading zeros. */
  _id: string;
  /** One for each start of a node. */
  chain: string;
  /** From 1. */
  number: number;
  at: Date;
  action: string;
  outcome: string;
  actor: { uuid: string; username?: string; credential?: string; method?: string } | null;
  targets: string[];
  address: string;
  details: Record<string, unknown>;
  /** Of an outcome: the `_id` of the entry that said that it was begun. */
  of?: string;
  /** Of the first entry of a chain: the newest one that there was then, of another chain. */
  joins?: { chain: string; number: number; hash: string };
  /** The hash of the one before; empty for the first. */
  previous: string;
  hash: string;
  seal: string;
}

/** How far a chain has come: kept beside it, so that nobody cuts off its end unseen. */
export interface AuditHead {
  /** The chain. */
  _id: string;
  number: number;
  hash: string;
  seal: string;
}

/** What is told of a maintenance job that has ended. */
export interface JobRecord {
  id: string;
  succeeded: boolean;
  statusMessage: string;
  startDate: Date;
  endDate: Date;
  /** The request that began it, if it had a number. */
  request?: string;
}

/** A maintenance job that is under way, and who does it. */
export interface RunningJob {
  kind: 'backup' | 'restore';
  id: string;
  /** The process that does it: random, once per start. */
  owner: string;
  /** Counted up by the owner as a sign of life. */
  beat: number;
  /**
   * `working`: nothing of the registry is touched. `closing`: the nodes stop serving. `replacing`: the safety copy is complete, and the documents
   * are being replaced. `clearing`: it is decided, and the safety copy is being removed.
   */
  phase: 'working' | 'closing' | 'replacing' | 'clearing';
  statusMessage: string;
  startDate: Date;
  request?: string;
}

/** A row of `maintenance` by which the store's clock is asked. */
export interface ClockDocument {
  _id: 'clock';
  at: Date;
}

/** The one row of `maintenance` beside that: the id of the feed, and the jobs. */
export interface MaintenanceDocument extends Guarded {
  _id: 'state';
  _rollcall: Hidden;
  feed: string;
  /** A moment of the store's clock before the feed had this id; null if it has had it from the beginning. */
  feedAt: Date | null;
  job: RunningJob | null;
  backup: JobRecord | null;
  restore: JobRecord | null;
}

export interface Collections {
  'mqtt-sessions': MqttSessionDocument;
  'mqtt-queue': MqttQueueDocument;
  'mqtt-incoming': MqttIncomingDocument;
  'mqtt-retained': MqttRetainedDocument;
  'mqtt-publications': MqttPublicationDocument;
  audit: AuditDocument;
  'audit-heads': AuditHead;
  maintenance: MaintenanceDocument;
  principals: PrincipalDocument;
  credentials: CredentialDocument;
  roles: RoleDocument;
  registry: RecordOfRegistry;
  certificates: CertificateDocument;
  registrations: RegistrationDocument;
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
