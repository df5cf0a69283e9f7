import { RegistryError } from '@rollcall/client/contract';
import type { Clock } from '../common/clock.ts';
import type { Log } from '../common/log.ts';
import { elapsed, instant } from '../data/cluster/fence.ts';
import type { Changed, State } from './state.ts';
import type { JobRecord, MaintenanceDocument, RunningJob } from '../domain/documents/backup.ts';

/** Interval of the heartbeats of a job's owner, in milliseconds. */
const beatMs = 1_000;
/** The owner pauses when its last heartbeat was begun longer ago than this, in milliseconds. */
const fenceMs = 5_000;
/** Other processes consider the owner dead after this time without a heartbeat, in milliseconds. */
export const deadMs = 10_000;

/** Thrown when another process has taken over the job, or this one is stopping. */
export class DeposedError extends Error {
  override readonly name = 'DeposedError';
}

/** A job owned by this process: no other process works on it while the heartbeats continue. */
export interface HeldJob {
  readonly id: string;
  /** Await it before each step: fails with a `DeposedError` if this process no longer owns the job. */
  hold(): Promise<void>;
  /** Sets the job's status message. */
  say(statusMessage: string): void;
  /** Changes the state; `change` gets the present one. */
  step(change: (before: MaintenanceDocument, job: RunningJob) => Changed): Promise<MaintenanceDocument>;
  /** Changes the state and ends the job, so that the next one may begin. */
  finish(change: (before: MaintenanceDocument, job: RunningJob) => Changed): Promise<void>;
  /** Stops the heartbeats. */
  stop(): void;
}

/** The record that is kept of a finished job. */
export const recordOf = (
  { id, startDate, request }: RunningJob,
  succeeded: boolean,
  statusMessage: string,
  now: number,
): JobRecord => ({
  id,
  succeeded,
  statusMessage,
  startDate,
  endDate: new Date(now),
  ...(request !== undefined && { request }),
});

/** Continues a job whose `owner` in the state is this process. */
export const openJob = (options: {
  readonly state: State;
  readonly job: RunningJob;
  readonly clock: Clock;
  readonly log: Log;
}): HeldJob => {
  const { state, clock, log } = options;
  const { id, owner, kind } = options.job;
  let message = options.job.statusMessage;
  let told = message;
  let proven = instant(clock);
  let stopped = false;
  let cancel = (): void => undefined;
  let beating: Promise<void> | null = null;

  const mine = ({ job }: MaintenanceDocument): RunningJob => {
    if (stopped || job?.id !== id || job.owner !== owner) throw new DeposedError('the job is not of this process any more');
    return job;
  };

  const step: HeldJob['step'] = async (change) => {
    const begun = instant(clock);
    const after = await state.change((before) => change(before, mine(before)));
    proven = begun;
    return after;
  };

  const beat = (): Promise<void> => {
    beating ??= step((_before, job) => {
      const shown = message !== told;
      return { job: { ...job, beat: job.beat + 1, statusMessage: message }, shown };
    })
      .then(() => void (told = message))
      .finally(() => (beating = null));
    return beating;
  };

  const later = (): void => {
    cancel = clock.after(beatMs, () => {
      beat()
        .catch((error: unknown) => {
          if (!stopped) log.warn({ err: error, job: id }, 'a maintenance job could not give a sign of life');
        })
        .finally(() => {
          if (!stopped) later();
        });
    });
  };
  later();

  return {
    id,
    async hold() {
      if (stopped) throw new DeposedError('the job was stopped');
      while (elapsed(clock, proven) > fenceMs) await beat();
    },
    say(statusMessage) {
      message = statusMessage;
    },
    async step(change) {
      const after = await step(change);
      if (after.job !== null) told = message = after.job.statusMessage;
      return after;
    },
    async finish(change) {
      await state.change((before) => {
        // The answer to this step may have been lost.
        if (before.job === null && before[kind]?.id === id) return null;
        return { ...change(before, mine(before)), job: null };
      });
    },
    stop() {
      stopped = true;
      cancel();
    },
  };
};

/** Claims a new job for this process. Fails with `conflict` if another one is running; a retry of the request gets its own job. */
export const claim = async (
  state: State,
  wanted: Pick<RunningJob, 'kind' | 'id' | 'owner' | 'statusMessage' | 'startDate' | 'request'>,
): Promise<{ readonly job: RunningJob; readonly fresh: boolean } | { readonly done: JobRecord }> => {
  const { kind, id, request } = wanted;
  let done: JobRecord | null = null;
  const after = await state.change((before) => {
    const last = before[kind];
    done = request !== undefined && last?.request === request ? last : null;
    if (done !== null || (before.job?.id === id && before.job.owner === wanted.owner)) return null;
    if (before.job === null) return { job: { ...wanted, beat: 1, phase: 'working' } };
    if (request !== undefined && before.job.request === request) return null;
    throw new RegistryError('conflict', 'A maintenance job is running');
  });
  if (done !== null) return { done };
  if (after.job === null) throw new RegistryError('unavailable');
  return { job: after.job, fresh: after.job.id === id && after.job.owner === wanted.owner };
};
