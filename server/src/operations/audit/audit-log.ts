import { RegistryError } from '@rollcall/client/contract';
import type { Filter } from 'mongodb';
import { delay, type Clock } from '../../common/clock.ts';
import { auditCheck, entryOf, headOf, type AuditProblem, type Happening } from '../../domain/audit.ts';
import { isDuplicateKey } from '../../store/duplicate-key.ts';
import type { Store } from '../../data/store.ts';
import type { Collection } from '../../store/port.ts';
import type { AuditDocument } from '../../domain/documents/audit.ts';

/** Filter of a query over the audit log. All members must match. */
export interface AuditQuery {
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
  readonly actor?: string | undefined;
  readonly target?: string | undefined;
  readonly action?: string | undefined;
  /** Only entries older than this one. */
  readonly before?: { readonly at: Date; readonly id: string } | undefined;
}

/** Result of verifying the whole audit log. */
export interface AuditReport {
  readonly chains: number;
  readonly entries: number;
  readonly problems: readonly AuditProblem[];
}

/** The audit log: an append-only chain of entries, each with the hash of its predecessor. */
export interface Audit {
  /**
   * Adds an entry and resolves to its id when it is durable.
   * Fails with `unavailable` if the store cannot be reached within 10 s. The entry may still be
   * written later.
   */
  add(happening: Happening): Promise<string>;
  /**
   * A page of matching entries, newest first, with the entry after which the next page begins.
   * The entry of a call's beginning is listed only until its outcome is written.
   */
  list(query: AuditQuery): Promise<{ readonly entries: readonly AuditDocument[]; readonly next: AuditDocument | null }>;
  /** Verifies the whole log. Fails with `busy` while another verification runs. */
  verify(): Promise<AuditReport>;
  /** Writes the remaining entries. */
  close(): Promise<void>;
}

const patienceMs = 10_000;
const againMs = 100;
/** Maximum number of entries in one write. */
const batch = 200;
/** Maximum number of entries that wait for the store. */
const maxWaiting = 10_000;
/**
 * Number of rows read for one page. An action has two rows, of which only the outcome is listed.
 */
const pageRows = 200;
const maxProblems = 100;

interface Waiting {
  readonly entry: AuditDocument;
  readonly since: number;
  readonly done: (error?: unknown) => void;
}

const filterOf = ({ from, to, actor, target, action, before }: AuditQuery): Filter<AuditDocument> => {
  const parts: Filter<AuditDocument>[] = [
    ...(from === undefined ? [] : [{ at: { $gte: from } }]),
    ...(to === undefined ? [] : [{ at: { $lte: to } }]),
    ...(actor === undefined ? [] : [{ $or: [{ 'actor.uuid': actor }, { 'actor.username': actor }] }]),
    ...(target === undefined ? [] : [{ targets: target }]),
    ...(action === undefined ? [] : [{ action }]),
    ...(before === undefined ? [] : [{ $or: [{ at: { $lt: before.at } }, { at: before.at, _id: { $lt: before.id } }] }]),
  ];
  return parts.length === 0 ? {} : { $and: parts };
};

/** Verifies the whole audit log of a store. `key` is the key of the seals. */
export const verifyAudit = async (store: Store, key: Buffer): Promise<AuditReport> => {
  const rows = store.collection('audit');
  const check = auditCheck(key);
  const problems: AuditProblem[] = [];
  const chains = new Set<string>();
  let entries = 0;
  for await (const entry of rows.find({}).sort({ _id: 1 })) {
    for (const problem of check.next(entry)) problems.push(problem);
    chains.add(entry.chain);
    entries += 1;
  }
  const heads = await store.collection('audit-heads').find({}).toArray();
  const joined = await rows.find({ _id: { $in: [...check.joined] } }).toArray();
  for (const problem of check.end(heads, joined)) problems.push(problem);
  return { chains: chains.size, entries, problems: problems.slice(0, maxProblems) };
};

/**
 * Opens the audit log of a node.
 * Each start begins a new chain, whose first entry refers to the newest entry in the store.
 * `chain` is the id of the chain, different at each start.
 * `key` is the key of the seals, 32 secret bytes.
 * `available` throws while this node may not write.
 */
