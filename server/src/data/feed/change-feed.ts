import type { ChangeStreamDocument, Document, Timestamp } from 'mongodb';
import type { Clock } from '../../common/clock.ts';
import { roughBytes } from '../../common/object-size.ts';
import type { Log } from '../../common/log.ts';
import type { Store } from '../store.ts';
import { defaultBufferBounds, createChangeBuffer, type ChangeBufferBounds } from './change-buffer.ts';
import { START, positionAt, timeAt, type Position, type TimestampLike } from './position.ts';
import { openChangeStreamReader } from './change-stream-reader.ts';
import type { Change } from './change.ts';

/** The change feed of a node: the only change stream on its store, shared by all listeners. */
export interface ChangeFeed {
  /** The random id of the feed; cursors of another feed are invalid here. */
  readonly id: string;
  /** Resolves when the stream is open: every later write is delivered, or a resync is. Rejects if the store has no change stream. */
  readonly ready: Promise<void>;
  /** Whether the stream is open now. */
  readonly open: boolean;
  /** Position of the newest change that listeners have seen. */
  readonly position: Position;
  /** The position after which the change buffer is complete. */
  readonly start: Position;
  /** `position` as a cursor for clients. */
  readonly cursor: string;
  /** The feed's clock, in milliseconds: it never goes back, and all times in hidden fields are its. */
  time(): number;
  /** Called with every change, in order, synchronously. The returned function unsubscribes. */
  subscribe(listener: (change: Change) => void): () => void;
  /** Called when changes may have been missed: derived data must be rebuilt. */
  onResync(listener: (reason: string) => void): () => void;
  /** The changes after a cursor, or `resync` if they are not all here (too old, too new, another feed, not a cursor). */
  since(cursor: string): Change[] | 'resync';
  /**
   * Publishes a document that is not stored: listeners get it as an insert between the store's changes.
   * The change buffer keeps it only as long as this process lives, so it is for a single process.
   */
  publishEphemeral(collection: string, document: Document): Change;
  /** Waits at most `ms` milliseconds until the feed has reached a cursor; false if it has not, or the cursor is another feed's. */
  reaches(cursor: string, ms: number): Promise<boolean>;
  /** The newest buffered change of the document with this `_id`, or of the device with this uuid. */
  newest(collection: string, id: unknown): Change | undefined;
  close(): Promise<void>;
}

/** The start of a feed on a store that still has changes of an earlier feed, which are skipped. */
export interface Origin {
  /** A moment before it, in milliseconds since 1970 of the store's clock. */
  readonly at: number;
  /** Whether the feed has begun by this change. */
  begins(change: Change): boolean;
}

export interface ChangeFeedOptions {
  readonly store: Pick<Store, 'watch'>;
  /** The id of the feed: random, kept in the store, renewed by a restore. */
  readonly id: string;
  /** Default: the feed is as old as the store. */
  readonly origin?: Origin | null;
  readonly clock: Clock;
  readonly log: Log;
  /** How much the change buffer keeps for clients that catch up. */
  readonly window?: Partial<ChangeBufferBounds>;
  /** True on MongoDB, where leases come as heartbeats and silence means that the stream has stalled; false on the embedded store. */
  readonly heartbeats: boolean;
}

const cursorForm = /^([^.]+)\.([0-9a-f]{20}(?:[0-9a-f]{8})?)$/;

