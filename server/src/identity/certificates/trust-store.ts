import { X509Certificate } from 'node:crypto';
import { RegistryError, type CertificateInfo } from '@rollcall/client/contract';
import { LRUCache } from 'lru-cache';
import type { ChangeFeed } from '../../data/feed/change-feed.ts';
import type { IdempotentIds } from '../../data/repository/idempotent-ids.ts';
import { certificateId } from '../../domain/fingerprint.ts';
import type { KeyRing } from '../keys/key-ring.ts';
import { createKeyedQueue } from '../../common/keyed-queue.ts';
import type { Store } from '../../data/store.ts';
import { leadsTo } from './chain.ts';
import { readCertificate, type ReadCertificate } from './describe.ts';
import { issueCertificate, issueForServer, makeAuthority, type KeyedCertificate } from './issue.ts';
import { readPem, refuseCertificate } from './pem.ts';
import { asTombstone, notDeleted } from '../../domain/tombstone.ts';
import type { RequestId } from '../../domain/revision.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { CertificateDocument } from '../../domain/documents/certificate.ts';

/** Who a client certificate says it is, and which one it is: both fingerprints, upper-case hex with colons. */
export interface Identified {
  readonly username: string;
  readonly fingerprints: { readonly sha1: string; readonly sha256: string };
}

/** The trust store and the registry's own authority (AC-5.5, AC-5.8, AC-5.11). */
export interface Trust {
  /** The own authority first, then what was added, in the order in which it was. */
  list(): Promise<readonly CertificateInfo[]>;
  /** Adds every certificate of a PEM text, or none; answers those of the text. Fails with `invalid-input`, or `conflict` if the store is full. */
  add(pem: string, request: RequestId | null): Promise<readonly CertificateInfo[]>;
  /** One of them as PEM. Fails with `not-found`. */
  content(id: string): Promise<string>;
  /** Fails with `not-found`, or `conflict` for the own authority. */
  remove(id: string): Promise<void>;

  /**
   * The trusted authorities as PEM, for `ca` of `tls`; certificates that are no authorities are left out. An added authority need not be
   * self-signed, so that `allowPartialTrustChain` belongs with it.
   */
  authorities(): Promise<readonly string[]>;
  /** Calls `changed` when the store has changed, or may have, on whatever node; the function returned ends it. */
  onChanged(changed: () => void): () => void;
  /**
   * Whose certificate this is (DER or PEM). Only of one that TLS has verified: look at `authorized` first. Fails with `unauthenticated` if it
   * does not name exactly one user.
   */
  identify(certificate: Uint8Array | string): Identified;
  /**
   * A check against the store as it is now: is the first of these certificates (DER) to be accepted? The others are what its owner sent with it.
   * For the live connections after a change: load it once, ask it for each.
   */
  verifier(): Promise<(chain: readonly Uint8Array[]) => boolean>;

  /** Issues a client certificate for this name and public key (DER), as PEM. */
  issueForClient(commonName: string, publicKey: Uint8Array): Promise<string>;
  /** A TLS server's certificate for these host names and addresses, from the own authority, with a new key; it holds for 365 days. */
  issueForServer(hosts: readonly string[]): Promise<KeyedCertificate>;
}

/** The row of the own authority's certificate. */
const own = 'own';
/** The most certificates of one text. */
const maxAtOnce = 64;
/** The most in the store. */
const maxKept = 1000;

const readRow = (pem: string): ReadCertificate => readCertificate(readPem(pem, '')[0]?.bytes ?? new Uint8Array(), '');

