import { every, type Clock } from '../common/clock.ts';
import type { Connection, Connections } from '../realtime/connections.ts';
import type { Store } from '../data/store.ts';
import type { Collection } from '../store/port.ts';
import type { Actor } from '../domain/actor.ts';
import type { DeviceTokens } from '../identity/tokens/device-tokens.ts';
import type { Guarded } from '../domain/documents/metadata.ts';

/** Background work: checks the credential of every connection, and deletes expired tombstones. */
export interface Sweeper {
  /** Closes every connection whose credential is no longer valid. */
  checkConnections(): Promise<void>;
  close(): Promise<void>;
}

const everyMs = 5_000;
const batch = 500;
/**
 * How long the tombstone of an unregistered device stays in its collection, in milliseconds (ME-6).
 */
const goneMs = 3_600_000;

/**
 * The row with a raised revision.
 * The revision must differ, because MongoDB reports no change for a replacement by an identical
 * document.
 */
const raised = <T extends Guarded>(row: T): T => {
  const hidden = row._rollcall ?? { rev: 0, shown: 0 };
  return { ...row, _rollcall: { ...hidden, rev: hidden.rev + 1 } };
};

export const openSweeper = (options: {
  readonly store: Store;
  readonly connections: Connections;
  readonly tokens: Pick<DeviceTokens, 'removeAll'>;
  /** The actors of this list whose credentials are still valid. */
  readonly live: (actors: readonly Actor[]) => Promise<ReadonlySet<Actor>>;
  /** Completes the removal of a group that a crash interrupted. */
  readonly finishGroup: (uuid: string, by: string) => Promise<unknown>;
  /** Further periodic work: completes what a crash interrupted, and deletes what has expired. */
  readonly finish: readonly (() => Promise<void>)[];
  readonly clock: Clock;
  readonly report: (error: unknown) => void;
}): Sweeper => {
  const { store, connections, tokens, clock, report } = options;
  let closed = false;

  const checkConnections = async (): Promise<void> => {
    const all: readonly Connection[] = [...connections.all()];
    for (let at = 0; at < all.length && !closed; at += batch) {
      const some = all.slice(at, at + batch);
      const live = await options.live(some.map(({ actor }) => actor));
      for (const connection of some) if (!live.has(connection.actor)) await connection.end();
    }
  };

  /**
   * Moves devices with an expired tombstone to `deleted-devices`.
   * Completes removals that a crash interrupted.
   */
  const moveGone = async (): Promise<void> => {
    const devices = store.collection('devices');
    const before = clock.now() - goneMs;
    for await (const document of devices.find({ '_rollcall.gone.at': { $lt: before } }, { promoteLongs: false }).limit(batch)) {
      const { _rollcall: hidden, ...left } = document;
      await store
        .collection('deleted-devices')
        .replaceOne({ _id: document._id }, { ...left, uuid: document.uuid }, { upsert: true });
      if (hidden?.wasGroup === true) await options.finishGroup(document.uuid, hidden.gone?.by ?? document.uuid).catch(report);
      await tokens.removeAll(document.uuid);
      await store
        .collection('subscriptions')
        .deleteMany({ $or: [{ subscriberUuid: document.uuid }, { emitterUuid: document.uuid }] });
      await devices.deleteOne({ _id: document._id });
    }
  };

  /**
   * Deletes token rows whose tombstone has expired.
   * Each row is replaced once before, so that the change feed does not report a deletion by another
   * program.
   */
  const dropGoneTokens = async (): Promise<void> => {
    const rows = store.collection('tokens');
    const before = clock.now() - goneMs;
    for await (const row of rows.find({ '_rollcall.gone.at': { $lt: before }, root: { $ne: true } }).limit(batch)) {
      await rows.replaceOne({ _id: row._id }, raised(row));
      await rows.deleteOne({ _id: row._id });
    }
  };

  /** Deletes expired tombstones of the other collections in the same way as token rows. */
  const dropGone = async (): Promise<void> => {
    const filter = { '_rollcall.gone.at': { $lt: clock.now() - goneMs }, unfinished: { $exists: false } };
    for (const name of ['credentials', 'roles', 'principals', 'certificates', 'registrations'] as const) {
      const rows = store.collection(name) as unknown as Collection<Guarded>;
      for await (const row of rows.find(filter).limit(batch)) {
        await rows.replaceOne({ _id: row._id }, raised(row));
        await rows.deleteOne({ _id: row._id });
      }
    }
  };

  let running: Promise<void> = Promise.resolve();
  const sweep = async (): Promise<void> => {
    await checkConnections();
    await moveGone();
    await dropGoneTokens();
    await dropGone();
    for (const work of options.finish) await work();
  };
  const stop = every(clock, everyMs, () => (running = sweep().catch(report)));

  return {
    checkConnections,
    async close() {
      closed = true;
      stop();
      await running;
    },
  };
};
