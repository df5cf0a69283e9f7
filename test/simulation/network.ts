import { freeze } from '@rollcall/server/internal/common/object-size';
import { compileFilter } from '@rollcall/server/mql';
import type { Store } from '@rollcall/server/internal/data/store';
import {
  driverError,
  historyLost,
  networkError,
  type Condition,
  type LogEntry,
  type ReplicaSet,
  type WriteResult,
} from './replica-set.ts';
import type { Host, World } from './world.ts';
import type { Guarded } from '@rollcall/server/internal/domain/documents/metadata';

/** What is wrong between one node and the database at the moment. */
export interface Trouble {
  /** Nothing passes in either direction. */
  cut: boolean;
  /** The change stream is silent. */
  stalled: boolean;
  /** The node still talks to a primary that the others have left: how many entries it knows as committed. */
  stale: number | null;
  /** Share of requests, and of answers, that get lost. */
  loss: number;
  /** Added to every way of a question, and of the stream, in milliseconds, at most. */
  slowness: number;
  streamSlowness: number;
}

const noTrouble = (): Trouble => ({ cut: false, stalled: false, stale: null, loss: 0, slowness: 0, streamSlowness: 0 });

/** Rules that a test breaks on purpose, to see that the checks notice. */
export interface StoreBreaks {
  /** Writes forget to ask for the revision. */
  readonly anyRev?: boolean;
  /** Documents come without their request window. */
  readonly noWindow?: boolean;
  /** Loads take what may still be rolled back. */
  readonly localReads?: boolean;
}

/** One node's connection to the database: its store, and the trouble that it is in. */
export interface Connection {
  readonly store: Store;
  readonly trouble: Trouble;
  /** True time until which the node may have read from an old primary. */
  readonly staleUntil: number;
  /** What streams are open stays silent for ever; only a new one helps. */
  mute(): void;
  /** The trouble is over: what was cut off fails or arrives late. */
  heal(): void;
}

export interface ConnectionOptions {
  readonly world: World;
  readonly host: Host;
  readonly set: ReplicaSet;
  readonly breaks: StoreBreaks;
  /** Told of each write when the node hands it to the network. */
  sent(collection: string, document: Guarded | null): void;
}

interface BulkReplacement {
  readonly replaceOne: { readonly filter: Readonly<Record<string, unknown>>; readonly replacement: Guarded };
}

const hex = (value: number): string => value.toString(16).padStart(8, '0');
const tokenOf = ({ high, low }: { readonly high: number; readonly low: number }): { _data: string } => ({
  _data: `82${hex(high)}${hex(low)}`,
});

