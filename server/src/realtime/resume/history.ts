import { roughBytes } from '../../common/object-size.ts';
import { accessPart } from '../../domain/access.ts';
import type { ChangeFeed } from '../../data/feed/change-feed.ts';
import { sentOf } from '../messages/feed-message.ts';
import type { Position } from '../../data/feed/position.ts';
import type { Change } from '../../data/feed/change.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';

/** A device's document at an earlier moment; null: there was none. `same`: it has not changed since. `unknown`: it has, and nobody kept it. */
export type Earlier = DeviceDocument | null | 'same' | 'unknown';

/** The ring by device: what concerns one, without looking at everything. */
export interface History {
  /** What happened after `from`, up to `to`, and concerns one of these devices: changes of it, messages from it and to it. In order. */
  between(from: Position, to: Position, uuids: Iterable<string>): readonly Change[];
  /** A device's document as it was when the change at this place happened. For a message with this id what was noted comes first. */
  documentAt(uuid: string, position: Position, message?: string): Earlier;
  /** Keeps by which documents it was decided who gets a message: null for a device that was missing. */
  note(message: string, documents: ReadonlyMap<string, DeviceDocument | null>): void;
  close(): void;
}

/** How much of documents is kept for messages, in bytes, roughly. */
const maxNotedBytes = 64 * 1024 * 1024;

interface Lane {
  items: Change[];
  head: number;
}

/** Index of the first change after this place. */
const firstAfter = ({ items, head }: Lane, position: Position): number => {
  let low = head;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (items[middle]!.position > position) high = middle;
    else low = middle + 1;
  }
  return low;
};

const dropFirst = (lane: Lane): void => {
  lane.head += 1;
  if (lane.head > 32 && lane.head * 2 > lane.items.length) {
    lane.items = lane.items.slice(lane.head);
    lane.head = 0;
  }
};

/** Whom a change concerns. Null: it is no device's and no message. */
const concerned = ({ collection, id, document }: Change): readonly string[] | null => {
  if (collection === 'devices') return [String(document?.['uuid'] ?? id)];
  if (collection !== 'messages') return null;
  if (document === null) return [];
  const { from, to } = sentOf(document);
  return to.includes(from) ? to : [from, ...to];
};

/** What is kept of documents for the messages of the last minutes. */
const openNotes = () => {
  const notes = new Map<string, { readonly documents: ReadonlyMap<string, DeviceDocument | null>; readonly bytes: number }>();
  let bytes = 0;
  const drop = (message: string): void => {
    bytes -= notes.get(message)?.bytes ?? 0;
    notes.delete(message);
  };
  return {
    put(message: string, documents: ReadonlyMap<string, DeviceDocument | null>): void {
      drop(message);
      const parts = new Map([...documents].map(([uuid, document]) => [uuid, document && accessPart(document)]));
      let size = 100;
      for (const part of parts.values()) size += 100 + roughBytes(part);
      notes.set(message, { documents: parts, bytes: size });
      bytes += size;
      for (const oldest of notes.keys()) {
        if (bytes <= maxNotedBytes) break;
        drop(oldest);
      }
    },
    get: (message: string, uuid: string): DeviceDocument | null | undefined => notes.get(message)?.documents.get(uuid),
    drop,
    clear(): void {
      notes.clear();
      bytes = 0;
    },
  };
};

/**
 * Opens the history. It has to listen to the feed from its beginning on, and reaches as far back as the feed's ring.
 *
 * `lanesOf`: under which names changes of other collections are kept, for whoever asks for these.
 */
export const openHistory = (
  feed: Pick<ChangeFeed, 'subscribe' | 'onResync' | 'start'>,
  lanesOf: (change: Change) => readonly string[],
): History => {
  const lanes = new Map<string, Lane>();
  const order: Lane = { items: [], head: 0 };
  const notes = openNotes();
  const namesOf = (change: Change): readonly string[] => concerned(change) ?? lanesOf(change);

  const forget = (change: Change): void => {
    for (const uuid of namesOf(change)) {
      const lane = lanes.get(uuid);
      if (lane === undefined) continue;
      dropFirst(lane);
      if (lane.head === lane.items.length) lanes.delete(uuid);
    }
    if (change.collection === 'messages') notes.drop(String(change.id));
  };

  /** Lets go what the ring has let go. */
  const expire = (): void => {
    for (let oldest = order.items[order.head]; oldest && oldest.position <= feed.start; oldest = order.items[order.head]) {
      forget(oldest);
      dropFirst(order);
    }
  };

  const stop = feed.subscribe((change) => {
    expire();
    const uuids = namesOf(change);
    if (uuids.length === 0) return;
    order.items.push(change);
    for (const uuid of uuids) {
      const lane = lanes.get(uuid);
      if (lane === undefined) lanes.set(uuid, { items: [change], head: 0 });
      else lane.items.push(change);
    }
  });
  const clear = (): void => {
    lanes.clear();
    order.items = [];
    order.head = 0;
    notes.clear();
  };
  const stopResync = feed.onResync(clear);

  return {
    between(from, to, uuids) {
      const found = new Set<Change>();
      for (const uuid of uuids) {
        const lane = lanes.get(uuid);
        if (lane === undefined) continue;
        for (let at = firstAfter(lane, from); at < lane.items.length && lane.items[at]!.position <= to; at += 1)
          found.add(lane.items[at]!);
      }
      return [...found].sort((one, other) => (one.position < other.position ? -1 : 1));
    },

    documentAt(uuid, position, message) {
      const noted = message === undefined ? undefined : notes.get(message, uuid);
      if (noted !== undefined) return noted;
      const lane = lanes.get(uuid);
      if (lane === undefined) return 'same';
      const isChange = ({ collection }: Change): boolean => collection === 'devices';
      for (let at = firstAfter(lane, position) - 1; at >= lane.head; at -= 1) {
        const change = lane.items[at]!;
        if (!isChange(change)) continue;
        const document = change.document as DeviceDocument | null;
        if (document === null) return 'unknown';
        return document._rollcall?.gone === undefined ? document : null;
      }
      const next = lane.items.slice(firstAfter(lane, position)).find(isChange);
      if (next === undefined) return 'same';
      return next.type === 'insert' ? null : 'unknown';
    },

    note: notes.put,
    close() {
      stop();
      stopResync();
      clear();
    },
  };
};
