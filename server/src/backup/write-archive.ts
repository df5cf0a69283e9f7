import type { FileHandle } from 'node:fs/promises';
import type { Document } from 'mongodb';
import { delay, type Clock } from '../common/clock.ts';
import type { ChangeFeed } from '../data/feed/change-feed.ts';
import type { Store } from '../data/store.ts';
import { writeArchive, type ArchiveKey } from './archive.ts';
import type { HeldJob } from './job-lease.ts';
import { exactly, partOf, parts, rowsOf } from './file-parts.ts';
import type { Change } from '../data/feed/change.ts';

/** Maximum number of changes during a backup: a reader keeps all their ids in memory. */
export const maxChanges = 1_000_000;
const lookMs = 250;

/** Why a backup failed. */
export class BackupError extends Error {
  override readonly name = 'BackupError';
}

/** The archive record of one change; null if it does not belong in an archive. */
const changeOf = async (
  store: Pick<Store, 'collection'>,
  { collection, type, id, document }: Change,
): Promise<Document | null> => {
  const part = partOf.get(collection);
  if (part === undefined) return null;
  // Changes by the registry include the document; an update by another program does not.
  const after = type === 'update' ? await rowsOf(store, part.name).findOne({ _id: id } as Document, exactly) : document;
  if (after === null) return { of: collection, removed: { _id: id } };
  return part.includes(after) ? { of: collection, changed: after } : null;
};

/**
 * Writes a consistent backup of the registry, as of one position of the feed, into a new archive.
 *
 * Documents are read while other writes go on; every change that the feed delivers meanwhile is appended.
 * A change of the job's own state, written after the last document was read, marks the position.
 * The last record of each document is its state at the mark.
 * So the archive holds every write acknowledged before the job began, and all later ones up to the mark and none after it.
 */
export const writeBackup = async (options: {
  readonly store: Pick<Store, 'collection'>;
  readonly feed: Pick<ChangeFeed, 'subscribe' | 'onResync'>;
  readonly job: HeldJob;
  readonly key: ArchiveKey;
  /** The check value of the registry's pepper. */
  readonly pepper: string;
  readonly at: Date;
  readonly file: FileHandle;
  readonly clock: Clock;
}): Promise<void> => {
  const { store, feed, job, pepper, at, file, clock } = options;
  const waiting: Change[] = [];
  let broken = false;
  let woken = (): void => undefined;
  const unsubscribe = feed.subscribe((change) => {
    if (change.collection !== 'maintenance' && !partOf.has(change.collection)) return;
    waiting.push(change);
    woken();
  });
  const stopResync = feed.onResync(() => (broken = true));

  try {
    const archive = await writeArchive(file, job.id, at, options.key);
    let changes = 0;

    /** Writes the collected changes; true if the mark, the job state with this revision, was among them and ends them. */
    const writeChanges = async (mark: number | null): Promise<boolean> => {
      for (let change = waiting.shift(); change !== undefined; change = waiting.shift()) {
        if (change.collection === 'maintenance') {
          const { _rollcall } = (change.document ?? {}) as { _rollcall?: { rev: number } };
          if (mark !== null && (_rollcall?.rev ?? 0) >= mark) return true;
          continue;
        }
        const record = await changeOf(store, change);
        if (record === null) continue;
        changes += 1;
        if (changes > maxChanges) throw new BackupError('Too much has changed while the backup was made');
        await archive.write(record);
      }
      if (broken) throw new BackupError('Changes were missed while the backup was made');
      return false;
    };

    await archive.write({ about: { pepper } });
    for (const { name, includes } of parts) {
      job.say(`Reading ${name}`);
      for await (const document of rowsOf(store, name).find({}, exactly)) {
        await job.hold();
        if (includes(document)) await archive.write({ of: name, document });
        if (waiting.length > 0) await writeChanges(null);
      }
    }
    const { _rollcall: mark } = await job.step((_before, own) => ({ job: { ...own, statusMessage: 'Catching up' } }));
    while (!(await writeChanges(mark.rev))) {
      await Promise.race([new Promise<void>((resolve) => (woken = resolve)), delay(clock, lookMs)]);
      await job.hold();
    }
    await archive.end();
    await file.sync();
  } finally {
    unsubscribe();
    stopResync();
  }
};
