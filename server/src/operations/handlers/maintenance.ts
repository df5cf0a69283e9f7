import { RegistryError } from '@rollcall/client/contract';
import { statusView } from '../../domain/backup-status.ts';
import type { Implementation } from '../handler.ts';
import type { RequestId } from '../../domain/revision.ts';

/** A request by which a job knows its own repeat. */
const nameOf = (request: RequestId | null): string | null =>
  request === null ? null : JSON.stringify([request.actor, request.instance, request.counter]);

export const maintenance: Implementation['maintenance'] = {
  async status(_input, { maintenance }) {
    return { output: statusView(await maintenance.status()) };
  },

  async backup(_input, { maintenance, request }) {
    return { output: { id: await maintenance.backup(nameOf(request)) } };
  },

  async archive(_input, { maintenance }) {
    const newest = await maintenance.newest();
    if (newest === null) throw new RegistryError('not-found', 'This node has made no archive');
    const { id, bytes, file } = newest;
    await file.close();
    return { output: { id, bytes } };
  },

  async restore({ id }, { maintenance, request, actor }) {
    const { id: job, accepted } = await maintenance.restore(id, nameOf(request), actor.hash);
    return { output: { id: job }, accepted };
  },
};
