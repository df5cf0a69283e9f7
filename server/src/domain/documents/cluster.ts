/** One of the registry's own keys, sealed with `ROLLCALL_SECRET`; `check` rows hold the check values of pepper and secret. */
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
  /** The place of the feed up to which the node has carried everything out. */
  at: string;
  /** Does this renewal prove that the node's feed is alive? */
  counts: boolean;
  /** The node waits for an ending: the others are to renew their leases as soon as they have come this far. */
  asks?: true;
}
