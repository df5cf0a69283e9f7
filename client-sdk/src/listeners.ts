/** Stops what returned it. Calling it again does nothing. */
export type Stop = () => void;

type Listener = (...args: unknown[]) => void;

/** One listener; `original` is what the caller gave. */
interface Entry {
  readonly listener: Listener;
  readonly original: Listener;
}

/** Listeners by event. One that throws does not keep the others, or the connection, from going on: its error becomes an uncaught one. */
export class Listeners {
  readonly #listeners = new Map<string, Set<Entry>>();

  on(event: string, original: Listener, listener = original): Stop {
    const entry = { listener, original };
    const entries = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, entries.add(entry));
    return () => void entries.delete(entry);
  }

  /** Like `on`, for the next event only. */
  once(event: string, original: Listener): Stop {
    const stop = this.on(event, original, (...args) => {
      stop();
      original(...args);
    });
    return stop;
  }

  /** Stops a listener of an event, however often it was given. */
  off(event: string, listener: Listener): void {
    const entries = this.#listeners.get(event);
    for (const entry of entries ?? []) if (entry.original === listener) entries?.delete(entry);
  }

  emit(event: string, ...args: readonly unknown[]): void {
    for (const { listener } of Array.from(this.#listeners.get(event) ?? [])) {
      try {
        listener(...args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
