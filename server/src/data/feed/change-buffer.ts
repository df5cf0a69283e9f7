import { START, type Position } from './position.ts';
import type { Change } from './change.ts';

/** The bounds of a change buffer; the one that is met first applies. */
export interface ChangeBufferBounds {
  readonly ms: number;
  readonly changes: number;
  readonly bytes: number;
}

/** 10 minutes, 100,000 changes, 256 MiB. */
export const defaultBufferBounds: ChangeBufferBounds = { ms: 600_000, changes: 100_000, bytes: 256 * 1024 * 1024 };

/** The change buffer: every change of the feed after `start`, without a gap. */
export interface ChangeBuffer {
  /** The position after which no change is missing. */
  readonly start: Position;
  push(change: Change, bytes: number): void;
  /** Drops the changes that are too old at the feed's time `now`, in milliseconds. */
  expire(now: number): void;
  /** The newest change that is still here of the document with this `_id`, or of the device with this uuid. */
  newest(collection: string, id: unknown): Change | undefined;
  /** The changes after `position`, oldest first; `position` must not lie before `start`. */
  after(position: Position): Change[];
  /** Empties the buffer; it is complete after the new `start`. */
  reset(start: Position): void;
}

/** The name of a document by its `_id`, whatever type that has. */
const nameOf = (collection: string, id: unknown): string => `${collection}\0${typeof id === 'string' ? id : String(id)}`;

/** The names of a change's document: a device of an old database has an `_id` besides its uuid. */
const namesOf = ({ collection, id, document }: Change): readonly string[] => {
  const uuid: unknown = collection === 'devices' ? document?.['uuid'] : undefined;
  return uuid === undefined || uuid === id ? [nameOf(collection, id)] : [nameOf(collection, id), nameOf(collection, uuid)];
};

/** Creates an empty change buffer. */
export const createChangeBuffer = (bounds: ChangeBufferBounds): ChangeBuffer => {
  let changes: Change[] = [];
  let sizes: number[] = [];
  let head = 0;
  let bytes = 0;
  let start: Position = START;
  const newest = new Map<string, Change>();

  const dropOldest = (): void => {
    const oldest = changes[head]!;
    bytes -= sizes[head]!;
    head += 1;
    start = oldest.position;
    for (const name of namesOf(oldest)) if (newest.get(name) === oldest) newest.delete(name);
    if (head > 1_024 && head * 2 > changes.length) {
      changes = changes.slice(head);
      sizes = sizes.slice(head);
      head = 0;
    }
  };

  const expire = (now: number): void => {
    while (head < changes.length && now - changes[head]!.at > bounds.ms) dropOldest();
  };

  const firstAfter = (position: Position): number => {
    let low = head;
    let high = changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (changes[middle]!.position > position) high = middle;
      else low = middle + 1;
    }
    return low;
  };

  return {
    get start() {
      return start;
    },
    push(change, size) {
      changes.push(change);
      sizes.push(size);
      bytes += size;
      for (const name of namesOf(change)) newest.set(name, change);
      expire(change.at);
      while (changes.length - head > bounds.changes || (bytes > bounds.bytes && head < changes.length)) dropOldest();
    },
    expire,
    newest: (collection, id) => newest.get(nameOf(collection, id)),
    after: (position) => changes.slice(firstAfter(position)),
    reset(from) {
      changes = [];
      sizes = [];
      head = 0;
      bytes = 0;
      start = from;
      newest.clear();
    },
  };
};
