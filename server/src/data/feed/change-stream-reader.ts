import { Timestamp, type ChangeStreamDocument, type ResumeToken } from 'mongodb';
import type { Clock } from '../../common/clock.ts';
import { delay, withTimeLimit } from '../../common/clock.ts';
import type { Log } from '../../common/log.ts';
import { isOutcomeUnknown } from '../../store/write-outcome.ts';
import type { Store } from '../store.ts';
import type { ChangeStream } from '../../store/port.ts';
import { positionAt, positionOfToken, timeAt, type Position } from './position.ts';

/** Silence after which a stream counts as stalled, in milliseconds. Leases come every second. */
const SILENCE_MS = 3_000;
const WATCH_MS = 500;
/** Maximum time that closing a stalled stream may delay the end of the process, in milliseconds. */
const CLOSE_MS = 1_000;
/** Margin by which a stream starts before its origin, so that it surely contains it, in milliseconds. */
const ORIGIN_MS = 120_000;
const OPTIONS = { promoteLongs: false, maxAwaitTimeMS: 250 };

export interface ChangeStreamReaderOptions {
  readonly store: Pick<Store, 'watch'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly heartbeats: boolean;
  /** How far back to start, in milliseconds. */
  readonly backMs: number;
  /** Changes before this moment of the store's clock are not needed, in milliseconds since 1970; null: no limit. */
  readonly origin: number | null;
  accept(event: ChangeStreamDocument): void;
  /**
   * The first stream is open: no change after `from` will be missing.
   * Null: the stream began at the current time, and the store did not report the position.
   * `beforeOrigin`: it began before the origin, which is still to come.
   */
  opened(from: Position | null, beforeOrigin: boolean): void;
  /** The stream could not be resumed; a new one is open, and no change after `from` will be missing. */
  lost(reason: string, from: Position | null): void;
}

/** A change stream that is kept open: it resumes after errors and stalls, and reports when it could not. */
export interface ChangeStreamReader {
  /** Rejects if the store refuses to be followed, as one that is no replica set does. */
  readonly ready: Promise<void>;
  readonly open: boolean;
  close(): Promise<void>;
}

interface Opened {
  readonly stream: ChangeStream;
  readonly first: ChangeStreamDocument | null;
  readonly from: Position | null;
  readonly beforeOrigin?: true;
}

/**
 * Opens the change stream. Every node uses an empty pipeline: a resume token is only valid for the pipeline that it came from.
 */
export const openChangeStreamReader = ({
  store,
  clock,
  log,
  heartbeats,
  backMs,
  origin,
  accept,
  opened,
  lost,
}: ChangeStreamReaderOptions): ChangeStreamReader => {
  let token: ResumeToken | null = null;
  let begun = false;
  let gap: string | null = null;
  let closed = false;
  let open = false;
  let attempt = 0;
  let failures = 0;
  let current: ChangeStream | null = null;
  let lastSign = clock.monotonic();
  let becameReady!: () => void;
  let refused!: (error: unknown) => void;
  const ready = new Promise<void>((resolve, reject) => ([becameReady, refused] = [resolve, reject]));
  ready.catch(() => undefined);

  const start = async (options: object, from: Position | null): Promise<Opened> => {
    const stream = store.watch([], { ...OPTIONS, ...options });
    // The driver opens a stream with its first read; writes before that could be missed.
    const first = await stream.tryNext().catch((error: unknown) => {
      discard(stream);
      throw error;
    });
    return { stream, first, from: from ?? positionOfToken(stream.resumeToken) };
  };

  /** Opens the first stream: one window back, or at the current time if the store's log is shorter. */
  const startBack = async (): Promise<Opened> => {
    const now = await start({ maxAwaitTimeMS: 20 }, null);
    const windowStart = (now.from === null ? clock.now() : timeAt(now.from)) - backMs;
    const beforeOrigin = origin !== null && windowStart <= origin + ORIGIN_MS;
    const seconds = Math.max(1, Math.floor((beforeOrigin ? origin : windowStart) / 1000));
    try {
      const startAtOperationTime = new Timestamp({ t: seconds, i: 1 });
      const back = await start({ startAtOperationTime }, positionAt({ high: seconds, low: 0 }, 0xffff));
      discard(now.stream);
      return { ...back, ...(beforeOrigin && { beforeOrigin }) };
    } catch (error) {
      if (!isOutcomeUnknown(error)) return now;
      discard(now.stream);
      throw error;
    }
  };

  const follow = async (mine: number): Promise<void> => {
    const { stream, first, from, beforeOrigin } = await (token !== null
      ? start({ resumeAfter: token }, null)
      : begun
        ? start({}, null)
        : startBack());
    if (mine !== attempt) return discard(stream);
    current = stream;
    lastSign = clock.monotonic();
    open = true;
    failures = 0;
    if (!begun) opened(from, beforeOrigin === true);
    else if (gap !== null) lost(gap, from);
    begun = true;
    gap = null;
    if (first === null) token = stream.resumeToken ?? token;
    becameReady();
    for (let event = first ?? (await stream.next()); mine === attempt; event = await stream.next()) {
      lastSign = clock.monotonic();
      token = event._id;
      if (event.operationType === 'invalidate') throw Object.assign(new Error('the stream was invalidated'), { code: 286 });
      accept(event);
    }
  };

  const run = async (): Promise<void> => {
    attempt += 1;
    const mine = attempt;
    lastSign = clock.monotonic();
    try {
      await follow(mine);
    } catch (error) {
      if (mine !== attempt || closed) return;
      open = false;
      discard(current);
      const code = (error as { code?: unknown }).code;
      if (typeof code === 'number' && !isOutcomeUnknown(error)) {
        if (!begun) return refused(error);
        gap ??= code === 286 ? 'history lost' : `stream error ${code}`;
        token = null;
      }
      log.warn({ err: error }, 'the feed was interrupted');
      failures += 1;
      await delay(clock, Math.min(1_000, 50 * 2 ** failures));
      if (mine === attempt && !closed) void run();
    }
  };

  const discard = (stream: ChangeStream | null): void => {
    if (current === stream) current = null;
    // A stalled stream may take as long to close as it was silent, so its close is not awaited.
    stream?.close().catch(() => undefined);
  };

  let stopWatch = (): void => undefined;
  const watchSilence = (): void => {
    stopWatch = clock.after(WATCH_MS, () => {
      if (clock.monotonic() - lastSign > SILENCE_MS) {
        log.warn({}, 'the feed was silent: it is opened anew');
        open = false;
        discard(current);
        void run();
      }
      watchSilence();
    });
  };

  if (heartbeats) watchSilence();
  void run();
  return {
    ready,
    get open() {
      return open;
    },
    async close() {
      closed = true;
      attempt += 1;
      open = false;
      stopWatch();
      const last = current;
      current = null;
      if (last) await withTimeLimit(clock, CLOSE_MS, last.close()).catch(() => undefined);
    },
  };
};
