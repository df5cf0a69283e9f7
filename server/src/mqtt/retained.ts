import type { Store } from '../store/port.ts';
import { publicationOf, stored, type Publication } from './stored-publish.ts';
import { openSubscriptionIndex } from './subscription-index.ts';

/** The last message of each topic that asked to be kept (MQTT 3.1.1, section 3.3.1.3). */
export interface Retained {
  /** Keeps it; one without payload removes what is kept. What comes last stays, however many come at once. */
  keep(publication: Publication): Promise<void>;
  /** Those whose topics match one of these filters. */
  matching(filters: readonly string[]): AsyncIterable<Publication>;
}

const isWild = (filter: string): boolean => /[+#]/.test(filter);

/** What every topic that a filter with wildcards matches begins with: `a/#` matches `a` too. */
const literalOf = (filter: string): string => filter.slice(0, Math.max(0, filter.search(/[+#]/) - 1));

/** How many topics are asked for at once. */
const atOnce = 100;

/** Store filters that find everything these filters match, and little else; nothing is found twice by those of filters with wildcards. */
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

/** Opens them. */
export const openRetained = (store: Store): Retained => {
  const rows = store.collection('mqtt-retained');
  const write = async (publication: Publication): Promise<void> => {
    const { topic } = publication;
    if (publication.payload.length === 0) await rows.deleteOne({ _id: topic });
    else await rows.replaceOne({ _id: topic }, { _id: topic, ...stored(publication) }, { upsert: true });
  };
  /** The newest write of each topic that is being written. */
  const writing = new Map<string, Promise<void>>();

  return {
    async keep(publication) {
      const { topic } = publication;
      const earlier = writing.get(topic)?.catch(() => undefined);
      const written = earlier === undefined ? write(publication) : earlier.then(() => write(publication));
      writing.set(topic, written);
      try {
        await written;
      } finally {
        if (writing.get(topic) === written) writing.delete(topic);
      }
    },
    async *matching(filters) {
      const index = openSubscriptionIndex();
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
