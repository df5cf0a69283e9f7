/** 0: at most once, 1: at least once, 2: exactly once (MQTT 3.1.1, section 4.3). */
export type QoS = 0 | 1 | 2;

/** One subscription. */
export interface Subscribed {
  readonly topic: string;
  readonly qos: QoS;
}

/** Index of sessions by the topics that they subscribe to. */
export interface SubscriptionIndex {
  /** Replaces the subscriptions of this session. */
  set(client: string, subscriptions: readonly Subscribed[]): void;
  /**
   * The sessions that subscribe to this topic, each with the highest QoS of its matching
   * subscriptions.
   */
  match(topic: string): ReadonlyMap<string, QoS>;
}

interface Level {
  readonly next: Map<string, Level>;
  readonly ends: Map<string, QoS>;
}

const level = (): Level => ({ next: new Map(), ends: new Map() });

const put = (tree: Level, client: string, { topic, qos }: Subscribed): void => {
  let at = tree;
  for (const name of topic.split('/')) {
    const next = at.next.get(name) ?? level();
    at.next.set(name, next);
    at = next;
  }
  at.ends.set(client, qos);
};

const take = (tree: Level, client: string, names: readonly string[], at = 0): void => {
  const name = names[at];
  if (name === undefined) return void tree.ends.delete(client);
  const next = tree.next.get(name);
  if (next === undefined) return;
  take(next, client, names, at + 1);
  if (next.ends.size === 0 && next.next.size === 0) tree.next.delete(name);
};

const collect = (tree: Level, names: readonly string[], at: number, found: Map<string, QoS>): void => {
  const add = (ends: ReadonlyMap<string, QoS> | undefined): void => {
    for (const [client, qos] of ends ?? []) if (qos > (found.get(client) ?? -1)) found.set(client, qos);
  };
  const name = names[at];
  // A wildcard in front does not match the broker's own topics (MQTT 3.1.1, section 4.7.2).
  const wild = at > 0 || name?.startsWith('$') !== true;
  if (wild) add(tree.next.get('#')?.ends);
  if (name === undefined) return add(tree.ends);
  for (const next of [tree.next.get(name), wild ? tree.next.get('+') : undefined]) {
    if (next !== undefined) collect(next, names, at + 1, found);
  }
};

/** Creates an empty index. */
export const createSubscriptionIndex = (): SubscriptionIndex => {
  const tree = level();
  const known = new Map<string, readonly Subscribed[]>();
  return {
    set(client, subscriptions) {
      for (const { topic } of known.get(client) ?? []) take(tree, client, topic.split('/'));
      if (subscriptions.length === 0) known.delete(client);
      else known.set(client, subscriptions);
      for (const one of subscriptions) put(tree, client, one);
    },
    match(topic) {
      const found = new Map<string, QoS>();
      if (known.size > 0) collect(tree, topic.split('/'), 0, found);
      return found;
    },
  };
};

/** Number of levels of a filter. Each takes memory in the index. */
export const levelsOf = (filter: string): number => filter.split('/').length;

/** Does this filter match this topic (MQTT 3.1.1, section 4.7)? */
export const matches = (filter: string, topic: string): boolean => {
  // A wildcard in front does not match the broker's own topics (section 4.7.2).
  if (topic.startsWith('$') && !filter.startsWith('$')) return false;
  const names = topic.split('/');
  const wanted = filter.split('/');
  for (const [at, name] of wanted.entries()) {
    if (name === '#') return true;
    if (at >= names.length || (name !== '+' && name !== names[at])) return false;
  }
  return wanted.length === names.length;
};
