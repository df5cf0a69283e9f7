import { randomBytes } from 'node:crypto';
import { delay, type Clock } from '../common/clock.ts';
import { isDuplicateKey } from '../store/duplicate-key.ts';
import { isOutcomeUnknown } from '../store/write-outcome.ts';
import type { Store } from '../data/store.ts';
import type { Collection } from '../store/port.ts';
import type { ClockDocument, MaintenanceDocument } from '../domain/documents/backup.ts';

/** The maintenance document: the store's feed and its running job. Every change is a compare-and-set on its revision. */
export interface State {
  /** Reads with majority concern; creates the document if it is missing. */
  read(): Promise<MaintenanceDocument>;
  /**
   * Replaces the document by the result of `step`, which runs again after a concurrent change.
   * Null changes nothing. An error of `step` is thrown to the caller.
   *
   * If the answer to the write was lost, `step` sees its own result and must return null.
   */
  change(step: (before: MaintenanceDocument) => Changed | null): Promise<MaintenanceDocument>;
}

/** A change of the document; `shown`: whether clients are notified of it (default true). */
export type Changed = Partial<Pick<MaintenanceDocument, 'feed' | 'feedAt' | 'job' | 'backup' | 'restore'>> & {
  readonly shown?: boolean;
};

const againMs = 100;
/** How long to wait for an unreachable store, in milliseconds. */
const patienceMs = 60_000;

/** A new id for a feed: random, so that positions of another feed are invalid (ME-8). */
export const newFeedId = (): string => randomBytes(12).toString('base64url');

/** Whether the store is being or about to be replaced, so that no node serves. */
export const isReplacing = ({ job }: Pick<MaintenanceDocument, 'job'>): boolean =>
  job !== null && (job.phase === 'closing' || job.phase === 'replacing');

/** Retries an idempotent store operation as long as that may help. */
export const persistently = async <T>(clock: Clock, work: () => Promise<T>): Promise<T> => {
  const until = clock.monotonic() + patienceMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isOutcomeUnknown(error) || clock.monotonic() > until) throw error;
      await delay(clock, againMs);
    }
  }
};

/** The time of the store's clock. */
export const storeTime = (store: Pick<Store, 'collection'>, clock: Clock): Promise<Date> =>
  persistently(clock, async () => {
    const rows = store.collection('maintenance') as unknown as Collection<ClockDocument>;
    await rows.updateOne({ _id: 'clock' }, { $currentDate: { at: true } }, { upsert: true });
    const row = await rows.findOne({ _id: 'clock' });
    return row?.at ?? new Date(clock.now());
  });

/** Writes the row of the store's clock once: fails while the store takes no writes. */
export const probeWrite = async (store: Pick<Store, 'collection'>): Promise<void> => {
  const rows = store.collection('maintenance') as unknown as Collection<ClockDocument>;
  await rows.updateOne({ _id: 'clock' }, { $currentDate: { at: true } }, { upsert: true });
};

/** Creates the access to the maintenance document. */
export const createState = (store: Pick<Store, 'collection'>, clock: Clock): State => {
  const rows = store.collection('maintenance');

  const find = () => rows.findOne({ _id: 'state' }, { readConcern: { level: 'majority' } });

  const read = (): Promise<MaintenanceDocument> =>
    persistently(clock, async () => {
      const present = await find();
      if (present !== null) return present;
      const hidden = { rev: 1, shown: 1 };
      const first = {
        _id: 'state' as const,
        feed: newFeedId(),
        feedAt: null,
        job: null,
        backup: null,
        restore: null,
        _rollcall: hidden,
      };
      try {
        await rows.insertOne(first);
        return first;
      } catch (error) {
        if (!isDuplicateKey(error)) throw error;
        return (await find()) ?? first;
      }
    });

  return {
    read,
    async change(step) {
      for (;;) {
        const before = await read();
        const changed = step(before);
        if (changed === null) return before;
        const { shown = true, ...rest } = changed;
        const hidden = before._rollcall;
        const rev = hidden.rev + 1;
        const next = { ...before, ...rest, _rollcall: { ...hidden, rev, shown: shown ? rev : hidden.shown } };
        const { matchedCount } = await persistently(clock, () =>
          rows.replaceOne({ _id: 'state', '_rollcall.rev': hidden.rev }, next),
        );
        if (matchedCount === 1) return next;
      }
    },
  };
};
