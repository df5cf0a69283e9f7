/** Stops what returned it. Calling it again does nothing. */
export type Stop = () => void;

type Listener = (...args: unknown[]) => void;

/** Listeners by event. One that throws does not keep the others, or the connection, from going on: its error becomes an uncaught one. */
export class Listeners {
  readonly #listeners = new Map<string, Set<{ readonly listener: Listener }>>();

  on(event: string, listener: Listener): Stop {
    const entry = { listener };
    const entries = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, entries.add(entry));
    return () => void entries.delete(entry);
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
