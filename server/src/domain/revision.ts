/** The number of a call: `<client instance>:<counter>`, the sending (0 for the first, then counted up), and whose call it is. */
export interface RequestId {
  readonly actor: string;
  readonly instance: string;
  readonly counter: number;
  readonly again: number;
  /** Hash of what it asks for, if its transport gives one: the same number with another hash is a conflict. */
  readonly fingerprint?: string;
  /** Is it named by a key of its own rather than counted? Then what a document has forgotten counts as new. */
  readonly isKeyed?: true;
}

/** What a step makes of a document. The door adds revision and request window; the other hidden fields are as the step gives them, or as they were if it gives none. */
export interface Revision<D> {
  readonly next: D;
  /** Is the change one that clients may see (an event is made of it)? */
  readonly visible: boolean;
}

/**
 * How a write ended. `unchanged`: the step had nothing to do. `repeated`: the request took effect earlier; `document` is as
 * it is now, and may be gone.
 */
export interface UpdateOutcome<D> {
  readonly document: D;
  readonly outcome: 'changed' | 'unchanged' | 'repeated';
}

/** Decides on a document and computes the next one. Pure: it may be called several times. */
export type Mutation<D> = (before: D | null) => Revision<D> | null;

/** The visible revision that a caller expects, or a test of it. */
export type ExpectedRevision = number | ((rev: number) => boolean);
