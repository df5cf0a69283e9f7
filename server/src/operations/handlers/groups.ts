import { RegistryError } from '@rollcall/client/contract';
import type { Actor } from '../../domain/actor.ts';
import { decide, grants } from '../../domain/access.ts';
import { goneDevice } from '../../domain/device.ts';
import { resourceOf, type Verb } from '../../domain/permissions.ts';
import type { Result, Services } from '../handler.ts';
import { mayManage } from './grant-checks.ts';
import { notDeleted } from '../../domain/tombstone.ts';
import type { Revision, UpdateOutcome } from '../../domain/revision.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';

type Called = Services & { readonly actor: Actor };

/** Access rule for each device that is removed together with its group. */
const removal = {
  whitelist: 'configure.update',
  target: 'uuid',
  twin: { path: '/devices/:uuid', operation: 'write' },
} as const;

/**
 * Whether the caller has access to a group.
 * Access comes from owning it, from its `configure.update` list, or from a role that allows one of
 * `verbs` on `/groups/<name>`.
 */
export const opensGroup = async (group: DeviceDocument, verbs: readonly Verb[], call: Called): Promise<boolean> => {
  const { actor, effectivePermissions } = call;
  if (group['owner'] === actor.uuid || grants(group, 'configure.update', actor)) return true;
  const authority = actor.principal === true ? await effectivePermissions.getFresh(actor.uuid) : null;
  const path = resourceOf('/groups/:name', { name: group['name'] });
  return path !== undefined && verbs.some((verb) => authority?.permissions.allow('http', verb, path) === true);
};

/** Fails with `forbidden` unless the caller may remove all users and devices of the group. */
const mayEmpty = async (group: DeviceDocument, call: Called): Promise<void> => {
  const { actor, effectivePermissions, groups, store } = call;
  const authority = actor.principal === true ? await effectivePermissions.getFresh(actor.uuid) : null;
  const subject = { uuid: actor.uuid, tenant: actor.tenant, ...(authority !== null && { permissions: authority.permissions }) };
  const users = { tenant: group.uuid, kind: 'user' as const, ...notDeleted };
  for await (const { _id } of store.collection('principals').find(users)) await mayManage(call, `/api/users/${_id}`);
  for (let after = '', some = await groups.devices(group.uuid); some.length > 0; some = await groups.devices(group.uuid, after)) {
    for (const device of some)
      if (!decide(subject, removal, device, { uuid: device.uuid }).allowed) throw new RegistryError('forbidden');
    after = some.at(-1)?.uuid ?? '';
  }
};

/**
 * Removes a group (DM-9).
 * A group with members, tokens or devices is refused with `conflict` unless `cascade` is set.
 * With `cascade` the caller must be allowed to remove each of them.
 */
export const removeGroup = async (
  group: DeviceDocument,
  cascade: boolean,
  call: Called & {
    update(compute: (before: DeviceDocument) => Revision<DeviceDocument> | null): Promise<UpdateOutcome<DeviceDocument>>;
  },
): Promise<Result<{ uuid: string }>> => {
  const { uuid } = group;
  const { groups, actor, now, rootGroup } = call;
  await mayManage(call, `/api/users/${uuid}`);
  if (uuid === rootGroup) throw new RegistryError('conflict', 'The group of all who have no other cannot go');
  if (cascade) await mayEmpty(group, call);
  else if ((await groups.members(uuid)).length + (await groups.devices(uuid)).length > 0)
    throw new RegistryError('conflict', 'The group has members, tokens or devices');
  const ended = await groups.remove(uuid, actor.uuid, () => call.update((before) => goneDevice(before, actor.uuid, now())));
  return { output: { uuid }, revokes: ended.map((device) => ({ device })) };
};
