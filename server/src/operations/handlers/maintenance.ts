import { RegistryError } from '@rollcall/client/contract';
import { statusView } from '../../domain/backup-status.ts';
import type { Implementation } from '../handler.ts';
import type { RequestId } from '../../domain/revision.ts';

/** Request key by which a job recognizes a repeat. */
const nameOf = (request: RequestId | null): string | null =>
  request === null ? null : JSON.stringify([request.actor, request.instance, request.counter]);

export const maintenance: Implementation['maintenance'] = {
  async status(_input, { backupJobs }) {
    return { output: statusView(await backupJobs.status()) };
  },

  async backup(_input, { backupJobs, request }) {
    return { output: { id: await backupJobs.backup(nameOf(request)) } };
  },

  async archive(_input, { backupJobs }) {
    const newest = await backupJobs.newest();
    if (newest === null) throw new RegistryError('not-found', 'This node has made no archive');
    const { id, bytes, file } = newest;
    await file.close();
    return { output: { id, bytes } };
  },

  async restore({ id }, { backupJobs, request, actor }) {
    const { id: job, accepted: afterReply } = await backupJobs.restore(id, nameOf(request), actor.hash);
    return { output: { id: job }, afterReply };
  },
};
