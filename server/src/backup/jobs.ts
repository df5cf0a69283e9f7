import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { RegistryError } from '@rollcall/client/contract';
import { delay, type Clock } from '../common/clock.ts';
import type { ChangeFeed, Origin } from '../data/feed/change-feed.ts';
import { pepperCheck, decryptKey, type KeyRing } from '../identity/keys/key-ring.ts';
import type { Log } from '../common/log.ts';
import { ArchiveError } from './archive.ts';
import { version } from './archive-format.ts';
import { BackupError, writeBackup } from './write-archive.ts';
import { openArchiveFiles, type OpenArchive } from './archive-files.ts';
import { claim, deadMs, DeposedError, openJob, recordOf, type HeldJob } from './job-lease.ts';
import { restore, undo } from './restore.ts';
import { isReplacing, createState } from './state.ts';
import type { ChangeConsumer, Node } from '../data/cluster/node.ts';
import type { Secrets } from '../identity/keys/secret-files.ts';
import type { Store } from '../data/store.ts';
import type { MaintenanceDocument, RunningJob } from '../domain/documents/backup.ts';

export { statusView } from '../domain/backup-status.ts';

/** The instance of the registry that is closed before a restore replaces the store. */
export interface InstanceParts {
  /** The id of the store's feed with which it was opened. */
  readonly feedId: string;
  /** Closes the instance; a new one opens once the store may be served again. Resolves when it is closed. */
  leave(): Promise<void>;
  /** Resolves when the instance can no longer write. */
  readonly quiet: Promise<void>;
}

/** The backup and restore jobs as operations use them. */
export interface BackupJobs {
  /** The present state of the jobs. */
  status(): Promise<MaintenanceDocument>;
  /** Begins a backup and returns its id. Fails with `conflict` if a job is running. */
  backup(request: string | null): Promise<string>;
  /**
   * Begins a restore and returns the id of the job: of the newest archive by its id, or of an uploaded one by its name.
   * The nodes stop serving only after `accepted` was called, so that the caller gets the answer.
   * `credential`: hash of the credential that may read the status during the restore.
   * Fails with `conflict` if a job is running, `not-found`, `invalid-input` if it is no archive, `too-large`.
   */
  restore(
    archive: string,
    request: string | null,
    credential: string,
  ): Promise<{ readonly id: string; readonly accepted: () => void }>;
  /** Opens the newest archive on this machine; null if there is none. */
  newest(): Promise<OpenArchive | null>;
}

/** The id and the origin of a feed. */
export interface FeedOrigin {
  readonly id: string;
  readonly origin: Origin | null;
}

/** Backup and restore of the whole registry, one job at a time over all nodes (AC-5.12). */
export interface Maintenance {
  /** Waits while the store is being replaced, and undoes a restore whose process has died. Returns the store's feed. */
  settled(): Promise<FeedOrigin>;
  /** Whether the store still has this feed and is not being replaced. */
  serves(feedId: string): Promise<boolean>;
  /** The change consumer that closes an instance when a restore begins. */
  follow(inside: InstanceParts): ChangeConsumer;
  /** Call it when this process can no longer write, before its lease is given up. */
  leaving(node: Pick<Node, 'barrier'>): Promise<void>;
  /** The jobs for the operations of one instance. */
  jobs(inside: Pick<InstanceParts, 'leave'> & { readonly feed: ChangeFeed; readonly keys: KeyRing }): BackupJobs;
  /** The status for the caller that began the running restore, identified by the hash of its credential; null for others. */
  statusFor(credential: string): Promise<MaintenanceDocument | null>;
  /** Registers an uploaded archive under the returned name until it is withdrawn. */
  offer(open: () => Promise<Readable>): { readonly name: string; withdraw(): void };
  /** Starts no further job and stops the running one; an interrupted restore is undone at the next start. */
  stop(): void;
  /** Waits until the running job has ended. */
  close(): Promise<void>;
}

const lookMs = 250;
/** Time for sending the answer to the caller that begins a restore, and the maximum wait for it, in milliseconds. */
const answerMs = 100;
const maxAnswerMs = 10_000;

/** The origin of a feed: the change that set its id. Null: the feed is as old as the store. */
const originOf = ({ feed: id, feedAt }: MaintenanceDocument): FeedOrigin => ({
  id,
  origin:
    feedAt === null
      ? null
      : {
          at: feedAt.getTime(),
          begins: ({ collection, document }) => collection === 'maintenance' && document?.['feed'] === id,
        },
});

const busy = (): RegistryError => new RegistryError('conflict', 'A maintenance job is running');

