import type { FileHandle } from 'node:fs/promises';
import type { Document } from 'mongodb';
import { delay, type Clock } from '../common/clock.ts';
import type { ChangeFeed } from '../data/feed/change-feed.ts';
import type { Store } from '../data/store.ts';
import { writeArchive, type ArchiveKey } from './archive.ts';
import type { HeldJob } from './job-lease.ts';
import { exactly, partOf, parts, rowsOf } from './file-parts.ts';
import type { Change } from '../data/feed/change.ts';

/** How many changes may come while a backup runs: whoever reads it has to keep their ids apart. */
export const maxChanges = 1_000_000;
const lookMs = 250;

/** Why a backup failed. */
export class BackupError extends Error {
  override readonly name = 'BackupError';
}

/** One change as it goes into the archive; null if it is not part of one. */
const changeOf = async (
  store: Pick<Store, 'collection'>,
  { collection, type, id, document }: Change,
): Promise<Document | null> => {
  const part = partOf.get(collection);
  if (part === undefined) return null;
  // Our own writes carry the document; another program's change of a field does not.
  const after = type === 'update' ? await rowsOf(store, part.name).findOne({ _id: id } as Document, exactly) : document;
  if (after === null) return { of: collection, removed: { _id: id } };
  return part.includes(after) ? { of: collection, changed: after } : null;
};

/**
 * Writes the registry as it is at one place of the feed into a new archive.
 *
 * Documents are read one after the other while others write, and every change that the feed brings meanwhile is written behind them; a change of
 * the job's own, begun after the last document was read, marks the place. So what an archive holds, the last word on each document taken, is what the store held there: every
 * write that was acknowledged before the job began is in it, and of later ones all up to the mark and none behind it.
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

    /** Writes the changes that have come; true if the one at this revision of the job's state was among them, which ends them. */
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
