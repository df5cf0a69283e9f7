import type { ChangeFeed } from '../data/feed/change-feed.ts';
import type { Log } from '../common/log.ts';
import type { Store } from '../data/store.ts';
import type { MqttRetainedDocument } from '../domain/documents/mqtt.ts';

/** Limits on retained messages: their number, and the bytes of their topics and payloads. */
export interface RetainedBounds {
  readonly messages: number;
  readonly bytes: number;
  readonly messagesPerOwner: number;
  readonly bytesPerOwner: number;
}

/** Retained messages at this moment, and the number of refused ones. */
export interface RetainedFigures {
  readonly messages: number;
  readonly bytes: number;
  readonly dropped: number;
}

/**
 * The size of one message. `owner` is unknown for messages of older versions, which count only
 * towards the total.
 */
export interface Weight {
  readonly owner: string | undefined;
  readonly bytes: number;
}

/**
 * Counts the retained messages of all nodes in memory, as of the feed's position plus this node's
 * own writes.
 */
export interface RetainedUsage {
  readonly figures: RetainedFigures;
  /**
   * Counts a topic's message if it fits the bounds. Returns an undo function, or false after a log
   * entry.
   */
  admit(topic: string, weight: Weight): (() => void) | false;
  /** Removes a topic from the count. Returns an undo function. */
  remove(topic: string): () => void;
  close(): void;
}

/** Least time between two log entries on messages that were not retained, in milliseconds. */
const tellMs = 60_000;

interface Sum {
  messages: number;
  bytes: number;
}

/** Size of a message, in bytes. */
export const weightOf = (topic: string, payloadBytes: number): number => Buffer.byteLength(topic) + payloadBytes;

/** Opens the count with the stored messages. */
export const openRetainedUsage = async (options: {
  readonly store: Store;
  readonly feed: Pick<ChangeFeed, 'subscribe' | 'onResync'>;
  readonly bounds: RetainedBounds;
  readonly now: () => number;
  readonly log: Log;
  readonly report: (error: unknown) => void;
}): Promise<RetainedUsage> => {
  const { store, feed, bounds, now, log } = options;
  const weights = new Map<string, Weight>();
  const all: Sum = { messages: 0, bytes: 0 };
  const byOwner = new Map<string, Sum>();
  let dropped = 0;
  let toldAt = -Infinity;

  const add = ({ owner, bytes }: Weight, sign: 1 | -1): void => {
    all.messages += sign;
    all.bytes += sign * bytes;
    if (owner === undefined) return;
    const sum = byOwner.get(owner) ?? { messages: 0, bytes: 0 };
    byOwner.set(owner, sum);
    sum.messages += sign;
    sum.bytes += sign * bytes;
    if (sum.messages === 0) byOwner.delete(owner);
  };
  const set = (topic: string, weight: Weight | undefined): void => {
    const before = weights.get(topic);
    if (before !== undefined) add(before, -1);
    if (weight === undefined) weights.delete(topic);
    else {
      weights.set(topic, weight);
      add(weight, 1);
    }
  };
  const see = ({ _id, payload, owner }: MqttRetainedDocument): void =>
    set(_id, { owner, bytes: weightOf(_id, payload.length()) });

  const load = async (): Promise<void> => {
    const before = new Set(weights.keys());
    for await (const row of store.collection('mqtt-retained').find({})) {
      before.delete(row._id);
      see(row);
    }
    for (const topic of before) set(topic, undefined);
  };
  const stops = [
    feed.subscribe(({ collection, document, id }) => {
      if (collection !== 'mqtt-retained') return;
      if (document === null) set(String(id), undefined);
      else see(document as MqttRetainedDocument);
    }),
    feed.onResync(() => void load().catch(options.report)),
  ];
  await load();

  /**
   * Does the message fit the bounds? An owner over a bound may still replace a message by one that
   * is no larger.
   */
  const fits = (topic: string, { owner, bytes }: Weight): boolean => {
    const before = weights.get(topic);
    const within = (sum: Sum, had: Weight | undefined, maxMessages: number, maxBytes: number): boolean => {
      const more = bytes - (had?.bytes ?? 0);
      if (had === undefined && sum.messages >= maxMessages) return false;
      return more <= 0 || sum.bytes + more <= maxBytes;
    };
    if (!within(all, before, bounds.messages, bounds.bytes)) return false;
    const own = owner === undefined ? undefined : (byOwner.get(owner) ?? { messages: 0, bytes: 0 });
    const had = before?.owner === owner ? before : undefined;
    return own === undefined || within(own, had, bounds.messagesPerOwner, bounds.bytesPerOwner);
  };
  /**
   * Changes the count of a topic. The function returned undoes that unless there was a later
   * change.
   */
  const change = (topic: string, weight: Weight | undefined): (() => void) => {
    const before = weights.get(topic);
    set(topic, weight);
    return () => {
      if (weights.get(topic) === weight) set(topic, before);
    };
  };

  return {
    get figures() {
      return { ...all, dropped };
    },
    admit(topic, weight) {
      if (fits(topic, weight)) return change(topic, weight);
      dropped += 1;
      if (now() - toldAt >= tellMs) {
        toldAt = now();
        log.warn({ owner: weight.owner, dropped, ...all }, 'an MQTT message was not retained: there are too many');
      }
      return false;
    },
    remove: (topic) => change(topic, undefined),
    close() {
      for (const stop of stops) stop();
    },
  };
};
