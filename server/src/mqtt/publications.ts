import type { MaybePromise } from '../common/maybe-promise.ts';
import type { Store } from '../data/store.ts';
import { orderedBatches } from '../common/ordered-batches.ts';
import type { OfflineQueue } from './offline-queue.ts';
import type { Retained } from './retained.ts';
import type { MqttSessions } from './sessions.ts';
import { publicationOf, stored, type Publication } from './stored-message.ts';
import type { QoS } from './subscription-index.ts';
import type { Change } from '../data/feed/change.ts';
import type { MqttPublicationDocument } from '../domain/documents/mqtt.ts';

/**
 * Stores all of a message that has to be durable before its acknowledgement, and passes it to the
 * other nodes (ME-12).
 */
export interface Publications {
  /**
   * Takes a message that was published here: it is retained, queued for every persistent session,
   * and sent to the other nodes.
   * Settles when all of that is stored, at once if nothing is.
   * `expect` receives the sessions beforehand. `owner`: the account that a retained message counts
   * for.
   */
  take(
    id: string,
    publication: Publication,
    owner: string,
    expect: (sessions: ReadonlyMap<string, QoS>) => void,
  ): MaybePromise<unknown>;
  /** Queues another node's message for sessions whose clients are here. */
  keep(id: string, publication: Publication, sessions: ReadonlyMap<string, QoS>): Promise<void>;
  /** The message that another node has published. Undefined for any other change. */
  arrived(change: Change): { readonly id: string; readonly publication: Publication } | undefined;
}

/** Time that the other nodes have to fetch a message, in milliseconds. */
const keptMs = 120_000;

/** Creates the publications. `others`: are there other nodes? */
export const createPublications = (options: {
  readonly store: Store;
  readonly sessions: Pick<MqttSessions, 'match'>;
  readonly queue: Pick<OfflineQueue, 'add'>;
  readonly retained: Pick<Retained, 'keep'>;
  readonly node: string;
  readonly others: () => boolean;
  readonly now: () => number;
}): Publications => {
  const { store, sessions, queue, retained, node, others, now } = options;
  const rows = store.collection('mqtt-publications');
  /** The other nodes get messages in the order of the feed. */
  const carry = orderedBatches<MqttPublicationDocument>((all) => rows.insertMany([...all]));

  return {
    take(id, publication, owner, expect) {
      const work: Promise<unknown>[] = [];
      if (publication.retain) work.push(retained.keep(publication, owner));
      if (publication.qos > 0) {
        const kept = sessions.match(publication.topic);
        if (kept.size > 0) {
          expect(kept);
          work.push(queue.add(id, publication, kept));
        }
      }
      if (others()) {
        work.push(carry({ ...stored(publication), _id: id, node, purgeAt: new Date(now() + keptMs) }));
      }
      return work.length > 0 ? Promise.all(work) : undefined;
    },
    keep: (id, publication, kept) => queue.add(id, publication, kept),
    arrived({ collection, type, document }) {
      if (collection !== 'mqtt-publications' || type !== 'insert' || document === null) return undefined;
      const row = document as MqttPublicationDocument;
      return row.node === node ? undefined : { id: row._id, publication: publicationOf(row) };
    },
  };
};
