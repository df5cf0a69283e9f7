import type { Store } from '../data/store.ts';
import { weightOf, type RetainedUsage } from './retained-usage.ts';
import { publicationOf, stored, type Publication } from './stored-message.ts';
import { createSubscriptionIndex } from './subscription-index.ts';

/** Retained messages: the last one of each topic (MQTT 3.1.1, section 3.3.1.3). */
export interface Retained {
  /**
   * Stores a retained message. One without payload removes the message of its topic.
   * The last of several concurrent messages stays.
   * `owner`: the account that the message counts for. If this owner, or all owners together, are at
   * their limit, the message is not stored. The topic's earlier message is then removed as well,
   * since it would be out of date.
   */
  keep(publication: Publication, owner: string): Promise<void>;
  /** The messages whose topics match one of these filters. */
  matching(filters: readonly string[]): AsyncIterable<Publication>;
}

const isWild = (filter: string): boolean => /[+#]/.test(filter);

/** The literal prefix of all topics that a filter with wildcards matches: `a/#` matches `a` too. */
const literalOf = (filter: string): string => filter.slice(0, Math.max(0, filter.search(/[+#]/) - 1));

/** Topics in one query. */
const atOnce = 100;

/**
 * Store filters that find all matches of these filters and few other topics.
 * Those of filters with wildcards do not overlap.
 */
const among = function* (filters: readonly string[]) {
  let last: string | undefined;
  for (const literal of filters.filter(isWild).map(literalOf).sort()) {
    if (last !== undefined && literal.startsWith(last)) continue;
    last = literal;
    yield literal === '' ? {} : { _id: { $gte: literal, $lt: `${literal}\u{10FFFF}` } };
  }
  const exact = filters.filter((filter) => !isWild(filter));
  for (let at = 0; at < exact.length; at += atOnce) yield { _id: { $in: exact.slice(at, at + atOnce) } };
};

/** Opens the retained messages. */
export const createRetained = (store: Store, usage: Pick<RetainedUsage, 'admit' | 'remove'>): Retained => {
  const rows = store.collection('mqtt-retained');
  const write = async (publication: Publication, owner: string): Promise<void> => {
    const { topic, payload } = publication;
    const admitted = payload.length > 0 && usage.admit(topic, { owner, bytes: weightOf(topic, payload.length) });
    const takeBack = admitted === false ? usage.remove(topic) : admitted;
    try {
      if (admitted === false) await rows.deleteOne({ _id: topic });
      else await rows.replaceOne({ _id: topic }, { _id: topic, ...stored(publication), owner }, { upsert: true });
    } catch (error) {
      takeBack();
      throw error;
    }
  };
  /** The newest write in progress of each topic. */
  const writing = new Map<string, Promise<void>>();

  return {
    async keep(publication, owner) {
      const { topic } = publication;
      const earlier = writing.get(topic)?.catch(() => undefined);
      const written = earlier === undefined ? write(publication, owner) : earlier.then(() => write(publication, owner));
      writing.set(topic, written);
      try {
        await written;
      } finally {
        if (writing.get(topic) === written) writing.delete(topic);
      }
    },
    async *matching(filters) {
      const index = createSubscriptionIndex();
      index.set(
        '',
        filters.map((topic) => ({ topic, qos: 0 })),
      );
      const sent = new Set<string>();
      for (const filter of among(filters)) {
        for await (const row of rows.find(filter)) {
          if (sent.has(row._id) || index.match(row._id).size === 0) continue;
          sent.add(row._id);
          yield publicationOf(row);
        }
      }
    },
  };
};
