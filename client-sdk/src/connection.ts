import type { Socket } from 'socket.io-client';
import { Manager } from 'socket.io-client';
import type { Backoff } from './backoff.ts';
import { pause, reconnectBackoff } from './backoff.ts';
import { RegistryError } from './contract/errors.ts';
import { elapsedMs, now } from './elapsed.ts';
import type { ClientEvents, Extras, State } from './events.ts';
import type { Refusal } from './failure.ts';
import { toError } from './failure.ts';
import type { Credentials, Login } from './options.ts';
import { after } from './options.ts';
import type { Send } from './restore.ts';
import { version } from './version.ts';

/** Time for one attempt, from opening the connection to `ready`, in milliseconds. */
const attemptMs = 20_000;

/** A connection that lived this long was a good one: the next pause is a short one again. In milliseconds. */
const stableMs = 10_000;

/** Time in which the server has to say something while a new connection is made what the lost one was, in milliseconds. */
const restoreMs = 60_000;

/** Longest pause that a server may ask for, in milliseconds. */
const longestAskedMs = 120_000;

/** Events of the client itself: the server cannot make them. */
const own: ReadonlySet<string> = new Set(['state', 'dropped'] satisfies (keyof ClientEvents)[]);

type Wire = Socket<Record<string, (...args: unknown[]) => void>>;

/** What a connection tells its client. */
export interface Hooks {
  state(state: State, reason?: RegistryError): void;
  event(event: string, body: unknown, extras: Extras): void;
  /** Makes a new connection what the lost one was, `cursor` being where it was; false if events may be missing, undefined if there is nothing to do. */
  restore(send: Send, cursor: string | undefined): Promise<boolean> | undefined;
}

/** What a connection is made of. */
export interface Settings {
  readonly url: string;
  readonly login: Login;
  readonly autoSetOnline: boolean | undefined;
  /** Be sent what was missed after a drop? */
  readonly resume: boolean;
  readonly backoff: Backoff;
}

/** One attempt to connect: with whose credentials, and from where on. */
interface Attempt {
  readonly socket: Wire;
  readonly login: Login;
  readonly cursor: string | undefined;
}

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/**
 * Keeps one identified connection to the server: opens it, says who it is, and opens another when it is lost, until it is closed or the
 * credentials are refused. Each attempt is a new socket, so that nothing of an old one is left in its buffers.
 */
export class Connection {
  readonly #settings: Settings;
  readonly #hooks: Hooks;
  #state: State = 'connecting';
  #login: Login;
  #identity: Credentials = { uuid: '', token: '' };
  #wasReady = false;
  #isRestoring = false;
  #cursor: string | undefined;
  #socket: Wire | undefined;
  #attempt = 0;
  #readyAt = 0;
  /** When it was last `ready`, or began. */
  #lostAt = now();
  #stopTimer: () => void = () => {};
  #lastError: RegistryError | undefined;

  constructor(settings: Settings, hooks: Hooks) {
    this.#settings = settings;
    this.#hooks = hooks;
    this.#login = settings.login;
    this.#open();
  }

  get state(): State {
    return this.#state;
  }

  /** Who this is, once it was `ready`; empty texts before. */
  get identity(): Credentials {
    return this.#identity;
  }

  /** Why it is not `ready`. */
  get lastError(): RegistryError | undefined {
    return this.#lastError;
  }

  /** Sends a call. Only while `ready`; a lost connection never calls `answer`. */
  send(event: string, input: unknown, options: object, answer: (result: unknown) => void): void {
    this.#socket?.emit(event, input, options, answer);
  }

