import type { Store } from '@rollcall/server/internal/data/store';

/** What happens to one call of a method. `lose` carries it out and loses the answer; `drop` loses the request; `late` carries it out when told. */
export type Fault = 'lose' | 'drop' | 'late';

/** A store behind a wire that breaks as it is told. */
export interface BrokenWire {
  readonly store: Store;
  /** The next calls of this method on this collection meet these faults, in order. */
  next(collection: string, method: string, ...faults: readonly Fault[]): void;
  /** Lets the requests arrive that were held up, and returns what the store made of them. */
  arrive(): Promise<unknown[]>;
  /** From now on the change stream brings nothing. */
  mute(): void;
  /** How often each method was called, by `<collection>.<method>`. */
  readonly calls: ReadonlyMap<string, number>;
}

const gone = (): Error => Object.assign(new Error('the connection was lost'), { name: 'MongoNetworkError' });

/** Puts the wire in front of a real store. */
export const breakWire = (real: Store): BrokenWire => {
  const faults = new Map<string, Fault[]>();
  const calls = new Map<string, number>();
  const held: (() => Promise<unknown>)[] = [];
  let muted = false;

  const collection = (name: string): object => {
    const target = (real.collection as (name: string) => object)(name);
    return new Proxy(target, {
      get(_, property) {
        const member: unknown = Reflect.get(target, property);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          const key = `${name}.${String(property)}`;
          calls.set(key, (calls.get(key) ?? 0) + 1);
          const run = (): unknown => Reflect.apply(member, target, args);
          const fault = faults.get(key)?.shift();
          if (fault === undefined) return run();
          if (fault === 'lose') return Promise.resolve(run()).then(() => Promise.reject(gone()));
          if (fault === 'late') held.push(async () => run());
          return Promise.reject(gone());
        };
      },
    });
  };

  const watch: Store['watch'] = (pipeline, options) => {
    const stream = real.watch(pipeline, options);
    const never = new Promise<never>(() => undefined);
    return new Proxy(stream, {
      get(_, property) {
        const member: unknown = Reflect.get(stream, property);
        if (property === 'next') return async () => await stream.next().then((event) => (muted ? never : event));
        return typeof member === 'function' ? (...args: unknown[]): unknown => Reflect.apply(member, stream, args) : member;
      },
    });
  };

  return {
    store: { collection, watch } as unknown as Store,
    next: (name, method, ...more) => void faults.set(`${name}.${method}`, [...more]),
    arrive: () => Promise.all(held.splice(0).map((run) => run())),
    mute: () => void (muted = true),
    calls,
  };
};
