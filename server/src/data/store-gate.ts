import { RegistryError } from '@rollcall/client/contract';
import type { Store } from './store.ts';
import type { Collection } from '../store/port.ts';
import type { Collections } from '../domain/documents/index.ts';

/** A wrapper around a store that can be shut permanently. */
export interface StoreGate {
  /** The wrapped store. Its writes fail with `unavailable` once the gate is shut; reads continue, see `answers`. */
  readonly store: Store;
  /** Fails with `unavailable` once the gate is shut. */
  check(): void;
  /** Wraps a function so that it fails with `unavailable` once the gate is shut: its reads may have been inconsistent. */
  answers<A extends readonly unknown[], R>(work: (...given: A) => Promise<R>): (...given: A) => Promise<R>;
  /** Shuts the gate. Resolves when no write is in progress. */
  shut(): Promise<void>;
}

const writes = [
  'insertOne',
  'insertMany',
  'replaceOne',
  'updateOne',
  'updateMany',
  'deleteOne',
  'deleteMany',
  'findOneAndUpdate',
  'findOneAndReplace',
  'findOneAndDelete',
  'bulkWrite',
  'createIndex',
] as const satisfies readonly (keyof Collection<never>)[];

type Method = (...given: readonly unknown[]) => Promise<unknown>;

/** Creates an open gate for a store. */
export const createStoreGate = (behind: Store): StoreGate => {
  const collections = new Map<string, unknown>();
  const waits: (() => void)[] = [];
  let underWay = 0;
  let shut = false;

  const check = (): void => {
    if (shut) throw new RegistryError('unavailable');
  };

  const done = (): void => {
    underWay -= 1;
    if (underWay === 0 && shut) for (const wait of waits.splice(0)) wait();
  };

  const counted =
    (method: Method): Method =>
    async (...given) => {
      check();
      underWay += 1;
      try {
        return await method(...given);
      } finally {
        done();
      }
    };

  const gated = <N extends keyof Collections & string>(name: N): Collection<Collections[N]> => {
    const real = behind.collection(name);
    const methods = real as unknown as Readonly<Record<string, Method>>;
    return {
      find: real.find.bind(real),
      findOne: real.findOne.bind(real),
      countDocuments: real.countDocuments.bind(real),
      ...Object.fromEntries(writes.map((write) => [write, counted((...given) => methods[write]!(...given))])),
    } as unknown as Collection<Collections[N]>;
  };

  return {
    store: {
      collection<N extends keyof Collections & string>(name: N) {
        const known = collections.get(name) as Collection<Collections[N]> | undefined;
        if (known !== undefined) return known;
        const made = gated(name);
        collections.set(name, made);
        return made;
      },
      watch: behind.watch.bind(behind),
    },
    check,
    answers:
      (work) =>
      async (...given) => {
        try {
          return await work(...given);
        } finally {
          check();
        }
      },
    async shut() {
      shut = true;
      if (underWay > 0) await new Promise<void>((resolve) => waits.push(resolve));
    },
  };
};
