import { BSON, type Document } from 'mongodb';
import type { Store } from '../data/store.ts';
import type { Collection } from '../store/port.ts';
import type { Collections } from '../domain/documents/index.ts';

/** How one collection takes part in backups and restores. */
export interface FilePart {
  readonly name: keyof Collections;
  /** Do its documents carry revisions? */
  readonly guarded: boolean;
  /** Does this document go into an archive, and come back from one? */
  includes(document: Document): boolean;
  /** Which documents a restore may change: the safety copy holds them. */
  readonly touched: Document;
  /** Which of these it removes before it brings its own. */
  readonly removed: Document;
}

const all = { includes: () => true, touched: {}, removed: {} };
const guarded = { guarded: true, ...all };
const plain = { guarded: false, ...all };

/** Credentials that are a login, or lead to one: they die with a restore, and no archive has them (ME-5). */
const logins: ReadonlySet<unknown> = new Set(['access', 'refresh', 'mfaChallenge']);

/** Keys under which logins are made and remembered: a restored registry makes new ones, so that nothing signed before is worth anything. */
const renewedKeys = ['jwt', 'basic'];

/** Keys of what a restore leaves as it is. */
const keptKeys = ['audit'];

const ownKeys: ReadonlySet<unknown> = new Set([...renewedKeys, ...keptKeys]);

/**
 * Every collection, and what becomes of it. `left`: it is in no archive, and a restore does not touch it.
 *
 * The audit tells of restores too, and goes on through them. Of `keys` all come back but those of logins and of the audit: ids, request windows, certificates, second factors and signatures of the restored documents were
 * made with the archive's. A key that was made later stays, and so do the check values: a restore has made sure that they are the same.
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

/** The collections that backups and restores are about. */
export const parts: readonly FilePart[] = Object.entries(kinds).flatMap(([name, kind]) =>
  kind === 'left' ? [] : [{ name: name as keyof Collections, ...kind }],
);

/** The same by name. */
export const partOf: ReadonlyMap<string, FilePart> = new Map(parts.map((part) => [part.name, part]));

/** Documents of any collection as they are, every type of number kept apart. */
export const exactly = { promoteValues: false, promoteLongs: false, readConcern: { level: 'majority' } } as const;

/** A part's collection, its documents taken as they come. */
export const rowsOf = (store: Pick<Store, 'collection'>, name: FilePart['name']): Collection<Document> =>
  store.collection(name) as unknown as Collection<Document>;

/** Tells ids apart, whatever type they have. */
export const idText = (id: unknown): string =>
  typeof id === 'string' ? id : Buffer.from(BSON.serialize({ id })).toString('latin1');
