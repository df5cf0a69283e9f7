import { RegistryError } from '@rollcall/client/contract';
import type { Clock } from '../common/clock.ts';
import { isDuplicateKey } from '../store/duplicate-key.ts';
import { batchLoader } from '../common/batch-loader.ts';
import type { Filter } from 'mongodb';
import type { Store } from '../data/store.ts';
import type { Collection } from '../store/port.ts';
import { withDeadline } from '../data/with-deadline.ts';
import type { Change } from '../data/feed/change.ts';
import type { SubscriptionDocument } from '../domain/documents/message.ts';

/** One stored subscription as routing needs it. */
export type Subscription = Pick<SubscriptionDocument, 'subscriberUuid' | 'emitterUuid' | 'type'>;

/** The stored subscriptions of devices (MS-2.18, MS-6). */
export interface StoredSubscriptions {
  /** Those with this emitter; from memory after the first time, kept right by the feed. Fails with `unavailable` if the store cannot be reached. */
  of(emitterUuid: string): Promise<readonly Subscription[]>;
  /** The same at once; undefined if they have to be loaded. */
  known(emitterUuid: string): readonly Subscription[] | undefined;
  /** Those of a subscriber; from memory after the first time, kept right by the feed. */
  from(subscriberUuid: string): Promise<readonly Subscription[]>;
  /** Those of a subscriber, from the store. */
  by(subscriberUuid: string): Promise<readonly Subscription[]>;
  /** Stores one, if it is not there. Fails with `conflict` if the subscriber has `maxSubscriptions` others. */
  create(subscription: Subscription): Promise<void>;
  /** Removes those that match; `type` and `emitterUuid` narrow it. */
  remove(narrowed: {
    readonly subscriberUuid: string;
    readonly emitterUuid?: string | undefined;
    readonly type?: string | undefined;
  }): Promise<void>;
  /** Takes note of a change of the feed. */
  change(change: Change): void;
  /** Forgets what is in memory. */
  resync(): void;
}

/** Stored subscriptions of one subscriber. */
export const maxSubscriptions = 10_000;

/** Of how many devices they are kept in memory, as emitters and as subscribers. */
const maxDevices = 50_000;

const idOf = ({ subscriberUuid, emitterUuid, type }: Subscription): string => JSON.stringify([subscriberUuid, emitterUuid, type]);

const unique = (found: readonly SubscriptionDocument[]): readonly Subscription[] => [
  ...new Map(
    found.map(({ subscriberUuid, emitterUuid, type }) => [
      idOf({ subscriberUuid, emitterUuid, type }),
      { subscriberUuid, emitterUuid, type },
    ]),
  ).values(),
];

type Rows = Collection<SubscriptionDocument>;

/** The subscriptions by one of their two devices, in memory after the first time. Questions that come together are one query. */
const openKept = (rows: Rows, property: 'emitterUuid' | 'subscriberUuid', clock: Clock) => {
  const known = new Map<string, Promise<readonly Subscription[]>>();
  const values = new WeakMap<Promise<readonly Subscription[]>, readonly Subscription[]>();
  let generation = 0;
  const load = batchLoader<string, SubscriptionDocument[]>(
    async (uuids) => {
      const found = new Map<string, SubscriptionDocument[]>(uuids.map((uuid) => [uuid, []]));
      const named = { [property]: { $in: [...uuids] }, deleted: { $ne: true } } as Filter<SubscriptionDocument>;
      for (const row of await withDeadline(clock, rows.find(named).toArray())) found.get(row[property])?.push(row);
      return found;
    },
    (uuid) => uuid,
  );
  const find = async (uuid: string): Promise<readonly Subscription[]> => {
    const begun = generation;
    const found = unique((await load(uuid)) ?? []);
    // What changed while it was loaded is loaded again next time.
    if (begun !== generation) known.delete(uuid);
    return found;
  };
  return {
    get(uuid: string): Promise<readonly Subscription[]> {
      let found = known.get(uuid);
      if (found === undefined) {
        found = find(uuid);
        const asked = found;
        found.then(
          (subscriptions) => values.set(asked, subscriptions),
          () => known.delete(uuid),
        );
        known.set(uuid, found);
        if (known.size > maxDevices) for (const oldest of known.keys()) if (known.delete(oldest)) break;
      }
      return found;
    },
    peek(uuid: string): readonly Subscription[] | undefined {
      const found = known.get(uuid);
      return found && values.get(found);
    },
    /** Forgets those of a device, without one everything. */
    forget(uuid?: string): void {
      generation += 1;
      if (uuid === undefined) known.clear();
      else known.delete(uuid);
    },
  };
};

/** Opens the stored subscriptions. Entries that an old database marks as deleted do not count. */
export const createStoredSubscriptions = (store: Store, clock: Clock): StoredSubscriptions => {
  const rows = store.collection('subscriptions');
  const byEmitter = openKept(rows, 'emitterUuid', clock);
  const bySubscriber = openKept(rows, 'subscriberUuid', clock);
  const forget = ({ emitterUuid, subscriberUuid }: Pick<Subscription, 'emitterUuid' | 'subscriberUuid'>): void => {
    byEmitter.forget(emitterUuid);
    bySubscriber.forget(subscriberUuid);
  };
  const forgetAll = (): void => {
    byEmitter.forget();
    bySubscriber.forget();
  };

  return {
    of: byEmitter.get,
    known: byEmitter.peek,
    from: bySubscriber.get,
    async by(subscriberUuid) {
      return unique(await rows.find({ subscriberUuid, deleted: { $ne: true } }).toArray());
    },
    async create(subscription) {
      const { subscriberUuid, emitterUuid, type } = subscription;
      const others = { subscriberUuid, deleted: { $ne: true } } as Filter<SubscriptionDocument>;
      if ((await rows.countDocuments(others, { limit: maxSubscriptions })) >= maxSubscriptions) {
        if ((await rows.findOne({ _id: idOf(subscription) })) !== null) return;
        throw new RegistryError('conflict', `A device has at most ${maxSubscriptions} stored subscriptions: remove others first`);
      }
      try {
        await rows.insertOne({ _id: idOf(subscription), subscriberUuid, emitterUuid, type });
      } catch (error) {
        if (!isDuplicateKey(error)) throw error;
      }
      forget(subscription);
    },
    async remove({ subscriberUuid, emitterUuid, type }) {
      const narrowed = { subscriberUuid, ...(emitterUuid !== undefined && { emitterUuid }), ...(type !== undefined && { type }) };
      const found = await rows.find(narrowed).toArray();
      for (const row of found) {
        await rows.deleteOne({ _id: row._id });
        forget(row);
      }
    },
    change({ collection, document }) {
      if (collection !== 'subscriptions') return;
      if (document === null) forgetAll();
      else forget(document as SubscriptionDocument);
    },
    resync: forgetAll,
  };
};
