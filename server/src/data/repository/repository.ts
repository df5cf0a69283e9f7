import { RegistryError } from '@rollcall/client/contract';
import { delay, type Clock } from '../../common/clock.ts';
import type { Feed } from '../feed/change-feed.ts';
import { revOf, type DocumentsCache } from './cache.ts';
import { openAccess } from './collection-io.ts';
import { openAttempt } from './write-attempt.ts';
import type { Node } from '../cluster/node.ts';
import { openQueue } from '../../common/keyed-queue.ts';
import type { Collections, Guarded } from '../../domain/documents/collections.ts';
import { keyReused } from './idempotency-window.ts';
import { isDuplicateKey } from '../../store/duplicate-key.ts';
import { isOutcomeUnknown } from '../../store/write-outcome.ts';
import type { Store } from '../../store/port.ts';

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
  readonly shown: boolean;
}

/**
 * How a write ended. `unchanged`: the step had nothing to do. `repeated`: the request took effect earlier; `document` is as
 * it is now, and may be gone.
 */
export interface Revised<D> {
  readonly document: D;
  readonly outcome: 'changed' | 'unchanged' | 'repeated';
}

/** Decides on a document and computes the next one. Pure: it may be called several times. */
export type Step<D> = (before: D | null) => Revision<D> | null;

/** The documents of one guarded collection. All that it returns is frozen. Whatever is gone counts as missing. */
export interface Documents<D extends Guarded> {
  /** From the cache if that is allowed; null if missing. */
  find(id: string): Promise<D | null>;
  /** The same at once; undefined if it has to be loaded. */
  known(id: string): D | null | undefined;
  /** A number that is another one whenever something of the collection may have changed; undefined while what the node knows may not be used. */
  version(): number | undefined;
  /** From the primary, as the majority has it; null if missing. */
  fresh(id: string): Promise<D | null>;
  /**
   * Writes a new document, with revision 1.
   *
   * With a request its id must be derived from that request: a repeat meets its own document and returns it as it is.
   * Fails with `conflict` if the id or another unique value is taken, with `outcome-unknown` if the own document is already gone.
   */
  insert(document: D, request?: RequestId): Promise<D>;
  /**
   * The one door for writes: decides and computes on the very document that is replaced, again and again if somebody is faster.
   *
   * `step` gets the document, or null if it is missing. It may throw a `RegistryError` (refusal) or return null (nothing to
   * change); either counts only on a fresh read. A revision of a missing document inserts it. Fails with `conflict` if
   * `expectedRev` is not the revision that clients know, `outcome-unknown` if the request is too old to tell, `busy` if others
   * were faster too often, `unavailable` if the store cannot be reached or the node is paused.
   */
  revise(
    id: string,
    request: RequestId | null,
    step: Step<D>,
    options?: { readonly expectedRev?: ExpectedRevision | undefined },
  ): Promise<Revised<D>>;
}

/** The collections whose documents are written through the door. */
export type GuardedName = Exclude<
  { [N in keyof Collections]: Collections[N] extends Guarded ? N : never }[keyof Collections],
  'data' | 'events'
>;

export interface DoorOptions<N extends GuardedName> {
  readonly store: Pick<Store, 'collection'>;
  readonly collection: N;
  /** The property that addresses a document. */
  readonly key: 'uuid' | '_id';
  readonly feed: Pick<Feed, 'time' | 'newest'>;
  readonly node: Pick<Node, 'check' | 'trusts' | 'request' | 'isOnly'>;
  readonly cache: DocumentsCache;
  readonly clock: Clock;
  /** Keys the names in request windows. The same on every node. */
  readonly windowSecret: Buffer;
}

/** Time limit of a whole write, repeats included, in milliseconds. */
const PATIENCE_MS = 10_000;
/** How often others may be faster. */
const ROUNDS = 30;
/** How often an insert meets a duplicate key, but no document of its own, before a name counts as taken. */
const INSERT_ROUNDS = 2;

type Decision<D> = { readonly write: D } | { readonly answer: Revised<D> } | { readonly refuse: RegistryError };

const present = <D extends Guarded>(document: D | null): D | null => (document?._rollcall?.gone === undefined ? document : null);
/** The visible revision that a caller expects, or a test of it. */
type ExpectedRevision = number | ((rev: number) => boolean);

const isExpected = (expected: ExpectedRevision | undefined, rev: number): boolean =>
  typeof expected === 'function' ? expected(rev) : expected === undefined || expected === rev;

const shownOf = (document: Guarded | null): number => document?._rollcall?.shown ?? 0;

