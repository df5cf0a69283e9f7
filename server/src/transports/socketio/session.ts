import { errors, RegistryError, type ErrorCode } from '@rollcall/client/contract';
import type { Socket } from 'socket.io';
import type { Connection, ServerEvent } from '../../realtime/connections.ts';
import type { Subscriber } from '../../realtime/pushes/pending-callers.ts';
import type { Result } from '../../operations/handler.ts';
import { isPlainObject } from '../../common/plain-object.ts';
import type { Actor } from '../../operations/handler.ts';
import type { Call } from '../../operations/pipeline.ts';
import type { TableOperation } from '../../operations/operation-table.ts';
import { acknowledged } from '../dialects/index.ts';
import * as meshblu from '../dialects/meshblu-socket.ts';
import { RetryLaterError } from './login-queue.ts';
import { readOptions } from './call-options.ts';
import { guarded, splitArguments } from './events.ts';
import { createIntake, type Intake } from './intake.ts';
import { Rejected } from './packet.ts';
import type { SocketKit } from './kit.ts';

/** When something last came from the other end of a connection, heartbeats included, in milliseconds since 1970. */
const provenAt = new WeakMap<Socket['conn'], number>();

function notePacket(this: Socket['conn']): void {
  provenAt.set(this, Date.now());
}

/** How long an ended socket is still answered, with `Unauthorized`, before it is closed. */
const farewellMs = 500;

/**
 * One connected socket: its identity and its calls, which run one after the other.
 *
 * A socket of our client identifies itself in the handshake, others by the event `identity`
 * (MS-1.3).
 */
export class Session {
  readonly socket: Socket;
  readonly #kit: SocketKit;
  readonly #ours: boolean;
  #actor: Actor | null = null;
  #token: unknown;
  #connection: Connection | undefined;
  #leave: (() => void) | undefined;
  #offline: (() => void) | undefined;
  #releases: (() => void)[] = [];
  /** Releases of what other parts of the server hold for the socket, called when it closes. */
  readonly #partings: (() => void)[] = [];
  readonly #caller: Subscriber;
  #ended = false;
  /** The server has closed the socket: nothing is carried out for it any more. */
  #isCut = false;
  /** Sends the final event once the call under way has been answered. */
  #farewell: (() => void) | undefined;
  #answering = false;
  /** The call in the pipeline, as long as it may still write. */
  #work: Promise<unknown> | undefined;
  readonly #intake: Intake;
  /** When the socket last did something without being identified, in milliseconds since 1970. */
  idleSince: number;

