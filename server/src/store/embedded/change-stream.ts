import { MongoAPIError, Timestamp, type ChangeStreamDocument, type Document } from 'mongodb';
import type { ChangeStream } from '../port.ts';
import type { Engine } from './engine.ts';
import { refuseArgument, serverError } from './errors.ts';
import { changeEvent } from './journal.ts';
import { checkOptions, promotionOf } from './options.ts';

const known = ['resumeAfter', 'startAfter', 'startAtOperationTime', 'maxAwaitTimeMS', 'fullDocument', 'fullDocumentBeforeChange'];

/** Events read from the journal at once. */
const batchSize = 500;

/**
 * Follows the journal: from now, from after an event (`resumeAfter`, `startAfter`), or from a time on. Only committed changes come.
 *
 * `next()` fails with code 286 if events were pruned before they were read, and for a position that this store never had.
 */
export function watch(engine: Engine, pipeline: Document[], options: Document): ChangeStream {
  if (pipeline.length > 0) throw refuseArgument(`the change stream stage ${Object.keys(pipeline[0] ?? {}).join()}`);
  checkOptions('watch', options, known);
  if (options['fullDocument'] !== undefined && options['fullDocument'] !== 'default')
    throw refuseArgument(`fullDocument: ${String(options['fullDocument'])}`);
  return changeStream(engine, options);
}

function changeStream(engine: Engine, options: Document): ChangeStream {
  const { journal, catalog, database } = engine;
  const promotion = promotionOf(options, engine.promotion);
  const start = startOf(engine, options);
  let position = start.position;
  let lost = start.lost;
  let buffer: ChangeStreamDocument[] = [];
  let read = 0;
  let closed = false;
  let wake: (() => void) | undefined;
  const stop = engine.onCommit(() => wake?.());

  function take(): ChangeStreamDocument | undefined {
    if (closed) throw new MongoAPIError('ChangeStream is closed');
    if (read === buffer.length) refill();
    const event = buffer[read];
    if (event !== undefined) read += 1;
    return event;
  }

  function refill(): void {
    if (lost !== undefined) throw lost;
    const rows = journal.after(position, batchSize);
    buffer = rows.map((row) => {
      return changeEvent(
        row,
        journal.token(row.seq),
        database,
        catalog.findById(row.collection)?.name ?? '',
        promotion,
      ) as ChangeStreamDocument;
    });
    read = 0;
    position = rows[rows.length - 1]?.seq ?? position;
  }

  const stream = {
    get closed() {
      return closed;
    },
    get resumeToken() {
      return buffer[read - 1]?._id ?? journal.token(position);
    },
    async tryNext() {
      return take() ?? null;
    },
    async next() {
      for (;;) {
        const event = take();
        if (event !== undefined) return event;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    async close() {
      closed = true;
      stop();
      wake?.();
    },
    async *[Symbol.asyncIterator]() {
      while (!closed) yield await stream.next();
    },
  };
  return stream;
}

interface Start {
  position: number;
  /** Reading fails with this: as with the driver, a bad position shows at the first read. */
  lost: unknown;
}

function startOf({ journal }: Engine, { resumeAfter, startAfter, startAtOperationTime }: Document): Start {
  try {
    const token: unknown = resumeAfter ?? startAfter;
    if (token !== undefined && token !== null) return { position: journal.position(token), lost: undefined };
    if (startAtOperationTime === undefined) return { position: journal.last(), lost: undefined };
    if (!(startAtOperationTime instanceof Timestamp)) throw serverError(14, 'startAtOperationTime must be a timestamp');
    return { position: journal.before(startAtOperationTime), lost: undefined };
  } catch (error) {
    return { position: journal.last(), lost: error };
  }
}
