/** One thing that somebody did or tried, in its place in a chain. Never changed, never removed. */
export interface AuditDocument {
  /** `<chain>:<number>`, the number with leading zeros. */
  _id: string;
  /** One for each start of a node. */
  chain: string;
  /** From 1. */
  number: number;
  at: Date;
  action: string;
  outcome: string;
  actor: { uuid: string; username?: string; credential?: string; method?: string } | null;
  targets: string[];
  address: string;
  details: Record<string, unknown>;
  /** Of an outcome: the `_id` of the entry that said that it was begun. */
  of?: string;
  /** Of the first entry of a chain: the newest one that there was then, of another chain. */
  joins?: { chain: string; number: number; hash: string };
  /** The hash of the one before; empty for the first. */
  previous: string;
  hash: string;
  seal: string;
}

/** How far a chain has come: kept beside it, so that nobody cuts off its end unseen. */
export interface AuditHead {
  /** The chain. */
  _id: string;
  number: number;
  hash: string;
  seal: string;
}
