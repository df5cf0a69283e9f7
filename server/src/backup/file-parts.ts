import { BSON, type Document } from 'mongodb';
import type { Store } from '../data/store.ts';
import type { Collection } from '../store/port.ts';
import type { Collections } from '../domain/documents/index.ts';

/** How one collection takes part in backups and restores. */
export interface FilePart {
  readonly name: keyof Collections;
  /** Whether its documents have revisions. */
  readonly guarded: boolean;
  /** Whether this document is backed up and restored. */
  includes(document: Document): boolean;
  /** Filter of the documents that a restore may change; the safety copy holds them. */
  readonly touched: Document;
  /** Filter of the documents that a restore removes before it writes those of the archive. */
  readonly removed: Document;
}

const all = { includes: () => true, touched: {}, removed: {} };
const guarded = { guarded: true, ...all };
const plain = { guarded: false, ...all };

/** Credentials that are a login or lead to one: a restore revokes them, and no archive contains them (ME-5). */
const logins: ReadonlySet<unknown> = new Set(['access', 'refresh', 'mfaChallenge']);

/** Keys that sign logins: a restored registry makes new ones, so that earlier signatures are invalid. */
const renewedKeys = ['jwt', 'basic'];

/** Keys of the data that a restore does not touch. */
const keptKeys = ['audit'];

const ownKeys: ReadonlySet<unknown> = new Set([...renewedKeys, ...keptKeys]);

/**
 * How each collection takes part in backups and restores. `left`: it is in no archive, and a restore does not touch it.
 *
 * The audit log records restores and continues through them.
 * All `keys` are restored except those of logins and of the audit log.
 * Ids, idempotency windows, certificates, second factors and signatures of the restored documents depend on the archive's keys.
 * Later keys stay, and so do the check values: a restore has verified that they are equal.
 */
const kinds: Readonly<Record<keyof Collections, Omit<FilePart, 'name'> | 'left'>> = {
  devices: guarded,
  tokens: guarded,
  principals: guarded,
  credentials: { ...guarded, includes: ({ kind }: Document) => !logins.has(kind) },
  roles: guarded,
  registry: guarded,
  certificates: guarded,
  registrations: guarded,
  subscriptions: plain,
  'mqtt-sessions': plain,
  'mqtt-queue': plain,
  'mqtt-incoming': plain,
  'mqtt-retained': plain,
  data: plain,
  events: plain,
  'deleted-devices': plain,
  'webhook-failures': plain,
  keys: {
    ...plain,
    includes: ({ _id, sealed }: Document) => sealed !== undefined && !ownKeys.has(_id),
    touched: { sealed: { $exists: true }, _id: { $nin: keptKeys } },
    removed: { _id: { $in: renewedKeys } },
  },
  messages: 'left',
  'mqtt-publications': 'left',
  nodes: 'left',
  maintenance: 'left',
  audit: 'left',
  'audit-heads': 'left',
};

/** The collections that are backed up and restored. */
export const parts: readonly FilePart[] = Object.entries(kinds).flatMap(([name, kind]) =>
  kind === 'left' ? [] : [{ name: name as keyof Collections, ...kind }],
);

/** The parts by collection name. */
export const partOf: ReadonlyMap<string, FilePart> = new Map(parts.map((part) => [part.name, part]));

/** Read options that keep the stored number types. */
export const exactly = { promoteValues: false, promoteLongs: false, readConcern: { level: 'majority' } } as const;

/** The collection of a part with untyped documents. */
export const rowsOf = (store: Pick<Store, 'collection'>, name: FilePart['name']): Collection<Document> =>
  store.collection(name) as unknown as Collection<Document>;

/** An id as text, unique across types. */
export const idText = (id: unknown): string =>
  typeof id === 'string' ? id : Buffer.from(BSON.serialize({ id })).toString('latin1');