/** Opens the door to one collection. */
export const openDoor = <N extends GuardedName>(options: DoorOptions<N>): Documents<Collections[N]> => {
  type D = Collections[N];
  const { key, feed, node, clock, windowSecret } = options;
  const access = openAccess(options);
  const line = openQueue();
  const attemptOf = (request: RequestId | null | undefined) => openAttempt<D>(windowSecret, feed, request ?? node.request());

  /** Finds out what has become of a write whose answer was lost. */
  const findOut = async (id: string, deadline: number): Promise<D | null> => {
    for (;;) {
      try {
        return await access.readBack(id);
      } catch (error) {
        if (!isOutcomeUnknown(error)) throw error;
        if (clock.monotonic() > deadline) throw new RegistryError('unavailable', undefined, { cause: error });
        await delay(clock, 100);
        node.check();
      }
    }
  };

  const insert = (document: D, request?: RequestId): Promise<D> => {
    const id = String(document[key]);
    return line(id, async () => {
      const attempt = attemptOf(request);
      const next = attempt.next(null, { next: document, shown: true });
      const deadline = clock.monotonic() + PATIENCE_MS;
      let lost = false;
      for (let round = 1; ; round += 1) {
        try {
          return await access.insert(id, next);
        } catch (error) {
          const taken = isDuplicateKey(error);
          if (!taken && !isOutcomeUnknown(error)) throw error;
          lost ||= !taken;
          const own = await findOut(id, deadline);
          if (own === null) {
            // What stood in the way may have been an own write that an election took back: then the next try succeeds.
            if (taken && round === INSERT_ROUNDS) throw new RegistryError('conflict', undefined, { cause: error });
            if (clock.monotonic() > deadline) throw new RegistryError('unavailable', undefined, { cause: error });
            continue;
          }
          const verdict = attempt.judge(own, lost);
          if (verdict === 'other') throw keyReused();
          if (verdict === 'repeated' && present(own)) return own;
          throw new RegistryError(verdict === 'new' ? 'conflict' : 'outcome-unknown');
        }
      }
    });
  };

  const revise = (
    id: string,
    request: RequestId | null,
    step: Step<D>,
    { expectedRev }: { readonly expectedRev?: ExpectedRevision | undefined } = {},
  ) =>
    line(id, async (): Promise<Revised<D>> => {
      const attempt = attemptOf(request);
      const deadline = clock.monotonic() + PATIENCE_MS;
      /** The revision on which an own write was sent whose answer was lost; -1 for an insert. It may still arrive. */
      let astray: number | null = null;

      const decide = (document: D | null): Decision<D> => {
        if (document !== null) {
          const verdict = attempt.judge(document, astray !== null);
          if (verdict === 'repeated') return { answer: { document, outcome: astray === null ? 'repeated' : 'changed' } };
          if (verdict === 'other') return { refuse: keyReused() };
          if (verdict === 'unknown') return { refuse: new RegistryError('outcome-unknown') };
        }
        try {
          const before = present(document);
          const revision = step(before);
          if (!isExpected(expectedRev, shownOf(before))) return { refuse: new RegistryError('conflict') };
          if (revision === null)
            return before ? { answer: { document: before, outcome: 'unchanged' } } : { refuse: new RegistryError('not-found') };
          if (document !== before) return { refuse: new RegistryError('conflict') };
          return { write: attempt.next(before, revision) };
        } catch (error) {
          if (error instanceof RegistryError) return { refuse: error };
          throw error;
        }
      };

      let document = access.cached(id);
      let fresh = document === null;
      if (fresh) document = await access.load(id);
      for (let round = 0; round < ROUNDS;) {
        node.check();
        const decision = decide(document);
        if (!('write' in decision) && !fresh) {
          document = await access.load(id);
          fresh = true;
          continue;
        }
        const sent = document === null ? -1 : revOf(document);
        let next: D;
        if ('write' in decision) next = decision.write;
        else if (astray !== sent || ('answer' in decision && decision.answer.outcome !== 'unchanged')) return conclude(decision);
        else if (document === null) throw new RegistryError('unavailable');
        else next = attempt.fenced(document);
        if (clock.monotonic() > deadline) throw new RegistryError('unavailable');

        try {
          const written = document === null ? await access.insert(id, next) : await access.replace(id, document, next);
          if (written) return 'write' in decision ? { document: written, outcome: 'changed' } : conclude(decision);
          round += 1;
          if (round > 1) await delay(clock, Math.min(200, 2 ** round));
          document = await access.load(id);
        } catch (error) {
          access.drop(id);
          if (error instanceof RegistryError) throw error;
          if (isDuplicateKey(error)) {
            const other = document === null ? await findOut(id, deadline) : null;
            if (other === null) throw new RegistryError('conflict', undefined, { cause: error });
            document = other;
          } else if (isOutcomeUnknown(error)) {
            if ('write' in decision) astray = sent;
            document = await findOut(id, deadline);
          } else throw error;
        }
        fresh = true;
      }
      throw new RegistryError('busy');
    });

  return {
    async find(id) {
      node.check();
      return present(access.cached(id) ?? (await access.load(id)));
    },
    known(id) {
      const document = access.cached(id);
      return document === null ? undefined : present(document);
    },
    version: () => (node.trusts() ? options.cache.version(options.collection) : undefined),
    async fresh(id) {
      node.check();
      return present(await access.load(id));
    },
    insert,
    revise,
  };
};

const conclude = <D>(decision: Exclude<Decision<D>, { readonly write: D }>): Revised<D> => {
  if ('refuse' in decision) throw decision.refuse;
  return decision.answer;
};
