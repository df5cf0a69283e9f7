import { randomBytes } from 'node:crypto';
import { deserialize, serialize } from 'node:v8';
import { RegistryError, type TokenInfo } from '@rollcall/client/contract';
import type { Filter } from 'mongodb';
import { fingerprintOf, type AccessTokens } from './jwt.ts';
import { isEnrolled } from '../../domain/mfa.ts';
import { standingOf } from '../../domain/user.ts';
import { encrypt, decrypt } from '../keys/key-ring.ts';
import type { EffectivePermissions } from '../effective-permissions.ts';
import type { IdempotentIds } from '../../data/repository/idempotent-ids.ts';
import type { Actor, Revocation } from '../../domain/actor.ts';
import type { Verified, PartiallyVerified } from '../passwords/password-login.ts';
import type { Store } from '../../data/store.ts';
import { tokenList, type TokenList } from './token-list.ts';
import { tokenHash, type ListedToken, type DeviceTokens } from './device-tokens.ts';
import type { UserLists } from './token-list-cache.ts';
import { asTombstone, notDeleted } from '../../domain/tombstone.ts';
import { ignoreError } from '../../common/ignore-error.ts';
import type { RequestId } from '../../domain/revision.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { CredentialDocument } from '../../domain/documents/credential.ts';
import type { PrincipalDocument } from '../../domain/documents/principal.ts';

/** An access token that was just made. */
export interface LoginSession {
  /** The credential's `_id`. */
  readonly id: string;
  readonly token: string;
  readonly expiresAt: Date;
}

/** An access token with the refresh token of the same login. */
export interface TokenPair extends LoginSession {
  readonly refreshToken: string;
}

/** Logins of users: their access and refresh tokens, in `credentials`. */
export interface LoginSessions {
  /**
   * Logs somebody in who has proved who he is, or who has still to enrol a second factor: his token is worth nothing but that, for 15 minutes
   * at most. A repeat of the same request gets the same token.
   */
  open(
    checked: Verified | PartiallyVerified<'enrolment'>,
    options: { readonly label: string; readonly lifetimeMs: number; readonly request: RequestId | null },
  ): Promise<LoginSession>;
  /** The same with a refresh token: the access token lives one hour. */
  openPair(proved: Verified): Promise<TokenPair>;
  /** Has this actor still to enrol? */
  mustEnroll(actor: Actor): Promise<boolean>;
  /** He has enrolled: his token is worth all, and lives as long as was asked for. */
  enrolled(actor: Actor): Promise<void>;
  /**
   * Exchanges both tokens for new ones. However often it is asked at once, one pair comes of it: a repeat within the grace, or
   * of the same request, gets the same pair. Any other use of a used refresh token ends its whole login; then `ended` says what.
   */
  refresh(
    token: string,
    refreshToken: string,
    request: Omit<RequestId, 'actor'> | null,
  ): Promise<{ readonly pair: TokenPair } | { readonly ended: readonly Revocation[] }>;
  /** Who shows this access token; null if it is worth nothing. */
  verify(token: string): Promise<Actor | null>;
  /** Those of these actors whose access token, or password, is still worth something, and who may still be here. */
  live(actors: readonly Actor[]): Promise<ReadonlySet<Actor>>;
  /** When what the actor showed expires; null if never. */
  expiresAt(actor: Actor): Promise<Date | null>;
  /** The live tokens of these users, Meshblu's too, newest first. */
  list(uuids: readonly string[]): Promise<ReadonlyMap<string, readonly TokenInfo[]>>;
  /** The list of one of them, if nothing has to be read for it. */
  listed(uuid: string): readonly TokenInfo[] | undefined;
  /** Ends the token with this fingerprint, and the login that it belongs to. */
  revoke(uuid: string, fingerprint: string): Promise<readonly Revocation[]>;
  /** Ends the login of this actor; null if he did not log in. */
  close(actor: Pick<Actor, 'uuid' | 'credentialId' | 'method'>): Promise<readonly Revocation[] | null>;
  /** Removes all rows of somebody who is no more, his password too. */
  forget(uuid: string): Promise<void>;
  /** Ends everything of a user, but not what `except` hangs on. */
  revokeAll(uuid: string, except?: Actor): Promise<readonly Revocation[]>;
}

/** What an access token is to be. `enrolling`: nothing but that, and for a short time, until its user has enrolled. */
interface Wanted {
  readonly label: string;
  readonly lifetimeMs: number;
  readonly sid: string;
  readonly request: RequestId | null;
  readonly enrolling?: boolean;
}

/** The rows of a pair before they are stored, and its two secrets. */
interface PlannedPair {
  readonly row: CredentialDocument;
  readonly token: string;
  readonly secret: string;
  readonly refreshUntil: Date;
  readonly absoluteAt: Date;
}

