import { randomBytes } from 'node:crypto';
import { delay, type Clock } from '../common/clock.ts';
import { isDuplicateKey } from '../store/duplicate-key.ts';
import { isOutcomeUnknown } from '../store/write-outcome.ts';
import type { Store } from '../data/store.ts';
import type { Collection } from '../store/port.ts';
import type { ClockDocument, MaintenanceDocument } from '../domain/documents/backup.ts';

/** The one document that says which feed the store has, and which job runs on it. Whoever changes it does so under its revision. */
export interface State {
  /** As the majority has it; made if it is not there. */
  read(): Promise<MaintenanceDocument>;
  /**
   * Replaces it by what `step` makes of it, again and again if others are faster. Null of `step` changes nothing. What the step throws ends it.
   *
   * A step may see its own outcome, where the answer to the write was lost: then it has to return null.
   */
  change(step: (before: MaintenanceDocument) => Changed | null): Promise<MaintenanceDocument>;
}

/** What becomes of the document; `shown`: is it something that clients are told of (default true)? */
export type Changed = Partial<Pick<MaintenanceDocument, 'feed' | 'feedAt' | 'job' | 'backup' | 'restore'>> & {
  readonly shown?: boolean;
};

const againMs = 100;
/** How long a store that cannot be reached is waited for, in milliseconds. */
const patienceMs = 60_000;

/** A new id for a feed: random, so that no position of another one means anything in it (ME-8). */
export const newFeedId = (): string => randomBytes(12).toString('base64url');

/** Is the store being replaced, or about to be? Then no node serves. */
export const isReplacing = ({ job }: Pick<MaintenanceDocument, 'job'>): boolean =>
  job !== null && (job.phase === 'closing' || job.phase === 'replacing');

/** Tries a store's operation again as long as that may help; it must be one that may be repeated. */
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

/** What time it is by the store's clock, or was just now. */
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

/** Opens it. */
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
