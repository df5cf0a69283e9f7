import { createHash } from 'node:crypto';
import { RegistryError, type TokenInfo } from '@rollcall/client/contract';
import type { IdempotentIds } from '../../data/repository/idempotent-ids.ts';
import { keyReused } from '../../data/repository/idempotency-window.ts';
import { issuedTo, replaces } from '../../data/repository/one-time-secret.ts';
import { compileFilter } from '../../mql/index.ts';
import { evaluate } from '../../domain/evaluate.ts';
import { readRequestsLeft } from '../../domain/requests-left.ts';
import { isPlainObject } from '../../common/plain-object.ts';
import type { Actor, Revocation } from '../../domain/actor.ts';
import type { BcryptPool } from '../passwords/bcrypt-pool.ts';
import { isDuplicateKey } from '../../store/duplicate-key.ts';
import type { Store } from '../../data/store.ts';
import { withWriteListener, type UserLists } from './token-list-cache.ts';
import { notDeleted } from '../../domain/tombstone.ts';
import type { RequestId } from '../../domain/revision.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';
import type { TokenDocument } from '../../domain/documents/token.ts';

/** Meshblu's hash of a token: base64 of SHA-256 over token, uuid and pepper, joined as UTF-8 (MS-5.3). */
export const tokenHash = (token: string, uuid: string, pepper: string): string =>
  createHash('sha256')
    .update(token + uuid + pepper, 'utf8')
    .digest('base64');

/** The `_id` of the one row that holds a device's root token (ME-5). */
export const rootId = (uuid: string): string => `root:${uuid}`;

/** Session tokens of one device that clients can have made. Those of webhook requests end with the request and do not count. */
export const maxSessionTokens = 1_000;

/** A token's plain text and when it was made. */
export interface IssuedToken {
  readonly token: string;
  readonly createdAt: Date;
}

/** A token as it is listed, and when it is worth nothing any more. */
export interface ListedToken {
  readonly info: TokenInfo;
  /** Milliseconds since 1970; infinite if never. */
  readonly until: number;
}

/** What a revocation ended, and whether there was anything to end. */
export interface RevokedTokens {
  readonly revokes: readonly Revocation[];
  readonly found: boolean;
}

/** The tokens of devices, in Meshblu's collections and shape. */
export interface DeviceTokens {
  /** The actor that this token makes of whoever shows it, null if it is none of this device. Asks nothing about the device itself. */
  verify(device: DeviceDocument, token: string): Promise<Actor | null>;
  /** Those of these actors whose device and credential are still there. */
  live(actors: readonly Actor[]): Promise<ReadonlySet<Actor>>;
  /** Writes the root token of a device that is about to be inserted. */
  issueRoot(uuid: string, request: RequestId | null): Promise<IssuedToken>;
  /** Makes sure that a device may have one more session token, or has that of this request. Fails with `conflict` at `maxSessionTokens`. */
  assertRoom(uuid: string, request: RequestId | null): Promise<void>;
  /** Makes a session token with these metadata. */
  issue(uuid: string, metadata: Readonly<Record<string, unknown>>, request: RequestId | null): Promise<IssuedToken>;
  /** Replaces the root token; answers the new one and the credentials that ended. */
  resetRoot(uuid: string, request: RequestId | null): Promise<{ readonly token: string; readonly ended: readonly Revocation[] }>;
  /** Removes one session token. */
  revoke(uuid: string, token: string): Promise<RevokedTokens>;
  /** Removes the session tokens whose metadata match. */
  revokeMatching(uuid: string, metadata: Readonly<Record<string, unknown>>): Promise<RevokedTokens>;
  /** The tokens whose metadata match, newest first, at most 1000. */
  search(uuid: string, metadata: Readonly<Record<string, unknown>>): Promise<readonly TokenDocument[]>;
  /** What these devices' tokens are called in a list of a user's tokens: the fingerprint is that of the stored hash. */
  describe(uuids: readonly string[]): Promise<readonly (readonly [uuid: string, listed: ListedToken])[]>;
  /** Ends the token that such a list calls so; answers the credentials that ended. */
  revokeDescribed(uuid: string, fingerprint: string): Promise<readonly Revocation[]>;
  /** Ends every token, but not the one that `except` shows; answers the credentials that ended. A root token is replaced by one that nobody knows. */
  revokeAll(uuid: string, except?: Actor): Promise<readonly Revocation[]>;
  /** Removes every token of a device that is no more. */
  removeAll(uuid: string): Promise<void>;
}