const missingAsNull = async <T>(work: Promise<T>): Promise<T | null> => {
  try {
    return await work;
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'not-found') return null;
    throw error;
  }
};

/** Lifetime of an access token of a pair, in milliseconds. */
export const accessMs = 3_600_000;
const refreshMs = 30 * 86_400_000;
const absoluteMs = 90 * 86_400_000;
/** Lifetime of the token of a login that has still to enrol. */
const enrolmentMs = 15 * 60_000;

/** Opens them. */
export const createLoginSessions = (options: {
  readonly store: Store;
  readonly credentials: Repository<CredentialDocument>;
  readonly accessTokens: AccessTokens;
  readonly authorities: EffectivePermissions;
  readonly tokens: DeviceTokens;
  readonly ids: IdempotentIds;
  readonly lists: UserLists<TokenList>;
  readonly pepper: string;
  /** 32 secret bytes that encrypt the successors of used refresh tokens. */
  readonly key: Buffer;
  /** How long a repeat of a refresh gets the same pair, in milliseconds. */
  readonly graceMs: number;
  readonly now: () => number;
}): LoginSessions => {
  const { store, credentials, accessTokens, authorities, tokens, ids, lists, pepper, key, graceMs, now } = options;
  const rows = store.collection('credentials');
  const isLive = ({ expiresAt }: CredentialDocument): boolean => expiresAt === undefined || expiresAt.getTime() > now();
  const endingOf = ({ uuid, _id }: CredentialDocument): Revocation => ({ uuid, credential: _id });

  const sign = ({ username = '' }: PrincipalDocument, row: CredentialDocument): Promise<string> =>
    accessTokens.sign({
      id: row._id,
      uuid: row.uuid,
      sid: row.sid ?? '',
      issuedAt: row.createdAt.getTime(),
      expiresAt: (row.fullUntil ?? row.expiresAt ?? row.createdAt).getTime(),
      username,
    });

  const access = async (principal: PrincipalDocument, wanted: Wanted): Promise<LoginSession> => {
    const { row, expiresAt } = await accessRow(principal, wanted);
    const stored = await credentials.insert(row, wanted.request ?? undefined);
    // A repeat meets the row of its first sending, and the same token follows from it.
    const token = await sign(principal, stored);
    if (fingerprintOf(token) !== stored.fingerprint) throw new RegistryError('outcome-unknown');
    return { id: stored._id, token, expiresAt: stored.expiresAt ?? expiresAt };
  };

  const accessRow = async (
    principal: PrincipalDocument,
    { label, lifetimeMs, sid, request, enrolling = false }: Wanted,
  ): Promise<{ readonly row: CredentialDocument; readonly token: string; readonly expiresAt: Date }> => {
    const at = now();
    const full = Math.floor(at / 1000) * 1000 + Math.max(1000, Math.round(lifetimeMs / 1000) * 1000);
    const expiresAt = new Date(enrolling ? Math.min(full, at + enrolmentMs) : full);
    const row: CredentialDocument = {
      _id: ids.uuid('access', request),
      uuid: principal._id,
      kind: 'access',
      alg: 'none',
      label,
      sid,
      createdAt: new Date(at),
      expiresAt,
      purgeAt: expiresAt,
      ...(enrolling && { scope: 'enrolment' as const, fullUntil: new Date(full) }),
    };
    const token = await sign(principal, row);
    return { row: { ...row, fingerprint: fingerprintOf(token) }, token, expiresAt };
  };

  const refreshId = (sid: string, secret: string): string => `refresh:${tokenHash(secret, sid, pepper)}`;

  const planPair = async (principal: PrincipalDocument, sid: string, absoluteAt: Date): Promise<PlannedPair> => {
    const wanted = { label: 'api-v2', lifetimeMs: accessMs, sid, request: null };
    const { row, token } = await accessRow(principal, wanted);
    const refreshUntil = new Date(Math.min(now() + refreshMs, absoluteAt.getTime()));
    return { row, token, secret: randomBytes(32).toString('base64url'), refreshUntil, absoluteAt };
  };

  /** Stores a planned pair; again is a success, and makes nothing live that has ended meanwhile. */
  const storePair = async ({ row, token, secret, refreshUntil, absoluteAt }: PlannedPair): Promise<TokenPair> => {
    const { _id: id, uuid, sid = '', createdAt, expiresAt = createdAt } = row;
    const refresh: CredentialDocument = {
      _id: refreshId(sid, secret),
      uuid,
      kind: 'refresh',
      alg: 'sha256-pepper',
      label: 'api-v2',
      sid,
      createdAt,
      expiresAt: refreshUntil,
      absoluteAt,
      purgeAt: refreshUntil,
    };
    for (const one of [refresh, row]) await ignoreError('conflict', credentials.insert(one));
    return { id, token, expiresAt, refreshToken: `${sid}.${secret}` };
  };

  const encrypted = (id: string, { row, ...rest }: PlannedPair): string =>
    encrypt(key, serialize({ row, ...rest }), `successor:${id}`);
  const decrypted = (id: string, text: string): PlannedPair => deserialize(decrypt(key, text, `successor:${id}`)) as PlannedPair;

  /** Ends rows, each once: replaced by themselves with `gone`, so that every node learns of it by the feed. */
  const end = async (found: readonly CredentialDocument[], by: string): Promise<readonly Revocation[]> => {
    for (const row of found) {
      await ignoreError(
        'not-found',
        credentials.update(row._id, null, (before) => (before === null ? null : asTombstone(before, by, now()))),
      );
    }
    return found.map(endingOf);
  };

  /** Ends all rows that match, until there are none: a login may be making another one at this moment, and looks after itself afterwards. */
  const endMatching = async (filter: Filter<CredentialDocument>, uuid: string): Promise<readonly Revocation[]> => {
    let ended: readonly Revocation[] = [];
    for (;;) {
      const found = await rows.find({ ...filter, uuid, ...notDeleted }).toArray();
      if (found.length === 0) return ended;
      ended = [...ended, ...(await end(found, uuid))];
    }
  };

  const endLogin = (uuid: string, sid: string): Promise<readonly Revocation[]> => endMatching({ sid }, uuid);

  const liveRow = async (id: string): Promise<CredentialDocument | null> => {
    const row = (await credentials.get(id)) ?? (await credentials.getFresh(id));
    return row !== null && row.kind === 'access' && isLive(row) ? row : null;
  };

  const listedOf = ({ fingerprint = '', createdAt, expiresAt, label }: CredentialDocument): ListedToken => ({
    info: { fingerprint, createdAt: createdAt.toISOString(), expiresAt: expiresAt?.toISOString() ?? null, label },
    until: expiresAt?.getTime() ?? Number.POSITIVE_INFINITY,
  });

  /** The tokens of these users as the store has them, newest first, Meshblu's after the others; they are kept for the next time. */
  const readLists = async (uuids: readonly string[]): Promise<ReadonlyMap<string, TokenList>> => {
    const keep = lists.reading();
    const whose = uuids.length === 1 ? uuids[0] : { $in: [...uuids] };
    const [own, others] = await Promise.all([
      rows.find({ uuid: whose, kind: 'access', ...notDeleted } as Filter<CredentialDocument>).toArray(),
      tokens.describe(uuids),
    ]);
    const found = new Map<string, ListedToken[]>(uuids.map((uuid) => [uuid, []]));
    for (const row of own.sort((one, other) => other.createdAt.getTime() - one.createdAt.getTime())) {
      found.get(row.uuid)?.push(listedOf(row));
    }
    for (const [uuid, listed] of others) found.get(uuid)?.push(listed);
    const made = [...found].map(([uuid, list]) => [uuid, tokenList(list)] as const);
    for (const [uuid, list] of made) keep(uuid, list);
    return new Map(made);
  };

  return {
    open(checked, { label, lifetimeMs, request }) {
      const wanted = { label, lifetimeMs, sid: ids.uuid('session', request), request };
      return checked.missingFactor === null
        ? access(checked.principal, wanted)
        : access(checked.passwordMatch.principal, { ...wanted, enrolling: true });
    },

    openPair: async ({ principal }) =>
      storePair(await planPair(principal, ids.uuid('session', null), new Date(now() + absoluteMs))),

    async mustEnroll({ credentialId, scope }) {
      if (scope === undefined) return false;
      const known = await credentials.get(credentialId);
      if (known !== null && known.scope === undefined) return false;
      const row = await credentials.getFresh(credentialId);
      return row === null || row.scope !== undefined;
    },

    async enrolled({ credentialId, scope }) {
      if (scope === undefined) return;
      await credentials.update(credentialId, null, (before) => {
        if (before?.scope === undefined) return null;
        const { scope: _scope, fullUntil, ...row } = before;
        const until = fullUntil === undefined ? {} : { expiresAt: fullUntil, purgeAt: fullUntil };
        return { next: { ...row, ...until } as CredentialDocument, visible: true };
      });
    },

    async refresh(token, refreshToken, request) {
      const claims = await accessTokens.read(token);
      const [sid = '', secret = ''] = refreshToken.split('.');
      if (claims === null || sid !== claims.sid) return { ended: [] };
      const id = refreshId(sid, secret);
      const row = await credentials.getFresh(id);
      if (row === null || row.kind !== 'refresh' || row.sid !== sid || row.uuid !== claims.uuid || !isLive(row))
        return { ended: [] };
      const authority = await authorities.getFresh(row.uuid);
      if (authority === null) return { ended: [] };
      const planned = await planPair(authority.principal, sid, row.absoluteAt ?? new Date(now() + absoluteMs));
      const successor = encrypted(id, planned);
      const used = await missingAsNull(
        credentials.update(id, request === null ? null : { ...request, actor: row.uuid }, (before) =>
          before === null || before.usedAt !== undefined
            ? null
            : { next: { ...before, usedAt: new Date(now()), successor }, visible: true },
        ),
      );
      // The login was ended meanwhile, by whoever did so.
      if (used === null) return { ended: [] };
      const { document, outcome } = used;
      const isOwn = document.successor === successor;
      const isRepeat = outcome === 'repeated' || now() - (document.usedAt?.getTime() ?? 0) < graceMs;
      if (document.successor === undefined || !(isOwn || isRepeat))
        return { ended: [...(await end([row], row.uuid)), ...(await endLogin(row.uuid, sid))] };
      const made = await storePair(isOwn ? planned : decrypted(id, document.successor));
      // Whoever ended the login meanwhile may not have seen the new rows.
      return (await credentials.getFresh(id)) === null ? { ended: await endLogin(row.uuid, sid) } : { pair: made };
    },

    async verify(token) {
      const claims = accessTokens.recall(token) ?? (await accessTokens.read(token));
      if (claims === null || claims.expiresAt <= now()) return null;
      const known = credentials.peek(claims.id);
      const row = known?.kind === 'access' && isLive(known) ? known : await liveRow(claims.id);
      const { fingerprint } = claims;
      if (row === null || row.fingerprint !== fingerprint || row.uuid !== claims.uuid) return null;
      const authority = authorities.peek(row.uuid) ?? (await authorities.of(row.uuid)) ?? (await authorities.getFresh(row.uuid));
      if (authority === null) return null;
      const { uuid, _id: credentialId, scope } = row;
      const actor = { uuid, credentialId, hash: fingerprint, method: 'access', ...standingOf(authority.principal) } as const;
      return scope === undefined ? actor : { ...actor, scope };
    },

    async live(actors) {
      const found = await rows.find({ _id: { $in: actors.map(({ credentialId }) => credentialId) }, ...notDeleted }).toArray();
      const there = new Map(found.filter(isLive).map((row) => [row._id, row.fingerprint ?? row.hash] as const));
      const live = new Set<Actor>();
      for (const actor of actors) {
        const authority = there.get(actor.credentialId) === actor.hash ? await authorities.of(actor.uuid) : null;
        if (authority === null) continue;
        // A password alone is enough no longer once there is a second factor; devices that nobody can ask for one go on.
        const hangsOnPassword = actor.method === 'password' && actor.unattended !== true;
        if (!hangsOnPassword || !isEnrolled(authority.principal)) live.add(actor);
      }
      return live;
    },

    expiresAt: async ({ method, credentialId }) =>
      method === 'access' ? ((await liveRow(credentialId))?.expiresAt ?? null) : null,

    listed: (uuid) => lists.get(uuid)?.liveAt(now()),

    async list(uuids) {
      const kept = new Map(uuids.map((uuid) => [uuid, lists.get(uuid)] as const));
      const missing = uuids.filter((uuid) => kept.get(uuid) === undefined);
      for (const [uuid, list] of missing.length === 0 ? [] : await readLists(missing)) kept.set(uuid, list);
      const at = now();
      return new Map([...kept].map(([uuid, list]) => [uuid, list?.liveAt(at) ?? []] as const));
    },

    async revoke(uuid, fingerprint) {
      const found = await rows.find({ uuid, kind: 'access', fingerprint, ...notDeleted }).toArray();
      let ended = await end(found, uuid);
      for (const { sid } of found) if (sid !== undefined) ended = [...ended, ...(await endLogin(uuid, sid))];
      return [...ended, ...(await tokens.revokeDescribed(uuid, fingerprint))];
    },

    async close({ uuid, credentialId, method }) {
      if (method !== 'access') return null;
      const row = await credentials.getFresh(credentialId);
      if (row === null) return [];
      return row.sid === undefined ? end([row], uuid) : endLogin(uuid, row.sid);
    },

    async forget(uuid) {
      await endMatching({}, uuid);
    },

    async revokeAll(uuid, except) {
      const calling = except?.method === 'access' ? await credentials.getFresh(except.credentialId) : null;
      // The calling login lives on, with its own refresh token.
      const others =
        calling === null ? {} : { _id: { $ne: calling._id }, $or: [{ kind: 'access' as const }, { sid: { $ne: calling.sid } }] };
      const ended = await endMatching({ kind: { $in: ['access', 'refresh'] }, ...others } as Filter<CredentialDocument>, uuid);
      return [...ended, ...(await tokens.revokeAll(uuid, except))];
    },
  };
};
