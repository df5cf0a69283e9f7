import { RegistryError } from './contract/errors.ts';

/** How far behind the newest sent counter another one may still be open. The server recognises 64; the rest is for what is on its way. */
const reach = 32;

const randomText = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

/**
 * Identities of requests, `<instance>:<counter>`: the instance is 128 random bits, once per client, the counter begins with 1.
 * The server knows a repeated request by them, so that it takes effect once.
 */
export class RequestIds {
  readonly #instance = randomText();
  /** Handed-out counters, and how often each was sent. */
  readonly #issued = new Map<number, number>();
  #allocated = 0;
  #newestSent = 0;

  /** A new counter, for a call that is about to be sent. */
  allocate(): number {
    return ++this.#allocated;
  }

  /** A new identity for a call that its maker may want to make again. */
  issue(): string {
    for (const counter of this.#issued.keys()) if (this.#isStale(counter)) this.#issued.delete(counter);
    const counter = this.allocate();
    this.#issued.set(counter, 0);
    return this.text(counter);
  }

  text(counter: number): string {
    return `${this.#instance}:${counter}`;
  }

  /** The counter of an issued identity. Fails with `invalid-input` for a foreign one, `outcome-unknown` for one that is too old. */
  counterOf(reqId: string): number {
    const [instance, digits] = reqId.split(':');
    const counter = Number(digits);
    if (instance !== this.#instance || reqId !== this.text(counter) || counter > this.#allocated)
      throw new RegistryError('invalid-input', 'A reqId must come from reqId() of the same client');
    if (!this.#issued.has(counter) || this.#isStale(counter))
      throw new RegistryError('outcome-unknown', 'This reqId is too old to be used');
    return counter;
  }

  /** May this counter be sent while the others are open? Never one that is too far behind the newest. */
  mayBeSent(counter: number, open: Iterable<number>): boolean {
    return Math.max(counter, this.#newestSent) - Math.min(counter, ...open) <= reach;
  }

  /** The counter that `allocate` would give. */
  get next(): number {
    return this.#allocated + 1;
  }

  /** Notes a sending and answers its number: 0 the first time. Only issued counters are remembered after their call has ended. */
  sending(counter: number, sentBefore: number): number {
    this.#newestSent = Math.max(this.#newestSent, counter);
    const issued = this.#issued.get(counter);
    if (issued === undefined) return sentBefore;
    this.#issued.set(counter, issued + 1);
    return issued;
  }

  #isStale(counter: number): boolean {
    return this.#newestSent - counter > reach;
  }
}
