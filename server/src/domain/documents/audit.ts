/** One audit entry, an action or an attempt, in its chain. Never changed, never removed. */
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

/**
 * The newest entry of a chain, stored beside it so that removing entries from its end is detected.
 */
export interface AuditHead {
  /** The chain. */
  _id: string;
  number: number;
  hash: string;
  seal: string;
}
