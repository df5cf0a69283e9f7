import type { Backoff } from './backoff.ts';
import { pause } from './backoff.ts';
import { isFailure, RegistryError } from './contract/errors.ts';
import { toError } from './failure.ts';
import type { CallOptions } from './options.ts';
import { after, onAbort, timeLimit } from './options.ts';
import type { Request } from './request-ids.ts';
import { RequestIds, tooOld } from './request-ids.ts';
import { snapshot } from './snapshot.ts';

/** What requests need from the client around them. */
export interface Line {
  readonly isReady: () => boolean;
  readonly send: (event: string, input: unknown, options: object, answer: (result: unknown) => void) => void;
  /** A call has succeeded; told before its promise is resolved. */
  readonly succeeded: (event: string, result: unknown, input: unknown) => void;
  /** A call was given up because the offline queue is full. */
  readonly dropped: (event: string, error: RegistryError) => void;
}

/** Settings of the requests of one client; see `ConnectOptions`. */
export interface RequestSettings {
  readonly callTimeoutMs: number;
  readonly queueLimit: number;
  readonly repeatMs: number;
  readonly backoff: Backoff;
}

interface Call {
  readonly event: string;
  readonly input: unknown;
  readonly options: CallOptions;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: RegistryError) => void;
  /** Known at the first sending, unless the caller brought a reqId. */
  request: Request | undefined;
  /** Why it has to be sent again. */
  lastError: RegistryError | undefined;
  stopRetry: () => void;
  stop: () => void;
}

/** Calls that give way first when the offline queue is full: what they carry is soon replaced by newer values. */
const telemetry: ReadonlySet<string> = new Set(['message', 'data']);

/** Calls that take long by their nature, and the least time that they get by default, in milliseconds: 500 passwords are hashed. */
const longCalls: ReadonlyMap<string, number> = new Map([['users:createBatch', 600_000]]);

/** Names that Socket.IO keeps for itself. */
const reserved: ReadonlySet<string> = new Set([
  'connect',
  'connect_error',
  'disconnect',
  'disconnecting',
  'newListener',
  'removeListener',
]);

/**
 * The calls of one client: those that wait to be sent and those that were sent and have no answer yet ("open").
 *
 * After a lost connection the open ones are sent again under the same `reqId`, `again` being the number of the sending, so that the
 * server carries each out once. Only the answer to the newest sending counts.
 */
export class Requests {
  readonly #line: Line;
  readonly #settings: RequestSettings;
  readonly #ids: RequestIds;
  readonly #waiting: Call[] = [];
  readonly #open = new Map<number, Call>();
  #closed: RegistryError | undefined;

  constructor(line: Line, settings: RequestSettings) {
    this.#line = line;
    this.#settings = settings;
    this.#ids = new RequestIds(settings.repeatMs);
  }

  reqId(): string {
    return this.#ids.issue();
  }

  async call(event: string, input: unknown, options: CallOptions = {}): Promise<unknown> {
    if (this.#closed) throw this.#closed;
    if (reserved.has(event)) throw new RegistryError('unknown-event');
    const { callTimeoutMs } = this.#settings;
    const { timeoutMs = Math.max(callTimeoutMs, longCalls.get(event) ?? 0), signal, reqId } = options;
    const limitMs = timeLimit(timeoutMs);
    const copy = snapshot(input, event);
    const request = reqId === undefined ? undefined : this.#ids.find(reqId);
    if (request && this.#has(request)) throw new RegistryError('conflict', 'A call with this reqId is under way');
    return new Promise((resolve, reject) => {
      const stopListening = onAbort(signal, (error) => this.#fail(call, error));
      const late = (): RegistryError => new RegistryError('timeout', undefined, { cause: call.lastError });
      const stopTimer = after(limitMs, () => this.#fail(call, late()));
      const stop = (): void => {
        stopListening();
        stopTimer();
        call.stopRetry();
      };
      const stopRetry = (): void => {};
      const call: Call = { event, input: copy, options, resolve, reject, request, lastError: undefined, stopRetry, stop };
      this.#accept(call);
    });
  }

  /** The connection is `ready`: sends the open calls again, then those that waited. */
  resume(): void {
    for (const [, call] of [...this.#open].sort(([one], [other]) => one - other)) {
      call.stopRetry();
      this.#repeat(call);
    }
    this.#drain();
  }

  /** Rejects every call, present and future. */
  close(reason: RegistryError): void {
    this.#closed = reason;
    for (const call of [...this.#open.values(), ...this.#waiting]) this.#fail(call, reason);
  }

  #accept(call: Call): void {
    this.#waiting.push(call);
    this.#drain();
    if (this.#line.isReady() || this.#waiting.length <= this.#settings.queueLimit) return;
    const dropped = this.#waiting.find(({ event }) => telemetry.has(event)) ?? call;
    const error = new RegistryError('busy', 'Too many calls are waiting for a connection');
    this.#fail(dropped, error);
    this.#line.dropped(dropped.event, error);
  }

  /** Sends what waits, in order, as far as it may be sent now. */
  #drain(): void {
    while (this.#line.isReady()) {
      const call = this.#waiting[0];
      if (!call) return;
      if (call.request && this.#ids.isTooOld(call.request)) return this.#fail(call, tooOld());
      if (!this.#ids.mayBeSent(call.request, this.#open.keys())) return;
      this.#waiting.shift();
      call.request ??= this.#ids.allocate();
      this.#open.set(call.request.counter, call);
      this.#send(call, call.request);
    }
  }

  #repeat(call: Call): void {
    const { request } = call;
    if (!request || this.#ids.isTooOld(request)) this.#fail(call, tooOld());
    else if (this.#line.isReady()) this.#send(call, request);
  }

  #send(call: Call, request: Request): void {
    const { event, input, options } = call;
    const { counter, sendings } = request;
    const again = this.#ids.sending(request);
    const callOptions = {
      reqId: this.#ids.text(request),
      ...(again > 0 && { again }),
      ...(options.rev !== undefined && { rev: options.rev }),
      ...(options.as !== undefined && { as: options.as }),
    };
    this.#line.send(event, input, callOptions, (result) => {
      if (sendings.count === again + 1 && this.#open.get(counter) === call) this.#answered(call, again, result);
    });
  }

  #answered(call: Call, again: number, result: unknown): void {
    const error = isFailure(result) ? toError(result) : undefined;
    if (error?.code === 'unavailable') {
      call.lastError = error;
      call.stopRetry = after(pause(again, this.#settings.backoff), () => this.#repeat(call));
    } else if (error) {
      this.#fail(call, error);
    } else {
      this.#end(call);
      this.#line.succeeded(call.event, result, call.input);
      call.resolve(result);
      this.#drain();
    }
  }

  #fail(call: Call, error: RegistryError): void {
    this.#end(call);
    call.reject(error);
    this.#drain();
  }

  #end(call: Call): void {
    call.stop();
    const { request } = call;
    if (request && this.#open.get(request.counter) === call) this.#open.delete(request.counter);
    else if (this.#waiting.includes(call)) this.#waiting.splice(this.#waiting.indexOf(call), 1);
  }

  #has({ counter }: Request): boolean {
    return this.#open.has(counter) || this.#waiting.some(({ request }) => request?.counter === counter);
  }
}
