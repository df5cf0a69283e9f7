import type { Backoff } from './backoff.ts';
import { pause } from './backoff.ts';
import type { RegistryError } from './contract/errors.ts';
import type { Device } from './events.ts';
import type { Stop } from './listeners.ts';
import { Listeners } from './listeners.ts';
import { LiveResult } from './live-result.ts';
import type { LiveBody, LiveEvent } from './live-result.ts';
import { after } from './options.ts';

/** A filter as `devices` takes it. */
export type LiveFilter = Readonly<Record<string, unknown>>;

/** Options of a live query. */
export interface LiveOptions {
  /** Paths with 1 (upwards) or -1 (downwards), the most important first. Default: the newest first. Where it leaves the order open, by uuid. */
  readonly sort?: Readonly<Record<string, 1 | -1>> | undefined;
  /** Rows of the result, 1 to 1000. Default 1000. */
  readonly limit?: number | undefined;
}

/**
 * The devices that match a filter, of those that this client may see, always as they are: kept right by the server's events, and read anew
 * by itself after a lost connection.
 *
 * It can be iterated: the result as it is, then each newer one. A slow reader gets the newest, not each. The iteration ends with `close()`,
 * and fails if the query cannot go on.
 */
export interface LiveQuery extends AsyncIterable<readonly Device[]> {
  /** The present result: another frozen array after each change. */
  readonly rows: readonly Device[];
  /** Tells each change of the result after it has taken effect in `rows`; the answer stops it. */
  readonly on: (event: 'change', listener: (event: LiveEvent) => void) => Stop;
  /** Stops following. Calling it again does nothing. */
  readonly close: () => void;
}

/** What live queries need from the client around them. */
export interface LiveLine {
  readonly isReady: () => boolean;
  readonly call: (event: string, input: unknown) => Promise<unknown>;
  readonly backoff: Backoff;
}

/** Events kept for queries whose first result is still on its way; should there be more, the result is read again. */
const mostEarly = 1000;

/** One live query of this client, and what it is on the server just now. */
interface Followed {
  readonly input: object;
  readonly result: LiveResult;
  readonly listeners: Listeners;
  /** Its name on this connection; undefined while there is none. */
  id: string | undefined;
  /** Number of the newest event that is in the result. */
  seq: number;
  /** A result is on its way: events wait for it. */
  reading: boolean;
  attempt: number;
  ended: boolean;
  error: RegistryError | undefined;
  stopTimer: () => void;
  readonly waiting: Set<() => void>;
}

/** All live queries of one client. */
export class LiveQueries {
  readonly #line: LiveLine;
  readonly #all = new Set<Followed>();
  #early: LiveBody[] = [];

  constructor(line: LiveLine) {
    this.#line = line;
  }

  /** Resolves with the first result; rejects as the call does. */
  async open(filter: LiveFilter, { sort, limit }: LiveOptions = {}): Promise<LiveQuery> {
    const followed: Followed = {
      input: { filter, ...(sort !== undefined && { sort }), ...(limit !== undefined && { limit }) },
      result: new LiveResult(),
      listeners: new Listeners(),
      id: undefined,
      seq: 0,
      reading: false,
      attempt: 0,
      ended: false,
      error: undefined,
      stopTimer: () => {},
      waiting: new Set(),
    };
    this.#all.add(followed);
    try {
      await this.#read(followed, { isFirst: true });
    } catch (error) {
      this.#end(followed);
      throw error;
    }
    return this.#queryOf(followed);
  }