  /** Takes a new token, if it is one of the own device: later connections log in with it. */
  adopt({ uuid, token }: Partial<Credentials>): void {
    if (token === undefined || uuid === undefined || uuid !== this.#identity.uuid) return;
    this.#identity = { uuid, token };
    this.#login = this.#identity;
  }

  close(reason?: RegistryError): void {
    if (this.#state === 'closed') return;
    this.#detach();
    if (reason) this.#lastError = reason;
    this.#become('closed', reason);
  }

  #become(state: State, reason?: RegistryError): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#hooks.state(state, reason);
  }

  #open(): void {
    const login = this.#login;
    const { uuid, token } = login;
    const { autoSetOnline, resume } = this.#settings;
    const cursor = resume ? this.#cursor : undefined;
    const auth = {
      sdk: version,
      ...(uuid !== undefined && { uuid }),
      ...(token !== undefined && { token }),
      ...(autoSetOnline !== undefined && { auto_set_online: autoSetOnline }),
      ...(cursor !== undefined && { cursor, resume }),
    };
    const { protocol, host, pathname } = new URL(this.#settings.url);
    const manager = new Manager(`${protocol}//${host}`, {
      path: `${pathname.replace(/\/+$/, '')}/socket.io/`,
      transports: ['websocket'],
      reconnection: false,
      autoConnect: false,
      timeout: attemptMs,
    });
    const socket: Wire = manager.socket('/', { auth });
    this.#socket = socket;
    const lost = (message: string, cause?: unknown): void =>
      this.#drop(socket, new RegistryError('disconnected', message, { cause }));
    socket.on('connect_error', (error) => lost('No connection could be made', error));
    socket.on('disconnect', (reason) => lost(`The connection was lost: ${String(reason)}`));
    socket.onAny((event: string, body: unknown, extras: unknown) => {
      if (this.#socket === socket && !own.has(event)) this.#receive({ socket, login, cursor }, event, body, record(extras));
    });
    this.#timer(attemptMs, () => this.#drop(socket, new RegistryError('timeout', 'The server did not answer in time')));
    socket.connect();
  }

  #receive(attempt: Attempt, event: string, body: unknown, extras: Extras): void {
    if (typeof extras.cursor === 'string') this.#cursor = extras.cursor;
    if (event === 'ready') this.#identified(attempt, record(body));
    else if (this.#isRestoring) this.#waitForMore(attempt);
    this.#hooks.event(event, body, extras);
    if (event === 'notReady') this.#refused(attempt, record(body));
  }

  #identified(attempt: Attempt, { uuid, token }: Record<string, unknown>): void {
    this.#stopTimer();
    this.#identity = {
      uuid: typeof uuid === 'string' ? uuid : (this.#login.uuid ?? ''),
      token: typeof token === 'string' ? token : (this.#login.token ?? ''),
    };
    if (this.#login.token === undefined) this.#login = this.#identity;
    this.#readyAt = performance.now();
    this.#lastError = undefined;
    const { socket, cursor } = attempt;
    const restored = this.#hooks.restore((event, input, answer) => {
      if (this.#socket === socket) socket.emit(event, input, {}, answer);
    }, cursor);
    if (restored === undefined) return this.#ready();
    this.#isRestoring = true;
    this.#waitForMore(attempt);
    void restored.then((isComplete) => {
      if (this.#socket !== socket) return;
      if (!isComplete) this.#hooks.event('resync', { reason: 'unknown' }, {});
      this.#ready();
    });
  }

  #ready(): void {
    this.#isRestoring = false;
    this.#stopTimer();
    this.#wasReady = true;
    this.#become('ready');
  }

  #waitForMore({ socket }: Attempt): void {
    this.#timer(restoreMs, () => this.#drop(socket, new RegistryError('timeout', 'The server did not answer in time')));
  }

  #refused({ socket, login }: Attempt, refusal: Refusal): void {
    const error = toError({ ...refusal, error: record(refusal.error)['message'] ?? refusal.error });
    const { retryAfterMs } = refusal;
    // Not all at the moment that was named: up to half as long again, at random.
    const afterMs = typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? retryAfterMs * (1 + Math.random() / 2) : undefined;
    if (error.retry) this.#drop(socket, error, afterMs);
    else if (login !== this.#login) this.#drop(socket, error, 0);
    else this.close(error);
  }

  #drop(socket: Wire, reason: RegistryError, afterMs?: number): void {
    if (this.#socket !== socket) return;
    this.#detach();
    this.#lastError = reason;
    if (this.#state === 'ready' && performance.now() - this.#readyAt > stableMs) this.#attempt = 0;
    if (this.#state === 'ready') this.#lostAt = now();
    const backoff = reconnectBackoff(this.#settings.backoff, elapsedMs(this.#lostAt));
    const delayMs = reason.code === 'rate' ? pause(30, this.#settings.backoff) : pause(this.#attempt++, backoff);
    this.#timer(Math.min(afterMs ?? delayMs, longestAskedMs), () => this.#open());
    this.#become(this.#wasReady ? 'reconnecting' : 'connecting', reason);
  }

  #detach(): void {
    this.#stopTimer();
    this.#isRestoring = false;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.off();
    socket?.offAny();
    socket?.disconnect();
  }

  #timer(delayMs: number, act: () => void): void {
    this.#stopTimer();
    this.#stopTimer = after(delayMs, act);
  }
}
