import type { LogEntry } from './replica-set.ts';
import type { Guarded } from '@rollcall/server/internal/domain/documents/metadata';

/** Reads may be this much behind the committed state when the feed stalls, and when the node reads an old primary until its fence. */
export const LATE_MS = 2_100;
export const STALE_MS = 6_000;
/** How long an ending may take when the asking node is well, and how long a fault goes on to be felt. */
export const ENDING_MS = 7_500;
export const AFTERMATH_MS = 10_000;
/** How far a new primary may be behind in what it shows: what was committed shortly before an election. */
export const BEHIND_MS = 10_000;

/** Faults that are felt by other nodes than the one that they befall. */
export const WIDE: ReadonlySet<string> = new Set(['election', 'slow', 'loss', 'cut']);

/** The versions that were the committed one at some time between. */
export const versionsDuring = (chain: readonly LogEntry[], from: number, to: number): (Guarded | null)[] => {
  const before = chain.filter(({ committedAt }) => committedAt! <= from).at(-1)?.document ?? null;
  return [
    before,
    ...chain.filter(({ committedAt }) => committedAt! > from && committedAt! <= to).map(({ document }) => document),
  ];
};
