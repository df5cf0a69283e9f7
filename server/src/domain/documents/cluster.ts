/**
 * One of the registry's own keys, sealed with `ROLLCALL_SECRET`; `check` rows hold the check values
 * of pepper and secret.
 */
export interface KeyDocument {
  _id: string;
  sealed?: string;
  check?: string;
}

/** A node's lease (ME-11). */
export interface NodeDocument {
  _id: string;
  /** Counted up with every renewal. */
  renewal: number;
  /** The position in the change feed up to which the node has applied every change. */
  at: string;
  /** Whether this renewal proves that the node's feed is alive. */
  counts: boolean;
  /**
   * Set while the node waits for a revocation to take effect: the others renew their leases as soon
   * as they have reached this position.
   */
  asks?: true;
}
