/** How many queries of one loader may be under way at once; further loads wait and are joined. */
const AT_ONCE = 2;
/** How many keys one query asks for at most. */
const AT_MOST = 500;

interface Waiting<K, V> {
  readonly key: K;
  readonly promise: Promise<V | undefined>;
  readonly resolve: (value: V | undefined) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Joins loads into few queries: those of the same turn go together, and those that come while
 * queries are under way go with the next one. A load alone waits for nothing. A load never joins a
 * query that was already sent, so each of them sees at least what was there when it was asked for.
 *
 * `query` answers by the names that `nameOf` gives to keys; a key that it does not answer resolves
 * to `undefined`.
 */
export const batchLoader = <K, V>(
  query: (keys: readonly K[]) => Promise<ReadonlyMap<string, V>>,
  nameOf: (key: K) => string,
): ((key: K) => Promise<V | undefined>) => {
  let waiting = new Map<string, Waiting<K, V>>();
  let underWay = 0;
  let called = false;

  const send = async (batch: ReadonlyMap<string, Waiting<K, V>>): Promise<void> => {
    underWay += 1;
    try {
      const found = await query([...batch.values()].map(({ key }) => key));
      for (const [name, one] of batch) one.resolve(found.get(name));
    } catch (error) {
      for (const one of batch.values()) one.reject(error);
    } finally {
      underWay -= 1;
      flush();
    }
  };

  const flush = (): void => {
    called = false;
    while (waiting.size > 0 && underWay < AT_ONCE) {
      const all = waiting;
      waiting = new Map([...all].slice(AT_MOST));
      void send(new Map([...all].slice(0, AT_MOST)));
    }
  };

  return (key) => {
    const name = nameOf(key);
    const known = waiting.get(name);
    if (known) return known.promise;
    let resolve!: (value: V | undefined) => void;
    let reject!: (reason: unknown) => void;
    const promise = new Promise<V | undefined>((fulfil, fail) => ([resolve, reject] = [fulfil, fail]));
    waiting.set(name, { key, promise, resolve, reject });
    if (!called && underWay < AT_ONCE) {
      called = true;
      queueMicrotask(flush);
    }
    return promise;
  };
};
