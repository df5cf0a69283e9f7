import { RegistryError } from '@rollcall/client/contract';
import { delay } from '../../common/clock.ts';
import { revOf } from './cache.ts';
import { createCollectionIo } from './collection-io.ts';
import { createWriteAttempt } from './write-attempt.ts';
import { createKeyedQueue } from '../../common/keyed-queue.ts';
import { keyReused } from './idempotency-window.ts';
import { isDuplicateKey } from '../../store/duplicate-key.ts';
import { isOutcomeUnknown } from '../../store/write-outcome.ts';
import type { RequestId, UpdateOutcome, Mutation, ExpectedRevision } from '../../domain/revision.ts';
import type { Repository, GuardedName, RepositoryOptions } from './types.ts';
import type { Guarded } from '../../domain/documents/metadata.ts';
import type { Collections } from '../../domain/documents/index.ts';

/** Time limit of a whole write, repeats included, in milliseconds. */
const PATIENCE_MS = 10_000;
/** How many attempts a write has when concurrent writes win. */
const ROUNDS = 30;
/** How often an insert may meet a duplicate key without a document of its own before the name counts as taken. */
const INSERT_ROUNDS = 2;

type Decision<D> = { readonly write: D } | { readonly answer: UpdateOutcome<D> } | { readonly refuse: RegistryError };

const present = <D extends Guarded>(document: D | null): D | null => (document?._rollcall?.gone === undefined ? document : null);
const isExpected = (expected: ExpectedRevision | undefined, rev: number): boolean =>
  typeof expected === 'function' ? expected(rev) : expected === undefined || expected === rev;

const shownOf = (document: Guarded | null): number => document?._rollcall?.shown ?? 0;

/** Opens the repository of one collection. */
export const createRepository = <N extends GuardedName>(options: RepositoryOptions<N>): Repository<Collections[N]> => {
  type D = Collections[N];
  const { key, feed, node, clock, windowSecret } = options;
  const access = createCollectionIo(options);
  const line = createKeyedQueue();
  const attemptOf = (request: RequestId | null | undefined) =>
    createWriteAttempt<D>(windowSecret, feed, request ?? node.request());

  /** Reads back the outcome of a write whose answer was lost. */
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
      const next = attempt.next(null, { next: document, visible: true });
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
            // The duplicate may have been a write of this node that an election rolled back: then the next try succeeds.
            if (taken && round === INSERT_ROUNDS) throw new RegistryError('conflict', undefined, { cause: error });
            if (clock.monotonic() > deadline) throw new RegistryError('unavailable', undefined, { cause: error });
            continue;
          }
          const verdict = attempt.lookUp(own, lost);
          if (verdict === 'other') throw keyReused();
          if (verdict === 'repeated' && present(own)) return own;
          throw new RegistryError(verdict === 'new' ? 'conflict' : 'outcome-unknown');
        }
      }
    });
  };

  const update = (
    id: string,
    request: RequestId | null,
    step: Mutation<D>,
    { expectedRev }: { readonly expectedRev?: ExpectedRevision | undefined } = {},
  ) =>
    line(id, async (): Promise<UpdateOutcome<D>> => {
      const attempt = attemptOf(request);
      const deadline = clock.monotonic() + PATIENCE_MS;
      /** Base revision of a write whose answer was lost, -1 for an insert. The write may still arrive. */
      let astray: number | null = null;

      const decide = (document: D | null): Decision<D> => {
        if (document !== null) {
          const verdict = attempt.lookUp(document, astray !== null);
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
        else next = attempt.supersede(document);
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
    async get(id) {
      node.check();
      return present(access.cached(id) ?? (await access.load(id)));
    },
    peek(id) {
      const document = access.cached(id);
      return document === null ? undefined : present(document);
    },
    version: () => (node.trusts() ? options.cache.version(options.collection) : undefined),
    async getFresh(id) {
      node.check();
      return present(await access.load(id));
    },
    insert,
    update,
  };
};

const conclude = <D>(decision: Exclude<Decision<D>, { readonly write: D }>): UpdateOutcome<D> => {
  if ('refuse' in decision) throw decision.refuse;
  return decision.answer;
};
