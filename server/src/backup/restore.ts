import type { FileHandle } from 'node:fs/promises';
import type { Clock } from '../common/clock.ts';
import type { Store } from '../data/store.ts';
import { verifyArchive, type Opening } from './contents.ts';
import { recordOf, type HeldJob } from './job-lease.ts';
import { clearCopies, makeCopies, putBack, replaceAll, type Replacing } from './swap.ts';
import { newFeedId, storeTime } from './state.ts';
import type { MaintenanceDocument, RunningJob } from '../domain/documents/backup.ts';

/** What a restore works with. */
export interface Restoring {
  readonly store: Pick<Store, 'collection'>;
  readonly clock: Clock;
  readonly opening: Opening;
}

const replacingOf = ({ store, clock }: Restoring, job: HeldJob): Replacing => ({ store, clock, hold: job.hold });

/** The one write that decides a restore: what it came to, and a new feed if documents were touched. From here on nodes serve again. */
const decide = async (
  { store, clock }: Restoring,
  job: HeldJob,
  succeeded: boolean,
  statusMessage: string,
  touched: boolean,
): Promise<MaintenanceDocument> => {
  const renewed = touched ? { feed: newFeedId(), feedAt: await storeTime(store, clock) } : {};
  return job.step((_before, own) => ({
    ...renewed,
    restore: recordOf(own, succeeded, statusMessage, clock.now()),
    job: { ...own, phase: 'clearing', statusMessage },
  }));
};

const enter = (job: HeldJob, phase: RunningJob['phase'], statusMessage: string): Promise<MaintenanceDocument> =>
  job.step((_before, own) => ({ job: { ...own, phase, statusMessage } }));

/**
 * Makes the store what the archive holds. Until the documents are being replaced a failure leaves everything as it was; after that whoever calls
 * has to undo it, see `undo`.
 *
 * `ready` is awaited before the nodes stop serving; `leave` resolves when no node serves and no write is under way anywhere. Both files are the
 * archive, each read from its beginning.
 */
export const restore = async (
  restoring: Restoring,
  job: HeldJob,
  [first, second]: readonly [FileHandle, FileHandle],
  { ready, leave }: { readonly ready: () => Promise<void>; readonly leave: () => Promise<void> },
): Promise<void> => {
  const replacing = replacingOf(restoring, job);
  const verified = await verifyArchive(first, restoring.opening, job.hold);
  await ready();
  await enter(job, 'closing', 'Waiting until nothing is written any more');
  await leave();
  job.say('Making the safety copy');
  const rev = await makeCopies(replacing);
  await enter(job, 'replacing', 'Replacing');
  await replaceAll(replacing, second, restoring.opening, verified, rev);
  await decide(restoring, job, true, `${verified.documents} documents were restored`, true);
  await conclude(restoring, job);
};

/** Removes what a decided restore leaves, and makes room for the next job. */
const conclude = async (restoring: Restoring, job: HeldJob): Promise<void> => {
  await clearCopies(replacingOf(restoring, job));
  await job.finish(() => ({}));
};

/** Ends a restore that came no further than `phase`, whoever began it: everything is as it was, or what was decided is brought to its end. */
export const undo = async (restoring: Restoring, job: HeldJob, phase: RunningJob['phase'], reason: string): Promise<void> => {
  if (phase === 'replacing') {
    job.say('Putting everything back');
    await putBack(replacingOf(restoring, job));
  }
  if (phase !== 'clearing') await decide(restoring, job, false, reason, phase === 'replacing');
  await conclude(restoring, job);
};
