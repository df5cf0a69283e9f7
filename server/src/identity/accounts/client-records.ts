import { createKeyedQueue } from '../../common/keyed-queue.ts';
import type { Store } from '../../data/store.ts';
import { notDeleted } from '../../domain/tombstone.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { PrincipalDocument } from '../../domain/documents/principal.ts';

/** Client records as they are found (MQTT client reference). One that has expired is not there, also before it is removed. */
export interface MqttClients {
  byRecordId(id: string): Promise<PrincipalDocument | null>;
  /** Whoever holds this client id, also if it has expired and is not removed yet. */
  byClientId(clientId: string): Promise<PrincipalDocument | null>;
  /** Those of this user, or of all, oldest first. */
  list(owner: string | null, page: { readonly skip: number; readonly limit: number }): Promise<readonly PrincipalDocument[]>;
  /** Carries out work of one user after the other, on this node. */
  serially<T>(owner: string, work: () => Promise<T>): Promise<T>;
  /** How many temporary ones this user has beside that with the uuid `except`. */
  temporary(owner: string, except: string): Promise<number>;
  /** The user with the longest name that a client id begins with, up to one of its hyphens. */
  prefixOwner(clientId: string): Promise<PrincipalDocument | null>;
}

/** Opens the look-ups. */
export const createMqttClients = (options: {
  readonly store: Store;
  readonly principals: Pick<Repository<PrincipalDocument>, 'getFresh'>;
  readonly now: () => number;
}): MqttClients => {
  const { store, principals, now } = options;
  const rows = store.collection('principals');
  const unexpired = () => ({ $or: [{ expiresAt: { $exists: false } }, { expiresAt: { $gt: new Date(now()) } }] });

  return {
    serially: createKeyedQueue(),

    async byRecordId(id) {
      if (!/^[0-9a-f]{24}$/.test(id)) return null;
      const found = await rows.findOne({ 'mqtt.recordId': id, ...notDeleted });
      const record = found === null ? null : await principals.getFresh(found._id);
      return record?.state !== 'active' || (record.expiresAt?.getTime() ?? Infinity) <= now() ? null : record;
    },

    byClientId: (clientId) => rows.findOne({ 'mqtt.clientId': clientId, ...notDeleted }),

    list: (owner, { skip, limit }) =>
      rows
        .find({ kind: 'mqttClient', state: 'active', ...(owner !== null && { owner }), ...unexpired(), ...notDeleted })
        .sort({ createdAt: 1, _id: 1 })
        .skip(skip)
        .limit(limit)
        .toArray(),

    temporary: (owner, except) =>
      rows.countDocuments({ _id: { $ne: except }, owner, expiresAt: { $gt: new Date(now()) }, ...notDeleted }),

    async prefixOwner(clientId) {
      const levels = clientId.toLowerCase().split('-');
      const names = levels.slice(1).map((_, index) => levels.slice(0, index + 1).join('-'));
      if (names.length === 0) return null;
      const owners = await rows.find({ loginName: { $in: names }, kind: 'user', ...notDeleted }).toArray();
      const longest = owners.sort((one, other) => (other.loginName ?? '').length - (one.loginName ?? '').length);
      return longest[0] ?? null;
    },
  };
};
