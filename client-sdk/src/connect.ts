import type { Backoff } from './backoff.ts';
import type { Client, ClientBase } from './client.ts';
import { hidden } from './client.ts';
import { Connection } from './connection.ts';
import { RegistryError } from './contract/errors.ts';
import { Listeners } from './listeners.ts';
import type { LiveBody } from './live-result.ts';
import { LiveQueries } from './live.ts';
import { withOperations } from './methods.ts';
import type { ConnectOptions, Credentials, Login } from './options.ts';
import { after, onAbort, timeLimit } from './options.ts';
import { Requests } from './requests.ts';
import { restore } from './restore.ts';
import { Seen } from './seen.ts';
import { Subscriptions } from './subscriptions.ts';

const backoffDefaults: Backoff = { minMs: 1000, maxMs: 30_000 };

/** Longest time in which a call may be repeated, in milliseconds: the server remembers the requests of an idle client for 15 minutes. */
const longestRepeatMs = 600_000;

const defaultLimitMs = 30_000;

/** The parts of a client, put together; `release` lets the events through that came before anybody could listen. */
const assemble = (url: string, login: Login, options: ConnectOptions) => {
  const backoff = { ...backoffDefaults, ...options.backoff };
  const listeners = new Listeners();
  const seen = new Seen();
  const subscriptions = new Subscriptions();
  let early: (() => void)[] | undefined = [];
  const requests = new Requests(
    {
      isReady: () => connection.state === 'ready',
      send: (...call) => connection.send(...call),
      succeeded: (event, result, input) => {
        subscriptions.note(event, input, result);
        if (event === 'resetToken') connection.adopt((result ?? {}) as Partial<Credentials>);
      },
      dropped: (event, error) => listeners.emit('dropped', event, error),
    },
    {
      callTimeoutMs: timeLimit(options.callTimeoutMs ?? defaultLimitMs),
      queueLimit: options.queueLimit ?? 1000,
      repeatMs: Math.min(options.repeatMs ?? longestRepeatMs, longestRepeatMs),
      backoff,
    },
  );
  const lives = new LiveQueries({
    isReady: () => connection.state === 'ready',
    call: (event, input) => requests.call(event, input),
    backoff,
  });
  const connection: Connection = new Connection(
    { url, login, autoSetOnline: options.autoSetOnline, resume: options.resume ?? true, backoff },
    {
      restore: (send, cursor) =>
        subscriptions.all.length > 0 || cursor !== undefined ? restore(send, subscriptions, cursor, backoff) : undefined,
      state: (state, reason) => {
        if (state === 'ready') requests.resume();
        if (state === 'ready') lives.restore();
        if (state === 'reconnecting') lives.lost();
        if (state === 'closed') {
          const error = reason ?? new RegistryError('disconnected', 'The client was closed');
          requests.close(error);
          lives.close(error);
        }
        listeners.emit('state', state, reason);
      },
      event: (event, body, extras) => {
        if (event === 'live:changed') lives.changed(body as LiveBody);
        if (!seen.isNew(event, body, extras)) return;
        if (early) early.push(() => listeners.emit(event, body, extras));
        else listeners.emit(event, body, extras);
      },
    },
  );
  const base = hidden({
    get credentials() {
      return connection.identity;
    },
    get state() {
      return connection.state;
    },
    on: ((event: string, listener: never) => listeners.on(event, listener)) as ClientBase['on'],
    once: listeners.once.bind(listeners) as ClientBase['once'],
    off: listeners.off.bind(listeners) as ClientBase['off'],
    reqId: () => requests.reqId(),
    call: (event, input, callOptions) => requests.call(event, input, callOptions),
    live: (filter, liveOptions) => lives.open(filter, liveOptions),
    close: () => connection.close(),
  });
  const release = (): void => {
    const waiting = early ?? [];
    early = undefined;
    for (const tell of waiting) tell();
  };
  return { client: withOperations(base, base.call), connection, listeners, release };
};

/** Why no connection was made in time: what the server said last, or that there was none. */
const tooLate = (url: string, last: RegistryError | undefined): RegistryError =>
  last && last.code !== 'disconnected' && last.code !== 'timeout'
    ? last
    : new RegistryError('timeout', `No connection to ${new URL(url).host} was made in time`, { cause: last });

/** Fails with `invalid-input` for credentials that would be taken for none, and so register a new device. */
const checkLogin = ({ uuid, token, ...others }: Login): void => {
  const isText = [uuid, token].every((one) => one === undefined || (typeof one === 'string' && one !== ''));
  if (Object.keys(others).length > 0 || !isText || (token === undefined && uuid !== undefined))
    throw new RegistryError(
      'invalid-input',
      `Credentials are uuid and token, or token; not ${Object.keys({ uuid, token, ...others }).join()}`,
    );
};

/**
 * Connects to a registry as a device; without credentials it registers a new one.
 *
 * Resolves when the server has accepted the credentials. Rejects with `unauthenticated` if it refuses them, `invalid-input` for an
 * address that is none, and after `timeoutMs` with `timeout`, or with the server's last refusal. Until then it keeps trying.
 */
export const connect = async (url: string, login: Login = {}, options: ConnectOptions = {}): Promise<Client> => {
  if (!URL.canParse(url) || !/^(http|ws)s?:$/.test(new URL(url).protocol))
    throw new RegistryError('invalid-input', 'The address of a registry is an http, https, ws or wss URL');
  checkLogin(login);
  const limitMs = timeLimit(options.timeoutMs ?? defaultLimitMs);
  return new Promise((resolve, reject) => {
    const stopAbort = onAbort(options.signal, (error) => connection.close(error));
    const { client, connection, listeners, release } = assemble(url, login, options);
    const stopTimer = after(limitMs, () => connection.close(tooLate(url, connection.lastError)));
    const stopState = listeners.on('state', (state, reason) => {
      if (state !== 'ready' && state !== 'closed') return;
      for (const stop of [stopAbort, stopTimer, stopState]) stop();
      if (state === 'closed') return reject(reason);
      resolve(client);
      // The caller goes on in a microtask; its listeners are there in the next turn.
      setTimeout(release, 0);
    });
  });
};