/** Opens the change feed. It starts one window back if the store's log allows, and stays open until it is closed. */
export const openChangeFeed = ({ store, id, origin = null, clock, log, window, heartbeats }: ChangeFeedOptions): ChangeFeed => {
  const bounds = { ...defaultBufferBounds, ...window };
  const ring = createChangeBuffer(bounds);
  const listeners = new Set<(change: Change) => void>();
  const resyncs = new Set<(reason: string) => void>();
  const waits = new Set<{ readonly position: Position; readonly done: () => void }>();
  let position: Position = START;
  let clusterTime: TimestampLike | null = null;
  let index = 0;
  /** False while the start position is unknown: until the first change, the buffer cannot tell what it lacks. */
  let anchored = true;
  let newestTime = 0;
  /** True while the changes read belong to an earlier feed. */
  let isEarlier = false;

  const tell = <T>(all: Iterable<(value: T) => void>, value: T): void => {
    for (const listener of all) {
      try {
        listener(value);
      } catch (error) {
        log.error({ err: error }, 'a listener of the feed failed');
      }
    }
  };

  const arrived = (): void => {
    for (const wait of waits) if (wait.position <= position) wait.done();
  };

  const resync = (reason: string, from: Position | null): void => {
    log.warn({ reason }, 'the feed has a hole: everything that follows it starts anew');
    if (from !== null && from > position) position = from;
    isEarlier = false;
    anchored = from !== null;
    ring.reset(position);
    tell(resyncs, reason);
  };

  const accept = (event: ChangeStreamDocument): void => {
    const time = (event as { clusterTime?: Timestamp }).clusterTime;
    if (time) {
      index = clusterTime && clusterTime.high === time.high && clusterTime.low === time.low ? index + 1 : 0;
      clusterTime = { high: time.high, low: time.low };
      const place = positionAt(clusterTime, index);
      if (place <= position) return;
      if (!anchored) ring.reset(place.slice(0, 16));
      anchored = true;
      position = place;
      newestTime = Math.max(newestTime, timeAt(place));
    }
    const change = changeOf(event, id, position);
    if (isEarlier) {
      isEarlier = change === null || origin?.begins(change) !== true;
      ring.reset(position);
    } else if (change) {
      ring.push(change, 200 + roughBytes(change.document));
      tell(listeners, change);
    } else if (event.operationType === 'drop' || event.operationType === 'rename' || event.operationType === 'dropDatabase') {
      resync(event.operationType, position);
    }
    arrived();
  };

  const tail = openChangeStreamReader({
    store,
    clock,
    log,
    heartbeats,
    backMs: bounds.ms,
    origin: origin?.at ?? null,
    accept,
    opened: (from, beforeOrigin) => {
      isEarlier = beforeOrigin;
      anchored = from !== null;
      if (from !== null) ring.reset((position = from));
    },
    lost: resync,
  });

  const placeOf = (cursor: string): Position | null => {
    const [, feed, place] = cursorForm.exec(cursor) ?? [];
    return feed === id && place !== undefined ? place : null;
  };

  const time = (): number => {
    if (!heartbeats) newestTime = Math.max(newestTime, clock.now());
    return newestTime === 0 ? clock.now() : newestTime;
  };

  return {
    id,
    ready: tail.ready,
    get open() {
      return tail.open;
    },
    get position() {
      return position;
    },
    get start() {
      return ring.start;
    },
    get cursor() {
      return `${id}.${position.padEnd(20, '0')}`;
    },
    time,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onResync(listener) {
      resyncs.add(listener);
      return () => resyncs.delete(listener);
    },
    since(cursor) {
      const place = placeOf(cursor);
      ring.expire(time());
      return place === null || !anchored || place < ring.start || place > position ? 'resync' : ring.after(place);
    },
    reaches(cursor, ms) {
      const place = placeOf(cursor);
      if (place === null || place <= position) return Promise.resolve(place !== null);
      return new Promise((resolve) => {
        const end = (reached: boolean) => {
          waits.delete(wait);
          cancel();
          resolve(reached);
        };
        const wait = { position: place, done: () => end(true) };
        const cancel = clock.after(ms, () => end(false));
        waits.add(wait);
      });
    },
    publishEphemeral(collection, document) {
      const [, number] = /^.{20}(.{8})$/.exec(position) ?? [];
      position = position.padEnd(20, '0').slice(0, 20) + nextPlace(number);
      const change: Change = {
        cursor: `${id}.${position}`,
        position,
        collection,
        type: 'insert',
        id: document['_id'],
        document,
        at: time(),
      };
      ring.push(change, 200 + roughBytes(document));
      tell(listeners, change);
      arrived();
      return change;
    },
    newest: ring.newest,
    close: tail.close,
  };
};

/** The next number of an ephemeral change: 8 hex digits appended to the position of the store's last change. */
const nextPlace = (number = '00000000'): string => (Number.parseInt(number, 16) + 1).toString(16).padStart(8, '0');

const changeOf = (event: ChangeStreamDocument, id: string, position: Position): Change | null => {
  const { operationType: type } = event;
  if (type !== 'insert' && type !== 'replace' && type !== 'update' && type !== 'delete') return null;
  return {
    cursor: `${id}.${position}`,
    position,
    collection: event.ns.coll,
    type,
    id: event.documentKey._id,
    document: type === 'insert' || type === 'replace' ? event.fullDocument : null,
    at: timeAt(position),
  };
};