/** The session tokens that older servers kept inside the device (MS-5.3). */
const innerTokens = (device: DeviceDocument): Readonly<Record<string, unknown>> => {
  const meshblu = device['meshblu'];
  const tokens = isPlainObject(meshblu) ? meshblu['tokens'] : undefined;
  return isPlainObject(tokens) ? tokens : {};
};

/** Has this device a session token with this hash inside? */
export const hasInnerToken = (device: DeviceDocument, hash: string): boolean => Object.hasOwn(innerTokens(device), hash);

const without = <T extends object>(from: T, key: string): T =>
  Object.fromEntries(Object.entries(from).filter(([name]) => name !== key)) as T;

/** The name of a credential that lies inside the device document. */
export const innerId = (uuid: string, hash: string): string => `inner:${uuid}:${hash}`;

const fingerprintOf = ({ hashedToken }: TokenDocument): string =>
  (Buffer.from(hashedToken, 'base64').toString('hex').toUpperCase().match(/../g) ?? []).join(':');

const listedOf = (row: TokenDocument): ListedToken => {
  const { createdAt } = row.metadata;
  const info: TokenInfo = {
    fingerprint: fingerprintOf(row),
    createdAt: createdAt instanceof Date ? createdAt.toISOString() : null,
    expiresAt: row.expiresOn instanceof Date ? row.expiresOn.toISOString() : null,
    label: 'meshblu',
  };
  return { info, until: row.expiresOn instanceof Date ? row.expiresOn.getTime() : Number.POSITIVE_INFINITY };
};

const endingOf = ({ uuid, _id }: TokenDocument): Revocation => ({ uuid, credential: String(_id) });

const revoked = (uuid: string, rows: readonly TokenDocument[], inner: readonly string[]): RevokedTokens => ({
  revokes: [...rows.map(endingOf), ...inner.map((hash) => ({ uuid, credential: innerId(uuid, hash) }))],
  found: rows.length + inner.length > 0,
});

