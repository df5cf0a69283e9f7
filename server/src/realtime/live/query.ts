import type { Connection } from '../connections.ts';
import type { Match } from '../../mql/index.ts';
import type { Who } from '../../domain/access.ts';
import type { Query as Filter } from '../../domain/device-query.ts';
import type { LiveOrder } from './order.ts';
import type { Window } from './window.ts';

/** One filter, shared by the live queries that have it. */
export interface FilterGroup {
  readonly key: string;
  readonly filter: Filter;
  readonly matches: Match;
  /** Queries that have it, those included that are not filled yet. */
  users: number;
  /** The filled queries by who asks, and by his group: one for each of his orders and limits. */
  readonly bySubject: Map<string, Set<LiveQuery>>;
}

/** What a subject follows: computed once, however many of his connections ask for it. */
export interface LiveQuery {
  readonly id: string;
  readonly key: string;
  readonly subject: Who;
  readonly group: FilterGroup;
  readonly order: LiveOrder;
  readonly limit: number;
  readonly window: Window;
  /** Who is told. */
  readonly audience: Set<Connection>;
  /** Openings that still wait for the first result. */
  opening: number;
  /** Number of the newest event, or of the first result. */
  seq: number;
  /** Is the window the result, as far as the feed has come? */
  filled: boolean;
  /** Has something been left untold? Then the next event is a `resync`. */
  silent: boolean;
  /** The load under way. */
  loading: Promise<void> | null;
  /** Nobody wants it any more: it is in no table. */
  released: boolean;
}

/** The queries of a group that a document which names these subjects may concern (null: everybody). */
export function* queriesOf({ bySubject }: FilterGroup, named: ReadonlySet<string> | null): Generator<LiveQuery> {
  if (named === null) for (const queries of bySubject.values()) yield* queries;
  else if (named.size < bySubject.size) for (const subject of named) yield* bySubject.get(subject) ?? [];
  else for (const [subject, queries] of bySubject) if (named.has(subject)) yield* queries;
}
