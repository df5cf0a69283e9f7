import { createHmac } from 'node:crypto';
import { RegistryError, type PasswordPolicy, type RegistrationRequest } from '@rollcall/client/contract';
import { LRUCache } from 'lru-cache';
import type { CertificateBindings } from '../certificates/bindings.ts';
import type { ChangeFeed } from '../../data/feed/change-feed.ts';
import type { IdempotentIds } from '../../data/repository/idempotent-ids.ts';
import { passwordProblems } from '../../domain/password-policy.ts';
import { requestView } from '../../domain/registration.ts';
import { loginNameOf, usernameProblems } from '../../domain/user.ts';
import type { Lockout } from '../passwords/lockout.ts';
import type { Passwords } from '../passwords/passwords.ts';
import { createKeyedQueue } from '../../common/keyed-queue.ts';
import type { Store } from '../../data/store.ts';
import type { RegistrationWindow } from './registration-window.ts';
import { asTombstone, notDeleted } from '../../domain/tombstone.ts';
import { ignoreError } from '../../common/ignore-error.ts';
import type { RequestId } from '../../domain/revision.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { PrincipalDocument } from '../../domain/documents/principal.ts';
import type { RegistrationDocument } from '../../domain/documents/registration.ts';

/** What somebody asks with: a password, or the public key (DER) of a certificate request that has been checked. */
export type RequestedCredential = { readonly password: string } | { readonly publicKey: Uint8Array };

/** A request, and what it is wished to bring. */
export type RegistrationAsked = Pick<RegistrationDocument, 'username' | 'roles' | 'permissions' | 'context' | 'source'> & {
  readonly credential: RequestedCredential;
};

/** Whose call it is that asks. */
export interface RegistrationAsking {
  readonly address: string;
  readonly numbered: Omit<RequestId, 'actor'> | null;
  /** Called with the request when its asker has proved to be the one. */
  readonly wait: (request: RegistrationDocument) => void;
}

/** What has become of a request. The certificate is PEM. */
export type RegistrationOutcome =
  { readonly state: 'locked' | 'pending' } | { readonly state: 'granted'; readonly certificate?: string };

/** The requests of strangers to become users (AC-5.8). */
export interface ClientRegistry {
  readonly window: RegistrationWindow;
  /**
   * Asks, or tells whoever asks again what has become of it. Fails with `conflict` if the name is a user's or somebody else asks for it, which
   * cannot be told apart; with `banned` after too many wrong passwords, `busy` if too many wait.
   */
  register(asked: RegistrationAsked, asking: RegistrationAsking): Promise<RegistrationOutcome>;
  /** The same of somebody who tried to log in and is nobody: does nothing unless strangers may ask, and never fails for what he showed. */
  recordAttempt(attempt: { readonly username: string; readonly password: string; readonly source: 'mqtt' }): Promise<void>;
  list(): Promise<readonly RegistrationRequest[]>;
  /** The request of this name that may be granted; null if there is none. */
  find(username: string): Promise<RegistrationDocument | null>;
  /** Marks a request whose user was made. Fails with `not-found` if it was denied meanwhile. */
  grant(id: string): Promise<void>;
  /** Fails with `not-found`, or `conflict` if it was granted. */
  deny(username: string, by: string): Promise<void>;
  /** Drops what is too old, and marks what a crash left unmarked. */
  sweep(): Promise<void>;
}

/** How long a request lives, and how long one that was granted waits to be fetched, in milliseconds. */
const lifeMs = 86_400_000;
const maxPending = 1000;
const maxRemembered = 2000;

/** The same for a name that is a user's and for one that somebody else asks for. */
const taken = (): RegistryError =>
  new RegistryError('conflict', 'This name is taken', {
    details: [{ path: '/username', rule: 'unique', message: 'this name is taken' }],
  });

