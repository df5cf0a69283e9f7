import type { FileHandle } from 'node:fs/promises';
import type { Clock } from '../common/clock.ts';
import type { Store } from '../data/store.ts';
import { verifyArchive, type Opening } from './contents.ts';
import { recordOf, type HeldJob } from './job-lease.ts';
import { clearCopies, makeCopies, putBack, replaceAll, type Replacing } from './swap.ts';
import { newFeedId, storeTime } from './state.ts';
import type { MaintenanceDocument, RunningJob } from '../domain/documents/backup.ts';

/** The context of a restore. */
export interface Restoring {
  readonly store: Pick<Store, 'collection'>;
  readonly clock: Clock;
  readonly opening: Opening;
}

const replacingOf = ({ store, clock }: Restoring, job: HeldJob): Replacing => ({ store, clock, hold: job.hold });

/** Writes the outcome of a restore, and a new feed id if documents were touched. After it the nodes serve again. */
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
 * Restores an archive.
 * A failure before documents are replaced leaves the store unchanged; after that the caller must call `undo`.
 *
 * `ready` is awaited before the nodes stop serving.
 * `leave` resolves when no node serves and no write is in progress on any node.
 * Both files are the archive, each read from its beginning.
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

/** Cleans up after the outcome is written, and ends the job. */
const conclude = async (restoring: Restoring, job: HeldJob): Promise<void> => {
  await clearCopies(replacingOf(restoring, job));
  await job.finish(() => ({}));
};

/** Ends a restore that was interrupted in `phase`, on any node: rolls it back, or completes it if its outcome is written. */
export const undo = async (restoring: Restoring, job: HeldJob, phase: RunningJob['phase'], reason: string): Promise<void> => {
  if (phase === 'replacing') {
    job.say('Putting everything back');
    await putBack(replacingOf(restoring, job));
  }
  if (phase !== 'clearing') await decide(restoring, job, false, reason, phase === 'replacing');
  await conclude(restoring, job);
};
