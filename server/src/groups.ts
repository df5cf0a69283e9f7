import type { DeviceDocument, PrincipalDocument } from './store/collections.ts';
import type { Store } from './store/port.ts';

/** Groups: devices of type `group`, found by their name, which no two of them share (domain model, sections 1 and 2). */
export interface Groups {
  byName(name: string): Promise<DeviceDocument | null>;
  /** Whoever belongs to a group: users and MQTT tokens, a batch of them; empty if there are none. */
  members(uuid: string): Promise<readonly PrincipalDocument[]>;
  /** The devices that a group owns and that have no principal, a batch of them; empty if there are none. `after`: beyond this uuid. */
  devices(uuid: string, after?: string): Promise<readonly DeviceDocument[]>;
}

const batch = 500;
const present = { '_rollcall.gone': { $exists: false } };

/** Opens them. */
export const openGroups = (store: Store): Groups => {
  const devices = store.collection('devices');
  return {
    byName: (name) => devices.findOne({ '_rollcall.group': name, ...present }),
    members: (uuid) =>
      store
        .collection('principals')
        .find({ tenant: uuid, ...present })
        .limit(batch)
        .toArray(),
    devices: (uuid, after = '') =>
      devices
        .find({ owner: uuid, '_rollcall.principal': { $exists: false }, uuid: { $gt: after }, ...present })
        .sort({ uuid: 1 })
        .limit(batch)
        .toArray(),
  };
};
