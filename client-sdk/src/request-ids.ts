import { RegistryError } from './contract/errors.ts';
import type { Moment } from './elapsed.ts';
import { elapsedMs, now } from './elapsed.ts';

/** How far behind the newest sent counter another one may still be open. The server recognises 64; the rest is for what is on its way. */
const reach = 32;

const randomText = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** How often a request was sent, and when first. */
interface Sendings {
  count: number;
  first: Moment | undefined;
}

/** One request: its counter, and what was sent of it, also by earlier calls with the same identity. */
export interface Request {
  readonly counter: number;
  readonly sendings: Sendings;
}

/**
 * Identities of requests, `<instance>:<counter>`: the instance is 128 random bits, once per client, the counter begins with 1.
 * The server knows a repeated request by them, so that it takes effect once.
 */
export class RequestIds {
  readonly #instance = randomText();
  readonly #repeatMs: number;
  /** Those handed out to be used more than once. */
  readonly #issued = new Map<number, Request>();
  #allocated = 0;
  #newestSent = 0;

  /** `repeatMs` is how long after its first sending a request may be sent again. */
  constructor(repeatMs: number) {
    this.#repeatMs = repeatMs;
  }

  /** A new request, for a call that is about to be sent. */
  allocate(): Request {
    this.#allocated += 1;
    return { counter: this.#allocated, sendings: { count: 0, first: undefined } };
  }

  /** A new identity for a call that its maker may want to make again. */
  issue(): string {
    for (const request of this.#issued.values()) if (this.isTooOld(request)) this.#issued.delete(request.counter);
    const request = this.allocate();
    this.#issued.set(request.counter, request);
    return this.text(request);
  }

  text({ counter }: Request): string {
    return `${this.#instance}:${counter}`;
  }

  /** The request of an issued identity. Fails with `invalid-input` for a foreign one, `outcome-unknown` for one that is too old. */
  find(reqId: string): Request {
    const counter = Number(reqId.split(':')[1]);
    if (reqId !== `${this.#instance}:${counter}` || !(counter <= this.#allocated))
      throw new RegistryError('invalid-input', 'A reqId must come from reqId() of the same client');
    const request = this.#issued.get(counter);
    if (!request || this.isTooOld(request)) throw tooOld();
    return request;
  }

  /** Was it first sent too long ago, or is it too far behind the newest, to be sent now? */
  isTooOld({ counter, sendings: { first } }: Request): boolean {
    return this.#newestSent - counter > reach || (first !== undefined && elapsedMs(first) > this.#repeatMs);
  }

  /** May a request, or else the next new one, be sent while others are open? None may get too far behind the newest. */
  mayBeSent(request: Request | undefined, open: Iterable<number>): boolean {
    const counter = request?.counter ?? this.#allocated + 1;
    return Math.max(counter, this.#newestSent) - Math.min(counter, ...open) <= reach;
  }

  /** Notes a sending and answers its number: 0 the first time. */
  sending({ counter, sendings }: Request): number {
    this.#newestSent = Math.max(this.#newestSent, counter);
    sendings.first ??= now();
    return sendings.count++;
  }
}

/** The failure of a request that is too old to be sent again. */
export const tooOld = (): RegistryError => new RegistryError('outcome-unknown', 'This request is too old to be sent again');
