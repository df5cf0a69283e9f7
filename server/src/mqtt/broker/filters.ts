import type { LevelBudget } from '../level-budget.ts';
import { levelsOf, matches, type QoS, type Subscribed } from '../subscription-index.ts';

/** The subscriptions of one client. */
export interface Filters {
  has(filter: string): boolean;
  /** All granted subscriptions. */
  all(): readonly Subscribed[];
  /** Reserves a place for a requested filter. False if the client has reached its limit. */
  reserve(filter: string): boolean;
  /** Completes a reservation with the granted QoS, or undefined for a refusal. */
  settle(filter: string, qos: QoS | undefined): void;
  remove(filters: readonly string[]): void;
  /**
   * The highest QoS that the client subscribes to this topic with. Undefined without a
   * subscription.
   */
  wanted(topic: string): QoS | undefined;
  /** Reports that the filters used for delivery have changed. */
  refresh(): void;
  /** Reports that the client has left. Its filters no longer count. */
  leave(): void;
}

/** Filters that a client may have, and their total length in characters. */
const most = 1_000;
const maxCharacters = 262_144;
/**
 * Levels that are free for a filter with `+`.
 * Deeper ones count towards the client's limit: messages are matched level by level, and many deep
 * overlapping filters would slow delivery for all clients.
 */
const freeLevels = 8;
const maxWildLevels = 1_000;
/** Levels of all filters of a client together. Each takes memory. */
const maxLevels = 10_000;
const wildLevelsOf = (filter: string): number => (filter.includes('+') ? Math.max(0, levelsOf(filter) - freeLevels) : 0);
/** Topics whose QoS is cached. */
const maxKnown = 1_000;

/**
 * Creates the filters of a client, without any.
 * `delivering`: the filters used for delivery. A filter is granted before it is one of them.
 * `budget`: the levels shared with other clients, counted for `owner`.
 */
export const createFilters = (delivering: () => readonly string[], budget: LevelBudget, owner: string): Filters => {
  const granted = new Map<string, QoS>();
  const asked = new Set<string>();
  const known = new Map<string, QoS | undefined>();
  let characters = 0;
  let wildLevels = 0;
  let levels = 0;
  let isOpen = true;
  const count = (filter: string, sign: 1 | -1): void => {
    characters += sign * filter.length;
    wildLevels += sign * wildLevelsOf(filter);
    levels += sign * levelsOf(filter);
    if (isOpen) budget.count(owner, sign * levelsOf(filter));
  };

  const look = (topic: string): QoS | undefined => {
    let wanted: QoS | undefined;
    for (const filter of delivering()) {
      const qos = granted.get(filter);
      if (qos !== undefined && qos > (wanted ?? -1) && (filter === topic || matches(filter, topic))) wanted = qos;
    }
    return wanted;
  };

  return {
    has: (filter) => granted.has(filter),
    all: () => [...granted].map(([topic, qos]) => ({ topic, qos })),
    reserve(filter) {
      if (granted.has(filter) || asked.has(filter)) return true;
      if (granted.size + asked.size >= most || characters + filter.length > maxCharacters) return false;
      if (wildLevels + wildLevelsOf(filter) > maxWildLevels || levels + levelsOf(filter) > maxLevels) return false;
      if (!budget.admits(owner, levelsOf(filter))) return false;
      asked.add(filter);
      count(filter, 1);
      return true;
    },
    settle(filter, qos) {
      const isNew = asked.delete(filter);
      if (qos !== undefined) granted.set(filter, qos);
      else if (isNew) count(filter, -1);
      known.clear();
    },
    remove(filters) {
      for (const filter of filters) if (granted.delete(filter)) count(filter, -1);
      known.clear();
    },
    wanted(topic) {
      if (known.has(topic)) return known.get(topic);
      if (known.size >= maxKnown) known.clear();
      const wanted = look(topic);
      known.set(topic, wanted);
      return wanted;
    },
    refresh: () => known.clear(),
    leave() {
      if (isOpen) budget.count(owner, -levels);
      isOpen = false;
    },
  };
};
