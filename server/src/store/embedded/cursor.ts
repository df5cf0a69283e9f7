import type { Document } from 'mongodb';
import { refuseArgument } from './errors.ts';
import type { YieldPoint } from './yield-to-event-loop.ts';

/** What a cursor does when it is first read: its documents, with undefined where it may pause. */
export type Open = (shape: CursorShape) => { documents: Generator<Document | undefined, void>; pace: YieldPoint };

export interface CursorShape {
  sort: Document | undefined;
  skip: number;
  limit: number;
}

/** A find that has not begun. It begins at the first document asked for; its shape is fixed from then on. */
export interface EmbeddedCursor<T> extends AsyncIterable<T> {
  sort(order: Record<string, 1 | -1>): EmbeddedCursor<T>;
  skip(count: number): EmbeddedCursor<T>;
  limit(count: number): EmbeddedCursor<T>;
  toArray(): Promise<T[]>;
}

export function cursor<T>(open: Open, settled: () => Promise<void> | undefined, shape: CursorShape): EmbeddedCursor<T> {
  let begun = false;

  function begin() {
    if (begun) throw refuseArgument('reading a cursor twice');
    begun = true;
    return open(shape);
  }

  function reshaped(change: Partial<CursorShape>): EmbeddedCursor<T> {
    if (begun) throw refuseArgument('changing a cursor after it was read');
    Object.assign(shape, change);
    return self;
  }

  const self: EmbeddedCursor<T> = {
    sort: (order) => reshaped({ sort: order }),
    skip: (count) => reshaped({ skip: count }),
    limit: (count) => reshaped({ limit: count }),
    async toArray() {
      const { documents, pace } = begin();
      const found: T[] = [];
      for (const document of documents) {
        if (document !== undefined) found.push(document as T);
        if (pace.due()) await pace.rest();
      }
      await settled();
      return found;
    },
    async *[Symbol.asyncIterator]() {
      const { documents, pace } = begin();
      for (const document of documents) {
        if (document !== undefined) {
          await settled();
          yield document as T;
        }
        if (pace.due()) await pace.rest();
      }
    },
  };
  return self;
}