  constructor(socket: Socket, kit: SocketKit) {
    this.socket = socket;
    this.#kit = kit;
    this.idleSince = kit.now();
    this.#caller = {
      id: socket.id,
      send: (name, data) => void socket.emit(name, data),
      onLeave: (release) => (socket.connected ? void this.#partings.push(release) : release()),
    };
    const { auth } = socket.handshake;
    this.#ours = isPlainObject(auth) && auth['sdk'] !== undefined;
    socket.handshake.auth = {};
    this.#intake = createIntake(socket.conn, {
      onOverflow: () => this.#refuse('intake-overflow', 'too-large'),
      report: kit.report,
    });
    guarded(socket, kit, (event, values) => this.#receive(event, values));
    socket.on('disconnect', (reason) => this.#part(reason));
    provenAt.set(socket.conn, kit.now());
    socket.conn.on('packet', notePacket);
    // A token alone says whose it is; others are asked.
    const shows = isPlainObject(auth) && typeof auth['token'] === 'string' && auth['uuid'] === undefined;
    if (this.#ours || shows) this.#intake.enqueueOwn(() => this.#identify(auth, () => undefined));
    else socket.emit('identify');
  }

  /** Is the socket identified? */
  get identified(): boolean {
    return this.#actor !== null;
  }

  #receive(event: string, values: readonly unknown[]): void {
    const { args, acknowledge } = splitArguments(values);
    this.idleSince = this.#kit.now();
    let answered = false;
    const answer = (...what: readonly unknown[]): void => {
      if (answered || acknowledge === undefined) return;
      answered = true;
      acknowledge(...what);
    };
    if (event === 'identity' && !(args[0] instanceof Rejected)) {
      this.#intake.enqueue(() => this.#identify(args[0], answer));
      return;
    }
    this.#intake.enqueue(() => this.#carryOut(event, args, acknowledge === undefined ? undefined : answer));
  }

  async #carryOut(
    event: string,
    values: readonly unknown[],
    answer: ((...what: readonly unknown[]) => void) | undefined,
  ): Promise<void> {
    const actor = this.#actor;
    const connection = this.#connection;
    this.#answering = true;
    let isRead = false;
    try {
      const { operation, call, answers } = this.#read(event, values);
      isRead = true;
      const handled = await this.#dispatched(operation, call);
      const endsMe = handled.revokes !== undefined && (await this.#kit.applyRevocations(handled, connection));
      answer?.(...answers(handled.output));
      if (endsMe) void this.end();
    } catch (error) {
      const failure = this.#kit.toRegistryError(error);
      answer?.(...this.#failure(event, values, failure));
      if (answer === undefined) this.#kit.refused('unacknowledged-call');
      if (failure.code === 'rate') this.#overLimit(actor);
      else if (answer === undefined && !isRead && failure.code === 'invalid-input') this.#refuse('call-form', 'invalid-input');
      // The call might have run. The client has to learn that it did not.
      else if (answer === undefined && failure.retry) this.#refuse('lost-call', failure.code);
    } finally {
      this.#answering = false;
      this.#farewell?.();
    }
  }

  /**
   * Handles the close of the socket.
   * Calls received before still run under its identity, unless the server ended the connection.
   */
  #part(reason: string): void {
    const leave = (): void => {
      this.#forget();
      for (const release of this.#partings.splice(0)) release();
    };
    this.#isCut = reason.startsWith('server ');
    if (this.#isCut) this.#intake.clear();
    if (this.#isCut || this.#intake.idle) leave();
    else this.#intake.whenIdle(leave);
  }

  async #dispatched(operation: TableOperation, call: Call): Promise<Result<unknown>> {
    const work = this.#kit.dispatch(operation, call);
    this.#work = work;
    try {
      return await work;
    } finally {
      this.#work = undefined;
    }
  }

  /** The operation, the call, and how a success is answered. */
  #read(
    event: string,
    values: readonly unknown[],
  ): { operation: TableOperation; call: Call; answers: (output: unknown) => readonly unknown[] } {
    const [argument, given] = values;
    if (argument instanceof Rejected) throw rejectionOf(argument);
    if (values.length > 2) throw wrongArguments('maxItems', 'an event takes one argument, call options and an acknowledgement');
    const plain = values.length < 2 && !event.includes(':');
    const translated = plain ? meshblu.translate(event, argument) : { event, input: argument ?? {} };
    const operation = this.#kit.operations.get(translated.event);
    if (operation === undefined) throw new RegistryError(meshblu.isSwallowed(event) ? 'not-found' : 'unknown-event');
    const actor = this.#actor;
    const call: Call = {
      actor,
      from: actor?.uuid ?? this.socket.id,
      address: this.#kit.clientAddress(this.socket.request),
      input: translated.input,
      caller: this.#caller,
      ...(this.#connection !== undefined && { connection: this.#connection }),
      ...(given !== undefined && readOptions(given)),
      ...('as' in translated && translated.as !== undefined && { as: translated.as }),
    };
    return { operation, call, answers: (output) => (plain ? meshblu.succeedOnSocket(event, argument, output) : [output]) };
  }

  #failure(event: string, values: readonly unknown[], error: RegistryError): readonly unknown[] {
    if (values.length >= 2 || event.includes(':') || this.#ours) return [acknowledged(this.#kit.operations.get(event), error)];
    return meshblu.failOnSocket(event, values[0], error, this.#actor?.uuid);
  }

  async #identify(given: unknown, answer: (body: unknown) => void): Promise<void> {
    const shown = isPlainObject(given) ? given : {};
    const { uuid, token } = shown;
    const echo = { ...(uuid !== undefined && { uuid }), ...(token !== undefined && { token }) };
    const notReady = (body: object): void => {
      this.socket.emit('notReady', body);
      answer(body);
    };
    if (this.#ended) {
      answer({ api: 'connect', status: 401, ...echo });
      return;
    }
    try {
      this.#kit.available();
      const { loginQueue, reconnectQueue, autoRegister } = this.#kit;
      const isNew = uuid === undefined && token === undefined && this.socket.connected;
      const made = isNew ? await autoRegister(shown, this.socket.id) : undefined;
      const credentials = made ?? { uuid, token };
      const resumes = this.#ours && shown['resume'] === true && typeof shown['cursor'] === 'string';
      const actor = await (resumes ? reconnectQueue : loginQueue).enter(() => this.#become(credentials, resumes), this.#ours);
      if (actor === null) {
        notReady({ api: 'connect', status: 401, ...echo });
        return;
      }
      this.#token = credentials.token;
      const ready = { api: 'connect', status: 201, uuid: actor.uuid, token: credentials.token };
      if (this.#ours && !resumes) this.socket.emit('ready', ready, { cursor: this.#kit.cursor() });
      else this.socket.emit('ready', ready);
      answer(ready);
      if (shown['auto_set_online'] !== false && this.socket.connected) {
        const { conn } = this.socket;
        this.#offline = this.#kit.presence.track(actor.uuid, () => provenAt.get(conn) ?? 0);
      }
    } catch (error) {
      const { status, code, message } = this.#kit.toRegistryError(error);
      notReady({
        api: 'connect',
        status: code === 'forbidden' ? 401 : status,
        ...echo,
        error: { message, code: status },
        ...(error instanceof RetryLaterError && { retryAfterMs: error.retryAfterMs }),
      });
    }
  }

  /**
   * Takes on an identity. It joins first, and checks the credentials again if one was revoked
   * meanwhile.
   */
  async #become(credentials: { readonly uuid: unknown; readonly token: unknown }, resumes: boolean): Promise<Actor | null> {
    const { connections, authenticate, clientAddress } = this.#kit;
    const address = clientAddress(this.socket.request);
    for (;;) {
      const before = connections.revocations;
      const actor = await authenticate({ ...credentials, enrolling: true, address });
      if (connections.revocations !== before) continue;
      if (actor === null || this.#isCut) return null;
      this.#forget();
      this.#actor = actor;
      this.#connection = {
        actor,
        id: this.socket.id,
        takesMetadata: this.#ours,
        fanOut: this.#kit.fanOut(this.socket),
        end: (told) => this.end(told),
        pending: () => this.#kit.pending(this.socket),
        onLeave: (release) => this.#releases.push(release),
      };
      // A client that has closed its socket receives nothing more. Its earlier calls still run.
      const { resume } = this.#kit;
      if (resumes && this.socket.connected) resume.expect(this.#connection);
      else if (this.#ours && this.socket.connected) resume.begins(this.#connection);
      this.#leave = connections.add(this.#connection);
      return actor;
    }
  }

  #forget(): void {
    this.#actor = null;
    this.#connection = undefined;
    this.#leave?.();
    this.#leave = undefined;
    this.#offline?.();
    this.#offline = undefined;
    for (const release of this.#releases.splice(0)) release();
  }

  /**
   * Strips the socket of its identity at once.
   * It sends `told` when the call under way is answered, and closes the socket after half a second.
   * Resolves when nothing that the socket asked for can be written any more.
   */
  end(told?: ServerEvent): Promise<unknown> | undefined {
    const actor = this.#actor;
    if (actor === null || this.#ended) return this.#work?.catch(() => undefined);
    this.#ended = true;
    this.#forget();
    const tell = (): void => {
      this.#farewell = undefined;
      if (told !== undefined) this.socket.emit(told.event, told.data);
      if (actor.method === 'access') this.socket.emit('session:revoked', { uuid: actor.uuid });
      this.socket.emit('notReady', { api: 'connect', status: 401, uuid: actor.uuid, token: this.#token });
      setTimeout(() => this.#kit.drop(this.socket), farewellMs).unref();
    };
    if (this.#answering) this.#farewell = tell;
    else tell();
    return this.#work?.catch(() => undefined);
  }

  #overLimit(actor: Actor | null): void {
    this.socket.emit('ratelimited', { code: 429, message: errors.rate.message });
    this.#refuse('call-rate', 'rate', actor);
  }

  /** Ends the connection with an error. */
  #refuse(kind: string, code: ErrorCode, actor = this.#actor): void {
    const { http: status, message } = errors[code];
    this.#kit.refused(kind);
    this.#intake.clear();
    this.socket.emit('notReady', {
      ...(actor !== null && { uuid: actor.uuid, token: this.#token }),
      api: 'connect',
      status,
      error: { message, code: status },
    });
    this.#kit.drop(this.socket);
  }
}

const rejectionOf = ({ code, details }: Rejected): RegistryError =>
  new RegistryError(code, undefined, code === 'invalid-input' ? { details } : {});

const wrongArguments = (rule: string, message: string): RegistryError =>
  new RegistryError('invalid-input', undefined, { details: [{ path: '', rule, message }] });
