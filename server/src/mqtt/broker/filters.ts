import type { LevelBudget } from '../level-budget.ts';
import { levelsOf, matches, type QoS, type Subscribed } from '../subscription-index.ts';

/** What one client subscribes to. */
export interface Filters {
  has(filter: string): boolean;
  /** All that were granted. */
  all(): readonly Subscribed[];
  /** Makes room for a filter that is asked for; false if the client has as many as it may. */
  reserve(filter: string): boolean;
  /** Says what came of it: the QoS that is granted, or undefined. */
  settle(filter: string, qos: QoS | undefined): void;
  remove(filters: readonly string[]): void;
  /** The highest QoS with which the client wants messages on this topic; undefined if it does not. */
  wanted(topic: string): QoS | undefined;
  /** The filters that messages are delivered by have changed. */
  refresh(): void;
  /** The client has left: its filters count no more. */
  leave(): void;
}

/** How many filters a client may have subscribed to, and their length in all, in characters. */
const most = 1_000;
const maxCharacters = 262_144;
/**
 * Filters with `+` may be this deep without counting, and this much deeper in all: a message is matched level by level with all that may still
 * match it, and many deep ones that overlap would make it slow for everybody.
 */
const freeLevels = 8;
const maxWildLevels = 1_000;
/** And all of them together, each level of which takes memory. */
const maxLevels = 10_000;
const wildLevelsOf = (filter: string): number => (filter.includes('+') ? Math.max(0, levelsOf(filter) - freeLevels) : 0);
/** Topics of which it is known by heart what the client wants. */
const maxKnown = 1_000;

/**
 * Opens them, without any. `delivering` gives the filters that messages are delivered by: a filter is granted first. `budget`: what they share with
 * the filters of others, in which they count for `owner`.
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
