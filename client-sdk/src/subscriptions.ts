/** One subscription that the server has granted: which types of which device, and how. */
export interface Subscription {
  readonly uuid: string;
  readonly types: readonly string[];
  readonly topics?: unknown;
  readonly token?: unknown;
}

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

const texts = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];

/**
 * What this client listens to, as the server has granted it: the successful calls of `subscribe`, less what `unsubscribe` and later calls
 * have taken from them. The server forgets them with the connection.
 */
export class Subscriptions {
  #all: readonly Subscription[] = [];

  /** All of them, in the order in which they have to be made again. */
  get all(): readonly Subscription[] {
    return this.#all;
  }

  /** A call has succeeded. */
  note(event: string, input: unknown, result: unknown): void {
    const { uuid, types, topics, token } = record(input);
    if (typeof uuid !== 'string') return;
    if (event === 'unsubscribe') this.#take(uuid, types === undefined ? undefined : texts(types));
    if (event !== 'subscribe') return;
    const granted = texts(record(result)['types']);
    this.#take(uuid, granted);
    const made = { uuid, types: granted, ...(topics !== undefined && { topics }), ...(token !== undefined && { token }) };
    if (granted.length > 0) this.#all = [...this.#all, made];
  }

  /** The server has refused these. */
  forget(refused: readonly Subscription[]): void {
    this.#all = this.#all.filter((one) => !refused.includes(one));
  }

  /** Takes types of a device away, or all. */
  #take(uuid: string, types: readonly string[] | undefined): void {
    this.#all = this.#all.flatMap((one) => {
      if (one.uuid !== uuid) return [one];
      const left = types === undefined ? [] : one.types.filter((type) => !types.includes(type));
      return left.length === one.types.length ? [one] : left.length > 0 ? [{ ...one, types: left }] : [];
    });
  }
}
