import type { maintenance, Output } from '@rollcall/client/contract';
import type { JobRecord, MaintenanceDocument, RunningJob } from './documents/backup.ts';

type Status = Output<typeof maintenance.status>;

const ended = ({ id, succeeded, statusMessage, startDate, endDate }: JobRecord): Status['backup'] => ({
  id,
  succeeded,
  statusMessage,
  startDate: startDate.toISOString(),
  endDate: endDate.toISOString(),
});

const underWay = ({ id, statusMessage, startDate }: RunningJob): Status['backup'] => ({
  id,
  succeeded: false,
  statusMessage,
  startDate: startDate.toISOString(),
});

/** The jobs as clients see them. A job that is decided and only cleans up is shown as decided. */
export const statusView = ({ job, ...last }: Pick<MaintenanceDocument, 'job' | 'backup' | 'restore'>): Status => {
  const one = (kind: 'backup' | 'restore') => {
    const record = last[kind];
    if (job?.kind === kind && job.id !== record?.id) return { [kind]: underWay(job) };
    return record === null ? {} : { [kind]: ended(record) };
  };
  return { running: job !== null, ...one('backup'), ...one('restore') };
};
