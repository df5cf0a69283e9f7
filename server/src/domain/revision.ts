/**
 * The id of a request: `<client instance>:<counter>`, the sending (0 for the first, then counted
 * up), and the actor.
 */
export interface RequestId {
  readonly actor: string;
  readonly instance: string;
  readonly counter: number;
  readonly again: number;
  /**
   * Hash of the input, if the transport gives one: a repeated number with another hash is a
   * conflict.
   */
  readonly fingerprint?: string;
  /**
   * Whether the request has a key of its own rather than a counter: it then counts as new once the
   * document has forgotten it.
   */
  readonly isKeyed?: true;
}

/**
 * The next document that a mutation computes. The repository adds revision and idempotency window;
 * other hidden fields stay as they were unless given.
 */
export interface Revision<D> {
  readonly next: D;
  /** Whether clients may see the change (it then makes an event). */
  readonly visible: boolean;
}

/**
 * The outcome of a write. `unchanged`: the mutation had nothing to do. `repeated`: the request took
 * effect earlier; `document` is as it is now, and may be a tombstone.
 */
export interface UpdateOutcome<D> {
  readonly document: D;
  readonly outcome: 'changed' | 'unchanged' | 'repeated';
}

/** Decides on a document and computes the next one. Pure: it may be called several times. */
export type Mutation<D> = (before: D | null) => Revision<D> | null;

/** The visible revision that a caller expects, or a test of it. */
export type ExpectedRevision = number | ((rev: number) => boolean);
