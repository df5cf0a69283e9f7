import type { Change } from './delivery/feed.ts';
import { isDuplicateKey } from './store/duplicate-key.ts';
import type { SubscriptionDocument } from './store/collections.ts';
import type { Store } from './store/port.ts';

/** One stored subscription as routing needs it. */
export type Subscription = Pick<SubscriptionDocument, 'subscriberUuid' | 'emitterUuid' | 'type'>;

/** The stored subscriptions of devices (Meshblu reference, sections 2.18 and 6). */
export interface StoredSubscriptions {
  /** Those with this emitter; from memory after the first time, kept right by the feed. */
  of(emitterUuid: string): Promise<readonly Subscription[]>;
  /** Those of a subscriber, from the store. */
  by(subscriberUuid: string): Promise<readonly Subscription[]>;
  create(subscription: Subscription): Promise<void>;
  /** Removes those that match; `type` and `emitterUuid` narrow it. */
  remove(narrowed: {
    readonly subscriberUuid: string;
    readonly emitterUuid?: string | undefined;
    readonly type?: string | undefined;
  }): Promise<void>;
  /** Removes those in which a device that is no more has a part. */
  removeAll(uuid: string): Promise<void>;
  /** Takes note of a change of the feed. */
  change(change: Change): void;
  /** Forgets what is in memory. */
  resync(): void;
}

/** How many emitters are kept in memory. */
const maxEmitters = 50_000;

const idOf = ({ subscriberUuid, emitterUuid, type }: Subscription): string => JSON.stringify([subscriberUuid, emitterUuid, type]);

const unique = (found: readonly SubscriptionDocument[]): readonly Subscription[] => [
  ...new Map(
    found.map(({ subscriberUuid, emitterUuid, type }) => [
      idOf({ subscriberUuid, emitterUuid, type }),
      { subscriberUuid, emitterUuid, type },
    ]),
  ).values(),
];

/** Opens the stored subscriptions. Entries that an old database marks as deleted do not count. */
export const openStoredSubscriptions = (store: Store): StoredSubscriptions => {
  const rows = store.collection('subscriptions');
  const known = new Map<string, Promise<readonly Subscription[]>>();
  let generation = 0;

  const load = async (emitterUuid: string): Promise<readonly Subscription[]> => {
    const begun = generation;
    const found = unique(await rows.find({ emitterUuid, deleted: { $ne: true } }).toArray());
    // What changed while it was loaded is loaded again next time.
    if (begun !== generation) known.delete(emitterUuid);
    return found;
  };

  return {
    of(emitterUuid) {
      let found = known.get(emitterUuid);
      if (found === undefined) {
        found = load(emitterUuid);
        found.catch(() => known.delete(emitterUuid));
        known.set(emitterUuid, found);
        if (known.size > maxEmitters) for (const oldest of known.keys()) if (known.delete(oldest)) break;
      }
      return found;
    },
    async by(subscriberUuid) {
      return unique(await rows.find({ subscriberUuid, deleted: { $ne: true } }).toArray());
    },
    async create(subscription) {
      const { subscriberUuid, emitterUuid, type } = subscription;
      try {
        await rows.insertOne({ _id: idOf(subscription), subscriberUuid, emitterUuid, type });
      } catch (error) {
        if (!isDuplicateKey(error)) throw error;
      }
      known.delete(emitterUuid);
    },
    async remove({ subscriberUuid, emitterUuid, type }) {
      const narrowed = { subscriberUuid, ...(emitterUuid !== undefined && { emitterUuid }), ...(type !== undefined && { type }) };
      const found = await rows.find(narrowed).toArray();
      for (const row of found) {
        await rows.deleteOne({ _id: row._id });
        known.delete(row.emitterUuid);
      }
    },
    async removeAll(uuid) {
      for (const row of await rows.find({ $or: [{ subscriberUuid: uuid }, { emitterUuid: uuid }] }).toArray()) {
        await rows.deleteOne({ _id: row._id });
        known.delete(row.emitterUuid);
      }
    },
    change({ collection, document }) {
      if (collection !== 'subscriptions') return;
      generation += 1;
      const emitter = document?.['emitterUuid'] as unknown;
      if (typeof emitter === 'string') known.delete(emitter);
      else known.clear();
    },
    resync() {
      generation += 1;
      known.clear();
    },
  };
};