/** Opens the tokens of a store. `key`: 32 secret bytes that hide which request a secret was made for. */
export const createDeviceTokens = (options: {
  readonly store: Store;
  readonly devices: Repository<DeviceDocument>;
  readonly rootRows: Repository<TokenDocument>;
  readonly findToken: (uuid: string, hashedToken: string) => Promise<TokenDocument | null>;
  /** The row as the newest change of the feed shows it: a read from a primary that others have left may be older. */
  readonly newestToken: (id: TokenDocument['_id']) => TokenDocument | undefined;
  readonly slowHash: BcryptPool;
  readonly ids: IdempotentIds;
  readonly pepper: string;
  readonly key: Buffer;
  readonly now: () => number;
  /** Told whose tokens were written. */
  readonly lists: Pick<UserLists<object>, 'drop'>;
}): DeviceTokens => {
  const { store, devices, slowHash, ids, lists, pepper, now } = options;
  const rootRows = withWriteListener(options.rootRows, ({ uuid }) => lists.drop(uuid));
  const rows = store.collection('tokens');
  const hash = (uuid: string, token: string): string => tokenHash(token, uuid, pepper);
  const isLive = (row: TokenDocument): boolean =>
    row.expiresOn === undefined || row.expiresOn === null || row.expiresOn.getTime() > now();

  const secretFor = (request: RequestId | null) => {
    const mark = issuedTo(options.key, request);
    return mark === undefined ? {} : { secretFor: mark };
  };

  /** Inserts a row that hands out a secret. A repeat puts a fresh secret in the place of its first one; a lower sending never replaces a higher. */
  const insertSecret = async (row: TokenDocument, request: RequestId | null): Promise<void> => {
    const document = { ...row, _rollcall: { rev: 1, shown: 1, ...secretFor(request) } };
    try {
      await rows.insertOne(document);
    } catch (error) {
      const mark = issuedTo(options.key, request);
      if (!isDuplicateKey(error) || mark === undefined) throw error;
      if (mark.input !== undefined) {
        const earlier = (await rows.findOne({ _id: row._id }))?._rollcall?.secretFor;
        if (earlier?.request === mark.request && (earlier.input ?? mark.input) !== mark.input) throw keyReused();
      }
      const { matchedCount } = await rows.replaceOne(
        {
          _id: row._id,
          '_rollcall.secretFor.request': mark.request,
          '_rollcall.secretFor.sending': { $lt: mark.sending },
        },
        document,
      );
      if (matchedCount === 0) throw new RegistryError('outcome-unknown');
    }
    lists.drop(row.uuid);
  };

  /** Moves an old bcrypt root token to the fast hash: from now on the row alone logs in. */
  const moveRoot = async (device: DeviceDocument, token: string): Promise<boolean> => {
    const row: TokenDocument = {
      _id: rootId(device.uuid),
      uuid: device.uuid,
      hashedToken: hash(device.uuid, token),
      metadata: {},
      root: true,
    };
    try {
      await insertSecret(row, null);
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      const moved = await rootRows.getFresh(rootId(device.uuid));
      if (moved?.hashedToken !== row.hashedToken) return false;
    }
    await dropInner(device.uuid, (before) => (before['token'] === undefined ? null : without(before, 'token')));
    return true;
  };

  /** A change of the device's hidden secrets: it makes no event. */
  const dropInner = async (uuid: string, compute: (before: DeviceDocument) => DeviceDocument | null): Promise<void> => {
    await devices.update(uuid, null, (before) => {
      const next = before === null ? null : compute(before);
      return next === null ? null : { next, visible: false };
    });
  };

  /** Removes session tokens inside the device; answers the hashes of those that were there. */
  const dropInnerTokens = async (
    uuid: string,
    ends: (hash: string, metadata: unknown) => boolean,
  ): Promise<readonly string[]> => {
    let dropped: readonly string[] = [];
    await dropInner(uuid, (before) => {
      const tokens = Object.entries(innerTokens(before));
      const kept = tokens.filter(([hashed, metadata]) => !ends(hashed, metadata));
      dropped = tokens.filter((entry) => !kept.includes(entry)).map(([hashed]) => hashed);
      if (dropped.length === 0) return null;
      return { ...before, meshblu: { ...(before['meshblu'] as object), tokens: Object.fromEntries(kept) } };
    });
    return dropped;
  };

  /** Rows go as devices do: replaced by themselves with `gone`, so that the feed carries whose they were; the sweeper deletes them. */
  const remove = async (found: readonly TokenDocument[], by: string): Promise<void> => {
    if (found.length === 0) return;
    const gone = { at: now(), by };
    await rows.bulkWrite(
      found.map((row) => {
        const hidden = row._rollcall ?? { rev: 0, shown: 0 };
        const replacement = { ...row, _rollcall: { ...hidden, rev: hidden.rev + 1, shown: hidden.rev + 1, gone } };
        return { replaceOne: { filter: { _id: row._id, ...notDeleted }, replacement } };
      }),
    );
    for (const { uuid } of found) lists.drop(uuid);
  };

  const matching = (uuid: string, metadata: Readonly<Record<string, unknown>>) => ({
    uuid,
    ...Object.fromEntries(Object.entries(metadata).map(([key, value]) => [`metadata.${key}`, value])),
  });

  const resetRoot: DeviceTokens['resetRoot'] = async (uuid, request) => {
    const token = ids.token();
    const root = rootId(uuid);
    const hashedToken = hash(uuid, token);
    const fresh: TokenDocument = { _id: root, uuid, hashedToken, metadata: { createdAt: new Date(now()) }, root: true };
    const replaced = (before: TokenDocument): TokenDocument => ({
      ...fresh,
      _rollcall: { rev: 0, shown: 0, ...before._rollcall, ...secretFor(request) },
    });
    const reset = async (): Promise<void> => {
      const { document, outcome } = await rootRows.update(root, request, (before) =>
        before === null ? null : { next: replaced(before), visible: true },
      );
      if (outcome !== 'repeated') return;
      const mark = issuedTo(options.key, request);
      if (!replaces(mark, document._rollcall?.secretFor)) throw new RegistryError('outcome-unknown');
      await rootRows.update(root, null, (before) => {
        if (before === null || !replaces(mark, before._rollcall?.secretFor)) throw new RegistryError('outcome-unknown');
        return { next: replaced(before), visible: true };
      });
    };
    if ((await rootRows.getFresh(root)) === null) {
      try {
        await insertSecret(fresh, request);
      } catch (error) {
        if (!isDuplicateKey(error)) throw error;
        await reset();
      }
    } else {
      await reset();
    }
    const others = await rows.find({ uuid, root: true, _id: { $ne: root }, ...notDeleted }).toArray();
    await remove(others, uuid);
    await dropInner(uuid, (before) => (before['token'] === undefined ? null : without(before, 'token')));
    return { token, ended: [{ uuid, credential: root, unless: hashedToken }, ...others.map((row) => endingOf(row))] };
  };

  return {
    resetRoot,

    async verify(device, token) {
      const { uuid } = device;
      const hashed = hash(uuid, token);
      const actor = (credentialId: string): Actor => ({ uuid, credentialId, hash: hashed });
      const row = await options.findToken(uuid, hashed);
      const newest = row === null ? undefined : options.newestToken(row._id);
      if (newest !== undefined && (newest._rollcall?.gone !== undefined || newest.hashedToken !== hashed)) return null;
      if (row !== null && row.root !== true) {
        const requestsLeft = row.metadata['tag'] === 'webhook' ? readRequestsLeft(row.metadata['requestsLeft']) : undefined;
        return isLive(row) ? { ...actor(String(row._id)), ...(requestsLeft !== undefined && { requestsLeft }) } : null;
      }
      const root = rootId(uuid);
      if (row !== null && row._id === root) return isLive(row) ? actor(root) : null;
      if (hasInnerToken(device, hashed)) return actor(innerId(uuid, hashed));
      const slow = device['token'];
      if (row === null && typeof slow !== 'string') return null;
      // Once the row of the root token exists, even gone, nothing older logs in (ME-5).
      if ((await rows.findOne({ _id: root })) !== null) return null;
      if (row !== null) return isLive(row) ? actor(String(row._id)) : null;
      if (typeof slow !== 'string' || !(await slowHash.compare(token, slow))) return null;
      return (await moveRoot(device, token)) ? actor(root) : null;
    },

    async live(actors) {
      const uuids = [...new Set(actors.map(({ uuid }) => uuid))];
      const nameOf = (uuid: string, hashed: string): string => `${uuid}\0${hashed}`;
      const listed = new Set<string>();
      for await (const row of rows.find({ uuid: { $in: uuids }, hashedToken: { $in: actors.map((actor) => actor.hash) } })) {
        if (isLive(row) && row._rollcall?.gone === undefined) listed.add(nameOf(row.uuid, row.hashedToken));
      }
      const known = new Map<string, DeviceDocument>();
      const there = store.collection('devices').find({ uuid: { $in: uuids }, ...notDeleted });
      for await (const device of there) known.set(device.uuid, device);
      return new Set(
        actors.filter((actor) => {
          const device = known.get(actor.uuid);
          return device !== undefined && (listed.has(nameOf(actor.uuid, actor.hash)) || hasInnerToken(device, actor.hash));
        }),
      );
    },

    async issueRoot(uuid, request) {
      const token = ids.token();
      const createdAt = new Date(now());
      await insertSecret(
        { _id: rootId(uuid), uuid, hashedToken: hash(uuid, token), metadata: { createdAt }, root: true },
        request,
      );
      return { token, createdAt };
    },

    async assertRoom(uuid, request) {
      const issued = await rows.countDocuments({ uuid, root: { $ne: true }, ...notDeleted }, { limit: maxSessionTokens });
      if (issued < maxSessionTokens) return;
      if (request !== null && (await rows.findOne({ _id: ids.uuid('generateAndStoreToken', request) })) !== null) return;
      throw new RegistryError('conflict', `A device has at most ${maxSessionTokens} session tokens: revoke others first`);
    },

    async issue(uuid, metadata, request) {
      const token = ids.token();
      const createdAt = new Date(now());
      const _id = ids.uuid('generateAndStoreToken', request);
      await insertSecret({ _id, uuid, hashedToken: hash(uuid, token), metadata: { ...metadata, createdAt } }, request);
      return { token, createdAt };
    },

    async revoke(uuid, token) {
      const hashed = hash(uuid, token);
      const found = await rows.find({ uuid, hashedToken: hashed, root: { $ne: true }, ...notDeleted }).toArray();
      await remove(found, uuid);
      const inner = await dropInnerTokens(uuid, (name) => name === hashed);
      return revoked(uuid, found, inner);
    },

    async revokeMatching(uuid, metadata) {
      const found = await rows.find({ ...matching(uuid, metadata), root: { $ne: true }, ...notDeleted }).toArray();
      await remove(found, uuid);
      const matches = evaluate(() => compileFilter(metadata));
      const inner = await dropInnerTokens(uuid, (_hash, stored) => isPlainObject(stored) && evaluate(() => matches(stored)));
      return revoked(uuid, found, inner);
    },

    search: (uuid, metadata) =>
      rows
        .find({ ...matching(uuid, metadata), ...notDeleted })
        .sort({ 'metadata.createdAt': -1, _id: 1 })
        .limit(1000)
        .toArray(),

    async describe(uuids) {
      const [only] = uuids;
      const whose = uuids.length === 1 && only !== undefined ? only : { $in: [...uuids] };
      const found = await rows.find({ uuid: whose, ...notDeleted }).toArray();
      return found.map((row) => [row.uuid, listedOf(row)] as const);
    },

    async revokeDescribed(uuid, fingerprint) {
      const found = (await rows.find({ uuid, ...notDeleted }).toArray()).filter((row) => fingerprintOf(row) === fingerprint);
      const sessions = found.filter(({ root }) => root !== true);
      await remove(sessions, uuid);
      const ended = sessions.map((row) => endingOf(row));
      return found.length > sessions.length ? [...ended, ...(await resetRoot(uuid, null)).ended] : ended;
    },

    async revokeAll(uuid, except) {
      const found = await rows.find({ uuid, ...notDeleted }).toArray();
      const others = found.filter((row) => String(row._id) !== except?.credentialId);
      const sessions = others.filter(({ root }) => root !== true);
      await remove(sessions, uuid);
      const ended = sessions.map((row) => endingOf(row));
      return others.length > sessions.length ? [...ended, ...(await resetRoot(uuid, null)).ended] : ended;
    },

    async removeAll(uuid) {
      await remove(await rows.find({ uuid, ...notDeleted }).toArray(), uuid);
    },
  };
};
