import type { Extras } from './events.ts';

/** Entries that a client remembers for each of the two kinds. The oldest go first. */
const capacity = 4096;

const remember = <K, V>(memory: Map<K, V>, key: K, value: V): void => {
  memory.delete(key);
  memory.set(key, value);
  if (memory.size > capacity) memory.delete(memory.keys().next().value as K);
};

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;

/**
 * Tells what has been delivered before. After a drop the server may send an event twice: a message has the same sender and id then, a
 * document a revision that is not newer than the known one.
 */
export class Seen {
  readonly #messages = new Map<string, true>();
  readonly #revisions = new Map<string, number>();

  /** Is this event new? Remembers it. */
  isNew(event: string, body: unknown, extras: Extras): boolean {
    if (event === 'message') return this.#isNewMessage(body, extras);
    if (event === 'config') return this.#isNewRevision(body);
    if (event === 'resync') this.#revisions.clear();
    return true;
  }

  #isNewMessage(body: unknown, { id }: Extras): boolean {
    if (id === undefined) return true;
    const key = JSON.stringify([field(body, 'fromUuid'), id]);
    const known = this.#messages.has(key);
    remember(this.#messages, key, true);
    return !known;
  }

  #isNewRevision(document: unknown): boolean {
    const uuid = field(document, 'uuid');
    const rev = field(field(document, 'meshblu'), 'rev');
    if (typeof uuid !== 'string' || typeof rev !== 'number') return true;
    const known = this.#revisions.get(uuid);
    if (known !== undefined && rev <= known) return false;
    remember(this.#revisions, uuid, rev);
    return true;
  }
}
