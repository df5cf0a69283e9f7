import type { CertificateReference } from '@rollcall/client/contract';
import type { Actor, Revocation } from '../../domain/actor.ts';
import type { IdempotentIds } from '../../data/repository/idempotent-ids.ts';
import { isLive, isNamed, standingOf, takesCertificate } from '../../domain/user.ts';
import type { Store } from '../../data/store.ts';
import type { UserLists } from '../tokens/token-list-cache.ts';
import type { Identified } from './trust-store.ts';
import { asTombstone, notDeleted } from '../../domain/tombstone.ts';
import { ignoreError } from '../../common/ignore-error.ts';
import type { RequestId } from '../../domain/revision.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { CertificateBinding } from '../../domain/documents/certificate.ts';
import type { CredentialDocument } from '../../domain/documents/credential.ts';
import type { PrincipalDocument } from '../../domain/documents/principal.ts';

/** The certificates that users are bound to: credentials of kind `certificate` (AC-5.5). */
export interface CertificateBindings {
  /** Those of these users, oldest first. */
  list(uuids: readonly string[]): Promise<ReadonlyMap<string, readonly CertificateReference[]>>;
  /** The list of one of them, if nothing has to be read for it. */
  listed(uuid: string): readonly CertificateReference[] | undefined;
  /** Again is a success. */
  add(uuid: string, pin: CertificateBinding, request: RequestId | null): Promise<void>;
  /** The newest certificate of this user that was issued here, as PEM. */
  issued(uuid: string): Promise<string | undefined>;
  /** Takes one away; answers what hangs on it, nothing if it was not there. */
  remove(uuid: string, fingerprint: string): Promise<readonly Revocation[]>;
  /**
   * The user who logs in by this certificate, which has been verified: he must be one whose grant types allow a certificate alone, and if he is
   * bound to any, this must be one of them. Null if not. `beside`: he has to show his password too.
   */
  verifyBinding(identified: Identified, beside?: 'password'): Promise<Actor | null>;
  /** Those of these actors who would still be admitted. */
  live(actors: readonly Actor[]): Promise<ReadonlySet<Actor>>;
}

/** The credential of whoever logs in without being bound to a certificate. It has no row. */
const unpinned = (uuid: string): string => `certificate:${uuid}`;

/** Opens them. */
export const createCertificateBindings = (options: {
  readonly store: Store;
  readonly credentials: Repository<CredentialDocument>;
  readonly byLoginName: (loginName: string) => Promise<PrincipalDocument | null>;
  readonly principalOf: (uuid: string) => Promise<PrincipalDocument | null>;
  readonly ids: IdempotentIds;
  readonly lists: UserLists<readonly CertificateReference[]>;
  readonly now: () => number;
}): CertificateBindings => {
  const { store, credentials, byLoginName, principalOf, ids, lists, now } = options;
  const rows = store.collection('credentials');

  const pinsOf = (uuids: readonly string[]): Promise<CredentialDocument[]> =>
    rows.find({ uuid: { $in: [...uuids] }, kind: 'certificate', ...notDeleted }).toArray();

  /** The certificates of these users as the store has them, oldest first; they are kept for the next time. */
  const readLists = async (uuids: readonly string[]): Promise<ReadonlyMap<string, readonly CertificateReference[]>> => {
    const keep = lists.reading();
    const found = new Map<string, Map<string, CertificateReference>>(uuids.map((uuid) => [uuid, new Map()]));
    for (const row of (await pinsOf(uuids)).sort((one, other) => one.createdAt.getTime() - other.createdAt.getTime())) {
      const { uuid, fingerprint = '', createdAt, expiresAt } = row;
      const reference = { fingerprint, createdAt: createdAt.toISOString(), expiresAt: expiresAt?.toISOString() ?? null };
      if (found.get(uuid)?.has(fingerprint) === false) found.get(uuid)?.set(fingerprint, reference);
    }
    const references = [...found].map(([uuid, of]) => [uuid, Object.freeze([...of.values()])] as const);
    for (const [uuid, list] of references) keep(uuid, list);
    return new Map(references);
  };

  const mayEnter = (principal: PrincipalDocument | null, beside?: 'password'): principal is PrincipalDocument =>
    principal?.kind === 'user' && isLive(principal, now()) && takesCertificate(principal, beside);

  return {
    listed: (uuid) => lists.get(uuid),

    async list(uuids) {
      const kept = new Map(uuids.map((uuid) => [uuid, lists.get(uuid)] as const));
      const missing = uuids.filter((uuid) => kept.get(uuid) === undefined);
      for (const [uuid, list] of missing.length === 0 ? [] : await readLists(missing)) kept.set(uuid, list);
      return new Map([...kept].map(([uuid, list]) => [uuid, list ?? []] as const));
    },

    async add(uuid, { fingerprint, createdAt, expiresAt, pem }, request) {
      const there = await rows.findOne({ uuid, kind: 'certificate', fingerprint, ...notDeleted });
      if (there !== null) return;
      const _id = ids.uuid('users:addCertificate', request);
      const more = { createdAt, ...(expiresAt !== undefined && { expiresAt }), ...(pem !== undefined && { pem }) };
      await credentials.insert(
        { _id, uuid, kind: 'certificate', alg: 'none', fingerprint, label: '', ...more },
        request ?? undefined,
      );
    },

    async issued(uuid) {
      const found = (await pinsOf([uuid])).filter(({ pem }) => pem !== undefined);
      return found.sort((one, other) => other.createdAt.getTime() - one.createdAt.getTime())[0]?.pem;
    },

    async remove(uuid, fingerprint) {
      const found = await rows.find({ uuid, kind: 'certificate', fingerprint, ...notDeleted }).toArray();
      for (const { _id } of found) {
        await ignoreError(
          'not-found',
          credentials.update(_id, null, (before) => (before === null ? null : asTombstone(before, uuid, now()))),
        );
      }
      return found.map(({ _id }) => ({ uuid, credential: _id }));
    },

    async verifyBinding({ username, fingerprints }, beside) {
      const principal = await byLoginName(username);
      if (!mayEnter(principal, beside) || !isNamed(principal, username)) return null;
      const uuid = principal._id;
      const pins = await pinsOf([uuid]);
      const pin = pins.find(({ fingerprint }) => fingerprint === fingerprints.sha256 || fingerprint === fingerprints.sha1);
      if (pins.length > 0 && pin === undefined) return null;
      const hash = pin?.fingerprint ?? fingerprints.sha256;
      const credentialId = pin?._id ?? unpinned(uuid);
      const both = [fingerprints.sha1, fingerprints.sha256];
      return { uuid, credentialId, hash, fingerprints: both, method: 'certificate', ...standingOf(principal) };
    },

    async live(actors) {
      const uuids = [...new Set(actors.map(({ uuid }) => uuid))];
      const pins = await pinsOf(uuids);
      const people = new Map(await Promise.all(uuids.map(async (uuid) => [uuid, await principalOf(uuid)] as const)));
      return new Set(
        actors.filter(({ uuid, hash, fingerprints = [hash] }) => {
          const bound = pins.filter((pin) => pin.uuid === uuid);
          const isBound = bound.some(({ fingerprint }) => fingerprint !== undefined && fingerprints.includes(fingerprint));
          return mayEnter(people.get(uuid) ?? null) && (bound.length === 0 || isBound);
        }),
      );
    },
  };
};