/** Opens it. `key`: 32 secret bytes. */
export const createClientRegistry = (options: {
  readonly store: Store;
  readonly registrations: Repository<RegistrationDocument>;
  readonly principals: Repository<PrincipalDocument>;
  readonly byLoginName: (loginName: string) => Promise<PrincipalDocument | null>;
  readonly window: RegistrationWindow;
  readonly passwords: Pick<Passwords, 'hash' | 'compare'>;
  readonly pins: Pick<CertificateBindings, 'issued'>;
  readonly lockout: Lockout;
  readonly feed: Pick<ChangeFeed, 'time'>;
  readonly ids: IdempotentIds;
  readonly policy: PasswordPolicy;
  readonly key: Buffer;
  readonly now: () => number;
}): ClientRegistry => {
  const { store, registrations, principals, byLoginName, window, passwords, pins, lockout, feed, ids, policy, now } = options;
  const rows = store.collection('registrations');
  const line = createKeyedQueue();
  const remembered = new LRUCache<string, string>({ max: maxRemembered });

  const isUser = async (request: RegistrationDocument): Promise<boolean> =>
    (await principals.getFresh(request._id))?.state === 'active';

  /** Ends a request, which gives up its name and forgets its secret; one that is gone already is no failure. */
  const end = async (
    id: string,
    by: string,
    more: Partial<RegistrationDocument> = {},
    mayEnd: (before: RegistrationDocument) => boolean = () => true,
  ) => {
    await ignoreError(
      'not-found',
      registrations.update(id, null, (before) => {
        if (before === null || !mayEnd(before)) return null;
        const { loginName: _name, passwordHash: _hash, ...left } = before;
        return asTombstone({ ...left, ...more }, by, now());
      }),
    );
  };

  const isOver = async (request: RegistrationDocument): Promise<boolean> =>
    request.expiresAt.getTime() <= feed.time() || (request.granted && !(await isUser(request)));

  /** The request of this name; one that is over, or whose user is no more, is dropped. */
  const current = async (username: string): Promise<RegistrationDocument | null> => {
    const found = await rows.findOne({ loginName: loginNameOf(username), ...notDeleted });
    if (found === null || !(await isOver(found))) return found;
    await end(found._id, found._id);
    return null;
  };

  /** Compared once for each password: whoever asks every few seconds costs one hash. */
  const fits = async (request: RegistrationDocument, credential: RequestedCredential, address: string): Promise<boolean> => {
    if ('publicKey' in credential) return request.publicKey === Buffer.from(credential.publicKey).toString('base64');
    const { loginName = '', passwordHash } = request;
    if (passwordHash === undefined) return false;
    const shown = createHmac('sha256', options.key)
      .update(JSON.stringify([request._id, credential.password]))
      .digest('base64');
    if (remembered.get(shown) === passwordHash) return true;
    return line(JSON.stringify([loginName, address]), async () => {
      lockout.check(loginName, address);
      const isRight = (await passwords.compare(passwordHash, credential.password)) !== null;
      if (isRight) remembered.set(shown, passwordHash);
      else lockout.fail(loginName, address);
      return isRight;
    });
  };

  const granted = async ({ _id, credentialType }: RegistrationDocument): Promise<RegistrationOutcome> => {
    const certificate = credentialType === 'certificate' ? await pins.issued(_id) : undefined;
    return { state: 'granted', ...(certificate !== undefined && { certificate }) };
  };

  /** Names a numbered call; a repeat of it is told the same, though the request is gone by the first. */
  const callName = (username: string, numbered: NonNullable<RegistrationAsking['numbered']>): string =>
    ids.uuid('clientRegistry:register', { ...numbered, actor: loginNameOf(username) });

  const fetchedBefore = async (username: string, { numbered }: RegistrationAsking): Promise<RegistrationDocument | null> =>
    numbered === null ? null : rows.findOne({ fetchedBy: callName(username, numbered) });

  const poll = async (
    request: RegistrationDocument,
    asked: RegistrationAsked,
    { address, numbered, wait }: RegistrationAsking,
  ): Promise<RegistrationOutcome> => {
    if (!(await fits(request, asked.credential, address))) throw taken();
    if (!request.granted && !(await isUser(request))) {
      wait(request);
      return { state: 'pending' };
    }
    const outcome = await granted(request);
    await end(request._id, request._id, numbered === null ? {} : { fetchedBy: callName(asked.username, numbered) });
    return outcome;
  };

  const secretOf = async (credential: RequestedCredential) =>
    'password' in credential
      ? { credentialType: 'password' as const, passwordHash: await passwords.hash(credential.password) }
      : { credentialType: 'certificate' as const, publicKey: Buffer.from(credential.publicKey).toString('base64') };

  /** Null if somebody else was faster. */
  const insert = async (
    { credential: _credential, ...asked }: RegistrationAsked,
    secret: Awaited<ReturnType<typeof secretOf>>,
    wait: RegistrationAsking['wait'],
  ): Promise<RegistrationDocument | null> => {
    const waiting = await rows.countDocuments({ granted: false, ...notDeleted }, { limit: maxPending });
    if (waiting >= maxPending) throw new RegistryError('busy', 'Too many requests wait');
    const request: RegistrationDocument = {
      _id: ids.uuid('registration', null),
      loginName: loginNameOf(asked.username),
      ...asked,
      ...secret,
      timestamp: new Date(now()),
      expiresAt: new Date(feed.time() + lifeMs),
      granted: false,
    };
    wait(request);
    try {
      return await registrations.insert(request);
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'conflict') return null;
      throw error;
    }
  };

  const ask = async (asked: RegistrationAsked, asking: RegistrationAsking): Promise<RegistrationOutcome> => {
    if (!(await window.isOpen())) return { state: 'locked' };
    if ((await byLoginName(asked.username)) !== null) throw taken();
    const secret = await secretOf(asked.credential);
    const made = await line('insert', () => insert(asked, secret, asking.wait));
    if (made !== null) return { state: 'pending' };
    const other = await current(asked.username);
    if (other === null) throw taken();
    return poll(other, asked, asking);
  };

  return {
    window,

    async register(asked, asking) {
      const known = await current(asked.username);
      if (known !== null) return poll(known, asked, asking);
      const fetched = await fetchedBefore(asked.username, asking);
      return fetched === null ? ask(asked, asking) : granted(fetched);
    },

    async recordAttempt({ username, password, source }) {
      const wrong = [...usernameProblems(username, ''), ...passwordProblems(policy, password, '')];
      if (wrong.length > 0 || !(await window.isOpen()) || (await current(username)) !== null) return;
      const asked: RegistrationAsked = { username, credential: { password }, roles: [], permissions: [], context: '', source };
      try {
        await ask(asked, { address: '', numbered: null, wait: () => undefined });
      } catch (error) {
        if (!(error instanceof RegistryError) || (error.code !== 'conflict' && error.code !== 'busy')) throw error;
      }
    },

    async list() {
      const found = await rows.find(notDeleted).toArray();
      const views = await Promise.all(
        found.map(async (request) => {
          const isGranted = await isUser(request);
          const isGone = request.expiresAt.getTime() <= feed.time() || (request.granted && !isGranted);
          return isGone ? [] : [requestView({ ...request, granted: isGranted })];
        }),
      );
      return views.flat().sort((one, other) => one.timestamp.localeCompare(other.timestamp));
    },

    find: current,

    async grant(id) {
      await registrations.update(id, null, (before) => {
        if (before === null) throw new RegistryError('not-found');
        return before.granted
          ? null
          : { next: { ...before, granted: true, expiresAt: new Date(feed.time() + lifeMs) }, visible: true };
      });
    },

    async deny(username, by) {
      const request = await current(username);
      if (request === null) throw new RegistryError('not-found');
      const refuse = (): never => {
        throw new RegistryError('conflict', 'This request was granted');
      };
      if (request.granted || (await isUser(request))) refuse();
      await end(request._id, by, {}, (before) => (before.granted ? refuse() : true));
    },

    async sweep() {
      for (const request of await rows
        .find({ expiresAt: { $lte: new Date(feed.time()) }, ...notDeleted })
        .limit(500)
        .toArray())
        await end(request._id, request._id);
      const waiting = await rows
        .find({ granted: false, ...notDeleted })
        .limit(maxPending)
        .toArray();
      if (waiting.length === 0) return;
      const made = { _id: { $in: waiting.map(({ _id }) => _id) }, state: 'active' as const, ...notDeleted };
      for (const { _id } of await store.collection('principals').find(made).toArray())
        await ignoreError(
          'not-found',
          registrations.update(_id, null, (before) =>
            before === null || before.granted ? null : { next: { ...before, granted: true }, visible: true },
          ),
        );
    },
  };
};