/** Opens it. The own authority is made at first need; of several nodes the first one's counts. */
export const createTrust = (options: {
  readonly store: Store;
  readonly certificates: Repository<CertificateDocument>;
  readonly keys: KeyRing;
  readonly feed: Pick<ChangeFeed, 'subscribe' | 'onResync'>;
  readonly ids: IdempotentIds;
  readonly now: () => number;
}): Trust => {
  const { store, certificates, keys, feed, ids, now } = options;
  const rows = store.collection('certificates');
  const line = createKeyedQueue();
  const read = new LRUCache<string, ReadCertificate>({ max: maxKept });

  const authority = async (): Promise<KeyedCertificate> =>
    JSON.parse(
      await keys.text('certificate-authority', async () => JSON.stringify(await makeAuthority(now()))),
    ) as KeyedCertificate;

  const rowOf = (pem: string, more: Pick<CertificateDocument, '_id' | 'removable'>): CertificateDocument => {
    return { fingerprint: readRow(pem).info.id, pem, addedAt: new Date(now()), ...more };
  };

  const ensureOwn = async (): Promise<void> => {
    if ((await certificates.get(own)) !== null) return;
    const { certificate } = await authority();
    await certificates.update(own, null, (before) =>
      before === null ? { next: rowOf(certificate, { _id: own, removable: false }), visible: true } : null,
    );
  };

  const all = async (): Promise<readonly CertificateDocument[]> => {
    await ensureOwn();
    const found = await rows.find(notDeleted).toArray();
    const order = ({ _id, addedAt }: CertificateDocument): number => (_id === own ? 0 : addedAt.getTime());
    return found.sort((one, other) => order(one) - order(other) || (one._id < other._id ? -1 : 1));
  };

  const infoOf = (row: CertificateDocument): CertificateInfo => {
    const known = read.get(row.pem) ?? readRow(row.pem);
    read.set(row.pem, known);
    return { ...known.info, removable: row.removable };
  };

  const authorities = async (): Promise<readonly string[]> =>
    (await all()).filter((row) => infoOf(row).basicConstraints.isCA).map(({ pem }) => pem);

  const byId = async (id: string): Promise<CertificateDocument | null> => {
    const fingerprint = certificateId(id);
    if (fingerprint === undefined) return null;
    await ensureOwn();
    return rows.findOne({ fingerprint, ...notDeleted });
  };

  const found = async (id: string): Promise<CertificateDocument> => {
    const row = await byId(id);
    if (row === null) throw new RegistryError('not-found');
    return row;
  };

  const addOne = async ({ pem, info }: ReadCertificate, request: RequestId | null, index: number): Promise<CertificateInfo> => {
    const there = await byId(info.id);
    if (there !== null) return infoOf(there);
    const row = rowOf(pem, { _id: ids.uuid('certificates:add', request, index), removable: true });
    try {
      return infoOf(await certificates.insert(row, request ?? undefined));
    } catch (error) {
      // Somebody else was faster with the same one.
      const other = error instanceof RegistryError && error.code === 'conflict' ? await byId(info.id) : null;
      if (other === null) throw error;
      return infoOf(other);
    }
  };

  return {
    list: async () => (await all()).map(infoOf),

    async add(pem, request) {
      const blocks = readPem(pem, '/pem');
      const wrong = blocks.find(({ label }) => label !== 'CERTIFICATE' && label !== 'X509 CERTIFICATE');
      if (blocks.length === 0 || wrong !== undefined)
        throw refuseCertificate('/pem', 'pem', 'must be PEM with certificates alone');
      if (blocks.length > maxAtOnce) throw refuseCertificate('/pem', 'maxItems', `at most ${maxAtOnce} certificates at once`);
      const given = new Map(blocks.map(({ bytes }) => readCertificate(bytes, '/pem')).map((one) => [one.info.id, one] as const));
      return line('add', async () => {
        const kept = new Set((await all()).map(({ fingerprint }) => fingerprint));
        const more = [...given.keys()].filter((id) => !kept.has(id)).length;
        if (kept.size + more > maxKept) throw new RegistryError('conflict', `At most ${maxKept} certificates can be trusted`);
        const added: CertificateInfo[] = [];
        for (const [index, one] of [...given.values()].entries()) added.push(await addOne(one, request, index));
        return added;
      });
    },

    content: async (id) => (await found(id)).pem,

    async remove(id) {
      const { _id, removable } = await found(id);
      if (!removable) throw new RegistryError('conflict', 'The own authority cannot be removed');
      await certificates.update(_id, null, (before) => {
        if (before === null) throw new RegistryError('not-found');
        const { fingerprint: _fingerprint, ...left } = before;
        return asTombstone(left, own, now());
      });
    },

    authorities,

    onChanged(changed) {
      const unsubscribe = feed.subscribe(({ collection }) => {
        if (collection === 'certificates') changed();
      });
      const stop = feed.onResync(() => changed());
      return () => {
        unsubscribe();
        stop();
      };
    },

    identify(certificate) {
      try {
        const { raw, fingerprint, fingerprint256 } = new X509Certificate(certificate);
        const [username, ...others] = readCertificate(raw, '').commonNames;
        if (username !== undefined && others.length === 0)
          return { username, fingerprints: { sha1: fingerprint, sha256: fingerprint256 } };
      } catch {
        // What cannot be read names nobody.
      }
      throw new RegistryError('unauthenticated');
    },

    async verifier() {
      const trusted = (await authorities()).map((pem) => new X509Certificate(pem));
      return ([leaf, ...others]) => {
        if (leaf === undefined) return false;
        const sent = others.map((der) => new X509Certificate(der));
        return leadsTo(new X509Certificate(leaf), sent, trusted, now());
      };
    },

    issueForClient: async (commonName, publicKey) =>
      issueCertificate(await authority(), { commonName, publicKey, purpose: 'clientAuth' }, now()),

    issueForServer: async (hosts) => issueForServer(await authority(), hosts, now()),
  };
};
