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

/** What every topic that a filter matches begins with. */
const literalOf = (filter: string): string => {
  const at = filter.search(/[+#]/);
  // `a/#` matches `a` too.
  return at < 0 ? filter : filter.slice(0, Math.max(0, at - 1));
};

/** Opens them. */
export const openRetained = (store: Store): Retained => {
  const rows = store.collection('mqtt-retained');
  const among = (filter: string) => {
    const literal = literalOf(filter);
    if (!/[+#]/.test(filter)) return { _id: filter };
    return literal === '' ? {} : { _id: { $gte: literal, $lt: `${literal}\u{10FFFF}` } };
  };
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
      const sent = new Set<string>();
      for (const filter of filters) {
        index.set('', [{ topic: filter, qos: 0 }]);
        for await (const row of rows.find(among(filter))) {
          if (sent.has(row._id) || index.match(row._id).size === 0) continue;
          sent.add(row._id);
          yield publicationOf(row);
        }
      }
    },
  };
};