  /** An event of the server. */
  changed(body: LiveBody): void {
    const isOpening = [...this.#all].some(({ reading }) => reading);
    if (isOpening && this.#early.push(body) > mostEarly) this.#early.shift();
    for (const followed of this.#all) if (followed.id === body.id && !followed.reading) this.#take(followed, body);
  }

  /** The connection was lost, and with it what was open on the server. */
  lost(): void {
    this.#early = [];
    for (const followed of this.#all) followed.id = undefined;
  }

  /** A connection is `ready`: everything is opened again. */
  restore(): void {
    for (const followed of this.#all) this.#again(followed);
  }

  /** Ends every query for good. */
  close(error: RegistryError): void {
    for (const followed of [...this.#all]) this.#end(followed, error);
  }

  /** Opens it, or reads it anew if it is open. */
  async #read(followed: Followed, { isFirst = false } = {}): Promise<void> {
    const { id } = followed;
    followed.reading = true;
    try {
      const call = id === undefined ? this.#line.call('live:open', followed.input) : this.#line.call('live:read', { id });
      const { id: name, seq, rows } = (await call) as { id: string; seq: number; rows: readonly Device[] };
      if (followed.ended) return this.#closeOnServer(name);
      followed.id = name;
      followed.seq = seq;
      followed.attempt = 0;
      followed.result.replace(rows);
    } finally {
      followed.reading = false;
    }
    if (!isFirst) this.#tell(followed, [resynced]);
    for (const body of this.#early) if (body.id === followed.id) this.#take(followed, body);
    if (![...this.#all].some(({ reading }) => reading)) this.#early = [];
  }

  /** Reads after a hole or a drop, until it succeeds or cannot; then tells that the result is another one. */
  #again(followed: Followed): void {
    if (followed.reading || followed.ended) return;
    followed.stopTimer();
    this.#read(followed).catch((error: RegistryError) => this.#failed(followed, error));
  }

  #failed(followed: Followed, error: RegistryError): void {
    if (followed.ended) return;
    const isForgotten = error.code === 'not-found' && followed.id !== undefined;
    if (isForgotten) followed.id = undefined;
    else if (!error.retry && error.code !== 'unauthenticated') return this.#end(followed, error);
    const delayMs = isForgotten ? 0 : pause(followed.attempt++, this.#line.backoff);
    followed.stopTimer = after(delayMs, () => this.#line.isReady() && this.#again(followed));
  }

  #take(followed: Followed, body: LiveBody): void {
    if (body.seq <= followed.seq) return;
    const { rows } = body;
    if (body.resync === true && rows !== undefined) {
      followed.seq = body.seq;
      followed.result.replace(rows);
      return this.#tell(followed, [resynced]);
    }
    if (body.resync === true || body.seq !== followed.seq + 1) return this.#again(followed);
    followed.seq = body.seq;
    this.#tell(followed, followed.result.step(body.steps ?? []));
  }

  #tell({ listeners, waiting }: Followed, events: readonly LiveEvent[]): void {
    for (const event of events) listeners.emit('change', event);
    for (const wake of [...waiting]) wake();
  }

  #end(followed: Followed, error?: RegistryError): void {
    if (followed.ended) return;
    followed.ended = true;
    followed.error = error;
    followed.stopTimer();
    this.#all.delete(followed);
    if (followed.id !== undefined) this.#closeOnServer(followed.id);
    for (const wake of [...followed.waiting]) wake();
  }

  /** Without an answer the connection is lost, and so is the query. */
  #closeOnServer(id: string): void {
    if (this.#line.isReady()) this.#line.call('live:close', { id }).catch(() => {});
  }

  #queryOf(followed: Followed): LiveQuery {
    return {
      get rows() {
        return followed.result.rows;
      },
      on: (event, listener) => followed.listeners.on(event, listener as (...args: unknown[]) => void),
      close: () => this.#end(followed),
      [Symbol.asyncIterator]: () => results(followed),
    };
  }
}

const resynced: LiveEvent = { type: 'resync', device: null, index: null, previousIndex: null };

/** The results from now on, each time the newest. */
async function* results(followed: Followed): AsyncGenerator<readonly Device[], void> {
  let given = -1;
  while (!followed.ended) {
    const { version, rows } = followed.result;
    if (version !== given) {
      given = version;
      yield rows;
    } else {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          followed.waiting.delete(wake);
          resolve();
        };
        followed.waiting.add(wake);
      });
    }
  }
  if (followed.error) throw followed.error;
}