export const openAudit = (options: {
  readonly store: Store;
  readonly chain: string;
  readonly key: Buffer;
  readonly clock: Clock;
  readonly available: () => void;
  readonly report: (error: unknown) => void;
}): Audit => {
  const { store, chain, key, clock, available, report } = options;
  const rows: Collection<AuditDocument> = store.collection('audit');
  const heads = store.collection('audit-heads');
  const waiting: Waiting[] = [];
  let last: Pick<AuditDocument, 'number' | 'hash'> | undefined;
  let writing: Promise<void> | undefined;
  let opening: Promise<void> | undefined;
  /** Whether some of the waiting entries may have been written before. */
  let unsure = false;
  let written: AuditDocument | undefined;
  let kept: AuditDocument | undefined;
  let keeping: Promise<void> | undefined;
  let verifying = false;

  const place = (happening: Happening, joins?: AuditDocument['joins']): AuditDocument => {
    const { number, hash } = last ?? { number: 0, hash: '' };
    const at = new Date(clock.now());
    const entry = entryOf(
      happening,
      { chain, number: number + 1, previous: hash, at, ...(joins !== undefined && { joins }) },
      key,
    );
    last = entry;
    return entry;
  };

  /**
   * The entries of this list that are not stored yet.
   * Throws if an id is taken by a different entry, because the chain cannot continue after it.
   */
  const missing = async (entries: readonly AuditDocument[]): Promise<AuditDocument[]> => {
    const found = await rows.find({ _id: { $in: entries.map(({ _id }) => _id) } }).toArray();
    const hashes = new Map(found.map(({ _id, hash }) => [_id, hash] as const));
    return entries.filter(({ _id, hash }) => {
      const there = hashes.get(_id);
      if (there !== undefined && there !== hash) throw new Error(`another entry stands in the place of ${_id}`);
      return there === undefined;
    });
  };

  /** Writes entries. `again` says that some of them may be stored already. */
  const put = async (entries: readonly AuditDocument[], again: boolean): Promise<void> => {
    available();
    const left = again ? await missing(entries) : [...entries];
    if (left.length === 0) return;
    try {
      await rows.insertMany(left);
    } catch (error) {
      if (!isDuplicateKey(error) || (await missing(entries)).length > 0) throw error;
    }
  };

  /** Stores the head of the chain after its entries. No call waits for it. */
  const keepHead = async (): Promise<void> => {
    while (kept !== written && written !== undefined) {
      const end = written;
      await heads.replaceOne({ _id: chain }, headOf(end, key), { upsert: true });
      kept = end;
    }
  };

  const giveUp = (error: unknown): void => {
    for (const one of waiting) one.done(new RegistryError('unavailable', undefined, { cause: error }));
  };

  /**
   * Writes the waiting entries in order.
   * After a failure the failed entries are written first, so that the chain has no gaps.
   */
  const writeOff = async (): Promise<void> => {
    while (waiting.length > 0) {
      const some = waiting.slice(0, batch);
      try {
        await put(
          some.map(({ entry }) => entry),
          unsure,
        );
        waiting.splice(0, some.length);
        unsure = false;
        written = some.at(-1)?.entry;
        keeping ??= keepHead()
          .catch(report)
          .finally(() => (keeping = undefined));
        for (const { done } of some) done();
      } catch (error) {
        unsure = true;
        if (clock.monotonic() - (some[0]?.since ?? 0) > patienceMs) {
          report(error);
          return giveUp(error);
        }
        await delay(clock, againMs);
      }
    }
  };

  const begin = (): void => {
    writing ??= writeOff().finally(() => {
      writing = undefined;
    });
  };

  const push = (entry: AuditDocument): Promise<void> =>
    new Promise((resolve, reject) => {
      const done = (error?: unknown): void => (error === undefined ? resolve() : reject(error as Error));
      waiting.push({ entry, since: clock.monotonic(), done });
      begin();
    });

  /** The first entry of the chain names the entry that it follows. */
  const open = async (): Promise<void> => {
    const [newest] = await rows.find({}).sort({ at: -1, _id: -1 }).limit(1).toArray();
    const joins = newest === undefined ? undefined : { chain: newest.chain, number: newest.number, hash: newest.hash };
    const happening: Happening = { action: 'audit:opened', outcome: 'ok', actor: null, targets: [], address: '', details: {} };
    void push(place(happening, joins)).catch(report);
  };

  return {
    async add(happening) {
      if (waiting.length >= maxWaiting) throw new RegistryError('unavailable');
      if (last === undefined) await (opening ??= open().finally(() => (opening = undefined)));
      const entry = place(happening);
      await push(entry);
      return entry._id;
    },

    async list(query) {
      const found = await rows
        .find(filterOf(query))
        .sort({ at: -1, _id: -1 })
        .limit(pageRows + 1)
        .toArray();
      const page = found.slice(0, pageRows);
      const begun = page.filter(({ outcome }) => outcome === 'begun').map(({ _id }) => _id);
      const ended = begun.length === 0 ? [] : await rows.find({ of: { $in: begun } }).toArray();
      const known = new Set(ended.map(({ of }) => of));
      const next = found.length > pageRows ? (page.at(-1) ?? null) : null;
      return { entries: page.filter(({ _id }) => !known.has(_id)), next };
    },

    async verify() {
      if (verifying) throw new RegistryError('busy');
      verifying = true;
      try {
        return await verifyAudit(store, key);
      } finally {
        verifying = false;
      }
    },

    async close() {
      await writing;
      await keeping;
    },
  };
};
