import type { Backoff } from './backoff.ts';
import { pause } from './backoff.ts';
import { isFailure, RegistryError } from './contract/errors.ts';
import { toError } from './failure.ts';
import type { CallOptions } from './options.ts';
import { after, onAbort, timeLimit } from './options.ts';
import { RequestIds } from './request-ids.ts';
import { snapshot } from './snapshot.ts';

/** What requests need from the client around them. */
export interface Line {
  readonly isReady: () => boolean;
  readonly send: (event: string, input: unknown, options: object, answer: (result: unknown) => void) => void;
  /** A call has succeeded; told before its promise is resolved. */
  readonly succeeded: (event: string, result: unknown) => void;
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
  /** Taken at the first sending, unless the caller brought a reqId. */
  counter: number | undefined;
  sent: number;
  firstSentAt: number;
  lastError: RegistryError | undefined;
  stopRetry: () => void;
  stop: () => void;
}

/** Calls that give way first when the offline queue is full: what they carry is soon replaced by newer values. */
const telemetry: ReadonlySet<string> = new Set(['message', 'data']);

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
  readonly #ids = new RequestIds();
  readonly #waiting: Call[] = [];
  readonly #open = new Map<number, Call>();
  #closed: RegistryError | undefined;

  constructor(line: Line, settings: RequestSettings) {
    this.#line = line;
    this.#settings = settings;
  }

  reqId(): string {
    return this.#ids.issue();
  }

  async call(event: string, input: unknown, options: CallOptions = {}): Promise<unknown> {
    if (this.#closed) throw this.#closed;
    if (reserved.has(event)) throw new RegistryError('unknown-event');
    const { timeoutMs = this.#settings.callTimeoutMs, signal, reqId } = options;
    const limitMs = timeLimit(timeoutMs);
    const copy = snapshot(input);
    const counter = reqId === undefined ? undefined : this.#ids.counterOf(reqId);
    if (counter !== undefined && this.#has(counter)) throw new RegistryError('conflict', 'A call with this reqId is under way');
    return new Promise((resolve, reject) => {
      const stopListening = onAbort(signal, (error) => this.#fail(call, error));
      const stopTimer = after(limitMs, () =>
        this.#fail(call, new RegistryError('timeout', undefined, { cause: call.lastError })),
      );
      const call: Call = {
        event,
        input: copy,
        options,
        resolve,
        reject,
        counter,
        sent: 0,
        firstSentAt: 0,
        lastError: undefined,
        stopRetry: () => {},
        stop: () => {
          stopListening();
          stopTimer();
          call.stopRetry();
        },
      };
      this.#accept(call);
    });
  }

  /** The connection is `ready`: sends the open calls again, then those that waited. */
  resume(): void {
    for (const [counter, call] of [...this.#open].sort(([one], [other]) => one - other)) {
      call.stopRetry();
      if (performance.now() - call.firstSentAt <= this.#settings.repeatMs) this.#send(call, counter);
      else
        this.#fail(
          call,
          new RegistryError('disconnected', 'The connection was lost, and it is too late to send this call again'),
        );
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

  #drain(): void {
    while (this.#line.isReady()) {
      const call = this.#waiting[0];
      if (!call || !this.#ids.mayBeSent(call.counter ?? this.#ids.next, this.#open.keys())) return;
      this.#waiting.shift();
      call.firstSentAt = performance.now();
      call.counter ??= this.#ids.allocate();
      this.#open.set(call.counter, call);
      this.#send(call, call.counter);
    }
  }

  #send(call: Call, counter: number): void {
    const { event, input, options } = call;
    const again = this.#ids.sending(counter, call.sent);
    const sending = ++call.sent;
    const callOptions = {
      reqId: this.#ids.text(counter),
      ...(again > 0 && { again }),
      ...(options.rev !== undefined && { rev: options.rev }),
      ...(options.as !== undefined && { as: options.as }),
    };
    this.#line.send(event, input, callOptions, (result) => {
      if (call.sent === sending && this.#open.get(counter) === call) this.#answered(call, counter, result);
    });
  }

  #answered(call: Call, counter: number, result: unknown): void {
    if (!isFailure(result)) {
      this.#end(call);
      this.#line.succeeded(call.event, result);
      call.resolve(result);
      this.#drain();
      return;
    }
    const error = toError(result);
    if (error.code !== 'unavailable') return this.#fail(call, error);
    call.lastError = error;
    call.stopRetry = after(pause(call.sent - 1, this.#settings.backoff), () => {
      if (this.#line.isReady()) this.#send(call, counter);
    });
  }

  #fail(call: Call, error: RegistryError): void {
    this.#end(call);
    call.reject(error);
    this.#drain();
  }

  #end(call: Call): void {
    call.stop();
    const at = this.#waiting.indexOf(call);
    if (at >= 0) this.#waiting.splice(at, 1);
    else if (call.counter !== undefined) this.#open.delete(call.counter);
  }

  #has(counter: number): boolean {
    return this.#open.has(counter) || this.#waiting.some((call) => call.counter === counter);
  }
}