/** Opens backup and restore. */
export const openMaintenance = async (options: {
  readonly store: Store;
  /** True if no other process uses the store. */
  readonly alone: boolean;
  readonly dataDir: string;
  /** Maximum size of an uploaded archive, in bytes. */
  readonly maxBytes: number;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly log: Log;
}): Promise<Maintenance> => {
  const { store, alone, secrets, clock, log } = options;
  const state = createState(store, clock);
  const files = await openArchiveFiles(options.dataDir, alone, options.maxBytes);
  const owner = randomUUID();
  const pepper = pepperCheck(secrets);
  const restoring = { store, clock, opening: { keyOf: (sealed: string) => decryptKey(secrets, 'backups', sealed), pepper } };
  const offers = new Map<string, () => Promise<Readable>>();
  let current: HeldJob | null = null;
  let working: Promise<void> = Promise.resolve();
  let receiving = false;
  /** When the newest job of this process was requested. */
  let newestAt = 0;
  let stopped = false;
  let stop = (): void => undefined;
  const stopping = new Promise<void>((resolve) => (stop = resolve));
  /** Credential hash of the caller that began the running restore. */
  let beganBy: string | null = null;
  /** The barrier that this process awaits when it closes for a restore; undefined if it closes for another reason. */
  let barrier: { promise: Promise<void> } | undefined;

  const begin = (record: RunningJob, work: (job: HeldJob) => Promise<void>): void => {
    const job = openJob({ state, job: record, clock, log });
    current = job;
    working = work(job)
      .catch((error: unknown) => {
        if (!(error instanceof DeposedError)) log.error({ err: error, job: record.id }, 'a maintenance job could not be ended');
      })
      .finally(() => {
        job.stop();
        if (current === job) current = null;
      });
  };

  const gone = (kind: string): string => `The process that made the ${kind} is gone`;

  /** Takes over a job whose owner has died, unless another process is faster. */
  const takeOver = async (seen: MaintenanceDocument): Promise<void> => {
    const { rev } = seen._rollcall;
    const { job, _rollcall } = await state.change((before) => {
      if (before._rollcall.rev !== rev || before.job === null) return null;
      return { job: { ...before.job, owner, beat: before.job.beat + 1 }, shown: false };
    });
    if (job?.owner !== owner || _rollcall.rev !== rev + 1) return;
    log.warn({ job: job.id, phase: job.phase }, 'a maintenance job is taken over from a process that is gone');
    const reason = gone(job.kind);
    begin(job, (taken) =>
      job.kind === 'restore'
        ? undo(restoring, taken, job.phase, reason)
        : taken.finish((_before, own) => ({ backup: recordOf(own, false, reason, clock.now()) })),
    );
  };

  let watched = { rev: -1, since: 0 };
  /** Reads the state and takes over a job whose owner has died. */
  const look = async (): Promise<MaintenanceDocument> => {
    const now = await state.read();
    const { rev } = now._rollcall;
    if (now.job === null || current?.id === now.job.id) return now;
    if (rev !== watched.rev) watched = { rev, since: clock.monotonic() };
    const isDead = (alone && now.job.owner !== owner) || clock.monotonic() - watched.since > deadMs;
    if (isDead && !stopped) await takeOver(now);
    return now;
  };

  const take = async (kind: RunningJob['kind'], request: string | null, work: (job: HeldJob, at: Date) => Promise<void>) => {
    // The date names the job, so no two jobs may begin in one millisecond.
    newestAt = Math.max(clock.now(), newestAt + 1);
    const startDate = new Date(newestAt);
    const id = `${version}_${startDate.toISOString()}`;
    const wanted = { kind, id, owner, statusMessage: 'Starting', startDate, ...(request !== null && { request }) };
    const claimed = await claim(state, wanted);
    if ('done' in claimed) return { id: claimed.done.id, fresh: false };
    if (claimed.fresh) begin(claimed.job, (job) => work(job, startDate));
    return { id: claimed.job.id, fresh: claimed.fresh };
  };

  /** The public reason of a failure; details that may name files and hosts are in the log only. */
  const reasonOf = (error: unknown, job: HeldJob): string => {
    if (error instanceof ArchiveError || error instanceof BackupError) return error.message;
    log.error({ err: error, job: job.id }, 'a maintenance job failed');
    return error instanceof RegistryError && error.code === 'unavailable'
      ? 'Other nodes, or the store, could not be reached'
      : 'Something unexpected happened: see the log';
  };

  const runRestore = async (
    job: HeldJob,
    path: string,
    host: Pick<InstanceParts, 'leave'>,
    answered: Promise<void>,
  ): Promise<void> => {
    const [first, second] = await Promise.all([files.open(path), files.open(path)]);
    // The feed may deliver this state change, and so close the instance, before the write is acknowledged.
    barrier = { promise: Promise.reject(new RegistryError('unavailable')) };
    barrier.promise.catch(() => undefined);
    try {
      await restore(restoring, job, [first, second], {
        ready: async () => {
          await Promise.race([answered, delay(clock, maxAnswerMs)]);
          await delay(clock, answerMs);
        },
        async leave() {
          await host.leave();
          await barrier?.promise;
        },
      });
    } catch (error) {
      if (error instanceof DeposedError) throw error;
      const reason = reasonOf(error, job);
      const { job: now } = await state.read();
      if (now !== null) await undo(restoring, job, now.phase, reason);
    } finally {
      beganBy = null;
      barrier = undefined;
      await Promise.all([first.close(), second.close()]);
    }
  };

  const runBackup = async (
    job: HeldJob,
    at: Date,
    { feed, keys }: { readonly feed: ChangeFeed; readonly keys: KeyRing },
  ): Promise<void> => {
    let failure: string | null = null;
    try {
      const key = await keys.sealed('backups');
      await files.make((file) => writeBackup({ store, feed, job, key, pepper, at, file, clock }));
    } catch (error) {
      if (error instanceof DeposedError) throw error;
      failure = reasonOf(error, job);
    }
    await job.finish((_before, own) => ({
      backup: recordOf(own, failure === null, failure ?? 'The archive is complete', clock.now()),
    }));
  };

  /** The archive file to restore, and whether it is an upload that is removed afterwards. */
  const fileOf = async (archive: string): Promise<{ readonly path: string; readonly received: boolean }> => {
    const offered = offers.get(archive);
    if (offered !== undefined) {
      if (receiving) throw busy();
      receiving = true;
      try {
        return { path: await files.receive(await offered()), received: true };
      } finally {
        receiving = false;
      }
    }
    const newest = await files.newest();
    await newest?.file.close();
    if (newest?.id !== archive) throw new RegistryError('not-found');
    return { path: newest.path, received: false };
  };

  return {
    async settled() {
      for (;;) {
        if (stopped) throw new RegistryError('unavailable');
        const now = await look();
        if (!isReplacing(now)) return originOf(now);
        await delay(clock, lookMs);
      }
    },

    async serves(feedId) {
      const now = await state.read();
      return !isReplacing(now) && now.feed === feedId;
    },

    follow({ feedId, leave, quiet }) {
      const isOver = (document: MaintenanceDocument): boolean => isReplacing(document) || document.feed !== feedId;
      /** Closes the instance if the present state says so: the feed's change may be old. */
      const leaveIfOver = async (): Promise<void> => {
        if (!isOver(await state.read())) return;
        void leave();
        await quiet;
      };
      return {
        change({ collection, document }) {
          if (collection !== 'maintenance' || document === null || !isOver(document as MaintenanceDocument)) return undefined;
          return leaveIfOver();
        },
        resync: leaveIfOver,
      };
    },

    async leaving(node) {
      if (barrier === undefined) return;
      barrier.promise = Promise.race([node.barrier(), stopping.then(() => Promise.reject(new DeposedError('stopped')))]);
      await barrier.promise.catch(() => undefined);
    },

    jobs: (inside) => ({
      status: look,

      async backup(request) {
        await look();
        const { id } = await take('backup', request, (job, at) => runBackup(job, at, inside));
        return id;
      },

      async restore(archive, request, credential) {
        const { job } = await look();
        if (job !== null && (request === null || job.request !== request)) throw busy();
        const { path, received } = await fileOf(archive);
        const remove = async (): Promise<void> => {
          if (received) await files.remove(path);
        };
        let accepted = (): void => undefined;
        const answered = new Promise<void>((resolve) => (accepted = resolve));
        try {
          const { id, fresh } = await take('restore', request, async (own) => {
            beganBy = credential;
            try {
              await runRestore(own, path, inside, answered);
            } finally {
              await remove();
            }
          });
          if (!fresh) await remove();
          return { id, accepted };
        } catch (error) {
          await remove();
          throw error;
        }
      },

      newest: files.newest,
    }),

    async statusFor(credential) {
      const now = credential === beganBy ? await state.read() : null;
      return now?.job == null ? null : now;
    },

    offer(open) {
      const name = randomUUID();
      offers.set(name, open);
      return { name, withdraw: () => void offers.delete(name) };
    },

    stop() {
      stopped = true;
      current?.stop();
      stop();
    },

    async close() {
      await working;
      await files.close();
    },
  };
};
