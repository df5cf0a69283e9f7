import { goneDevice } from '../../domain/device.ts';
import type { Store } from '../../data/store.ts';
import type { DeviceTokens } from '../tokens/device-tokens.ts';
import type { Users } from './users.ts';
import { notDeleted } from '../../domain/tombstone.ts';
import { ignoreError } from '../../common/ignore-error.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';
import type { PrincipalDocument } from '../../domain/documents/principal.ts';

/** Groups: devices of type `group`, found by their name, which no two of them share (DM-1, DM-2). */
export interface Groups {
  byName(name: string): Promise<DeviceDocument | null>;
  /** Whoever belongs to a group: users and MQTT tokens, a batch of them; empty if there are none. */
  members(uuid: string): Promise<readonly PrincipalDocument[]>;
  /** The devices that a group owns and that have no principal, a batch of them; empty if there are none. `after`: beyond this uuid. */
  devices(uuid: string, after?: string): Promise<readonly DeviceDocument[]>;
  /**
   * Carries out `begin`, which has to make the group be gone, and removes whoever belongs to it, and its devices; it may be repeated. Answers whose
   * connections end. Fails with `conflict`, before anything, if no administrator would be left.
   */
  remove(uuid: string, by: string, begin: () => Promise<unknown>): Promise<readonly string[]>;
}

const batch = 500;
/** Opens them. */
export const createGroups = (options: {
  readonly store: Store;
  readonly devices: Repository<DeviceDocument>;
  readonly tokens: Pick<DeviceTokens, 'removeAll'>;
  readonly users: Pick<Users, 'changing' | 'remove'>;
  readonly now: () => number;
}): Groups => {
  const { store, tokens, users, now } = options;
  const rows = store.collection('devices');
  const ofGroup = (uuid: string) => ({ tenant: uuid, ...notDeleted });

  const members: Groups['members'] = (uuid) => store.collection('principals').find(ofGroup(uuid)).limit(batch).toArray();

  const devices: Groups['devices'] = (uuid, after = '') =>
    rows
      .find({ owner: uuid, '_rollcall.principal': { $exists: false }, uuid: { $gt: after }, ...notDeleted })
      .sort({ uuid: 1 })
      .limit(batch)
      .toArray();

  const memberIds = async (uuid: string): Promise<readonly string[]> => {
    const ids: string[] = [];
    const found = store.collection('principals').find({ ...ofGroup(uuid), kind: 'user' }, { projection: { _id: 1 } });
    for await (const { _id } of found) ids.push(_id);
    return ids;
  };

  const empty = async (uuid: string, by: string): Promise<readonly string[]> => {
    const ended: string[] = [];
    for (let some = await members(uuid); some.length > 0; some = await members(uuid)) {
      for (const { _id } of some)
        await ignoreError(
          'not-found',
          users.remove(_id, by).then((more) => {
            for (const one of more) ended.push(one);
          }),
        );
    }
    for (let some = await devices(uuid); some.length > 0; some = await devices(uuid)) {
      for (const { uuid: owned } of some) {
        await ignoreError(
          'not-found',
          options.devices.update(owned, null, (before) => (before === null ? null : goneDevice(before, by, now()))),
        );
        await tokens.removeAll(owned);
        ended.push(owned);
      }
    }
    return ended;
  };

  return {
    byName: (name) => rows.findOne({ '_rollcall.group': name, ...notDeleted }),
    members,
    devices,
    remove: (uuid, by, begin) =>
      users.changing(
        async () => ({ losing: await memberIds(uuid), affected: [] }),
        async () => {
          await begin();
          // Also what came at the last moment.
          const ended = await empty(uuid, by);
          await tokens.removeAll(uuid);
          return [...ended, uuid];
        },
      ),
  };
};