export const openConnection = ({ world, host, set, breaks, sent }: ConnectionOptions): Connection => {
  const { random } = world;
  const trouble = noTrouble();
  let held: (() => void)[] = [];
  const streams = new Set<{ readonly pump: () => void; muted: boolean }>();
  let staleUntil = Number.NEGATIVE_INFINITY;

  const way = (slowness = trouble.slowness): number =>
    random.between(0.1, random.chance(0.02) ? 60 : 1.5) + (slowness && random.between(0, slowness));

  /** One question to the primary. `act` runs there, and may wait for the majority. */
  const ask = <T>(
    act: () => T | Promise<T>,
    lost: (error: Error) => T | Promise<T> = (error) => Promise.reject(error),
  ): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const answer = (settle: () => void): void => {
        if (random.chance(trouble.loss))
          return void (
            random.chance(0.5) && world.after(random.between(10, 6_000), () => host.enter(() => reject(networkError())))
          );
        world.after(way(), () => {
          const fail = (): void => reject(networkError());
          if (trouble.cut) held.push(() => host.enter(random.chance(0.5) ? settle : fail));
          else host.enter(settle);
        });
      };
      const serve = (): void => {
        if (trouble.stale !== null) return void held.push(() => host.enter(() => reject(driverError('MongoServerError', 10107))));
        set.whenUp(() => {
          let outcome: Promise<T>;
          try {
            outcome = Promise.resolve(act()).catch((error: Error) => lost(error));
          } catch (error) {
            outcome = Promise.reject(error);
          }
          outcome.then(
            (value) => answer(() => resolve(value)),
            (error: Error) => answer(() => reject(error)),
          );
        });
      };
      const arrive = (): void => {
        const fail = (): void => host.enter(() => reject(networkError()));
        if (trouble.cut) return void held.push(() => (host.alive && random.chance(0.4) ? serve() : fail()));
        if (random.chance(trouble.loss)) {
          world.after(random.between(10, 6_000), fail);
          // The connection is gone, but the request may still lie before a server that goes on with it.
          if (random.chance(0.5)) world.after(random.between(0, 3_000), serve);
          return;
        }
        serve();
      };
      world.after(way(), arrive);
    });

  /** A majority write: answered when it is committed. After an election the driver sends it again, once. */
  const write = (act: () => WriteResult): Promise<WriteResult> => {
    let first: WriteResult | null = null;
    const once = async (): Promise<WriteResult> => {
      first = act();
      if (first.matched > 0 || random.chance(0.5)) await set.committal();
      return first;
    };
    return ask(once, async (error) => {
      if (error.name !== 'MongoServerError' || (error as { code?: number }).code !== 189 || random.chance(0.5)) throw error;
      await new Promise<void>((resolve) => set.whenUp(resolve));
      if (!(first?.entry && set.survives(first.entry))) first = act();
      await set.committal();
      return first;
    });
  };

  /** Reads at the primary, or at the one that this node still takes for it. */
  const read = <T>(act: (through: number) => T): Promise<T> => {
    if (trouble.stale === null) return ask(() => act(set.readable));
    return new Promise((resolve) =>
      world.after(way() + way(), () => host.enter(() => resolve(act(trouble.stale ?? set.committed)))),
    );
  };

  const shown = (document: Guarded | null): Guarded | null => {
    if (!document?._rollcall || !breaks.noWindow) return document;
    const { window: _, ...rest } = document._rollcall;
    return { ...document, _rollcall: rest };
  };

  const conditionOf = (collection: string, filter: Readonly<Record<string, unknown>>): Condition => ({
    address: String(collection === 'devices' ? filter['uuid'] : filter['_id']),
    ...(!breaks.anyRev && filter['_rollcall.rev'] !== undefined && { rev: filter['_rollcall.rev'] as number }),
    ...(!breaks.anyRev && filter['_rollcall'] !== undefined && { unwritten: true }),
  });

  const addressesOf = (collection: string, filter: Readonly<Record<string, unknown>>): string[] | null => {
    const value = collection === 'devices' ? filter['uuid'] : filter['_id'];
    if (value === undefined) return null;
    return typeof value === 'string' ? [value] : (value as { $in: string[] }).$in;
  };

  const committedOf = (name: string, filter: Readonly<Record<string, unknown>>, through: number): readonly Guarded[] => {
    const addresses = addressesOf(name, filter);
    if (addresses === null) return set.committedDocuments(name, through).filter(compileFilter(filter));
    return addresses.flatMap(
      (address) => shown(breaks.localReads ? set.latest(name, address) : set.committedDocument(name, address, through)) ?? [],
    );
  };

  const collectionOf = (name: string) => ({
    find(filter: Readonly<Record<string, unknown>>) {
      const toArray = () =>
        read((through) => (Object.keys(filter).length === 0 ? set.all(name) : committedOf(name, filter, through)));
      return {
        toArray,
        async *[Symbol.asyncIterator]() {
          yield* await toArray();
        },
      };
    },
    findOne: (filter: Readonly<Record<string, unknown>>) =>
      ask(async () => {
        const found = set.latest(name, addressesOf(name, filter)![0]!);
        await set.committal();
        return shown(found);
      }),
    insertOne: (document: Guarded) => {
      sent(name, document);
      return write(() => set.insert(name, freeze(document)));
    },
    replaceOne: async (filter: Readonly<Record<string, unknown>>, document: Guarded, options?: { upsert?: boolean }) => {
      sent(name, document);
      const { matched } = await write(() =>
        set.write(name, conditionOf(name, filter), freeze(document), options?.upsert === true),
      );
      return { matchedCount: matched };
    },
    async bulkWrite(operations: readonly BulkReplacement[]) {
      const { matched } = await write(() => {
        const results = operations.map(({ replaceOne: { filter, replacement } }) =>
          set.write(name, conditionOf(name, filter), freeze(replacement), false),
        );
        return { matched: results.filter((one) => one.matched > 0).length, entry: results.at(-1)?.entry ?? null };
      });
      return { matchedCount: matched };
    },
    deleteOne: (filter: Readonly<Record<string, unknown>>) => write(() => set.remove(name, String(filter['_id']))),
  });

  const watch = (
    _: unknown,
    options: { resumeAfter?: { _data: string }; startAtOperationTime?: { high: number; low: number } },
  ) => {
    let next: number | null = null;
    let broken: Error | null = null;
    let closed = false;
    let resumeToken: unknown = options.resumeAfter ?? null;
    let newestArrival = 0;
    let waiting: { resolve: (event: unknown) => void; reject: (error: Error) => void } | null = null;
    let underWay = false;

    const place = (): void => {
      if (options.resumeAfter) {
        next = set.log.findIndex((entry) => tokenOf(entry)._data > options.resumeAfter!._data);
      } else if (options.startAtOperationTime) {
        const from = tokenOf(options.startAtOperationTime)._data;
        next = set.log.findIndex((entry) => tokenOf(entry)._data >= from);
      } else next = set.committed;
      if (next === -1) next = set.committed;
      if (next < set.oldest && (options.resumeAfter || options.startAtOperationTime)) broken = historyLost();
      // Nothing of what is still to come may lie before the token, as on a mongod whose first batch is empty.
      const last = set.log[next - 1];
      resumeToken ??= tokenOf(last ?? { high: 1_700_000_000, low: 0 });
    };

    /** Brings the next committed entry over, when nothing is in the way. */
    const pump = (): void => {
      if (
        closed ||
        self.muted ||
        underWay ||
        waiting === null ||
        trouble.cut ||
        trouble.stalled ||
        trouble.stale !== null ||
        !set.up
      )
        return;
      if (broken === null && next !== null && next >= set.committed) return;
      underWay = true;
      const entry = broken === null ? set.log[next!]! : null;
      // Events follow each other on the wire: the way of one does not begin when the one before it has arrived.
      const sentAt = entry?.committedAt ?? world.time;
      newestArrival = Math.max(newestArrival, sentAt + way(trouble.streamSlowness));
      world.at(newestArrival, () => {
        underWay = false;
        if (closed || self.muted || waiting === null) return;
        if (trouble.cut || trouble.stalled || trouble.stale !== null) return;
        const { resolve, reject } = waiting;
        waiting = null;
        if (broken) return host.enter(() => reject(broken!));
        next! += 1;
        resumeToken = tokenOf(entry!);
        host.enter(() => resolve(eventOf(entry!)));
      });
    };
    const self = { pump, muted: false };
    streams.add(self);

    return {
      get resumeToken() {
        return resumeToken;
      },
      get closed() {
        return closed;
      },
      async tryNext() {
        await ask(() => void (next ?? place()));
        if (broken) throw broken;
        return null;
      },
      next: () =>
        new Promise((resolve, reject) => {
          waiting = { resolve, reject };
          pump();
        }),
      async close() {
        closed = true;
        streams.delete(self);
        waiting?.reject(driverError('MongoAPIError'));
        waiting = null;
      },
    };
  };

  set.onCommit(() => {
    for (const { pump } of streams) pump();
  });

  return {
    store: { collection: collectionOf, watch } as unknown as Store,
    trouble,
    get staleUntil() {
      return trouble.stale === null ? staleUntil : Number.POSITIVE_INFINITY;
    },
    mute() {
      for (const stream of streams) stream.muted = true;
    },
    heal() {
      if (trouble.stale !== null) staleUntil = world.time;
      Object.assign(trouble, noTrouble());
      const all = held;
      held = [];
      for (const one of all) world.after(random.between(0, 50), one);
      for (const { pump } of streams) pump();
    },
  };
};

const eventOf = (entry: LogEntry): object => ({
  _id: tokenOf(entry),
  operationType: entry.type,
  clusterTime: { high: entry.high, low: entry.low },
  ns: { db: 'sim', coll: entry.collection },
  documentKey: { _id: entry.id },
  ...(entry.document && { fullDocument: entry.document }),
});
