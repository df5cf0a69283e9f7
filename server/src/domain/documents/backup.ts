import type { Metadata, Guarded } from './metadata.ts';

/** The result of a maintenance job that has ended. */
export interface JobRecord {
  id: string;
  succeeded: boolean;
  statusMessage: string;
  startDate: Date;
  endDate: Date;
  /** The request that began it, if it had a number. */
  request?: string;
}

/** A maintenance job that is under way, and who does it. */
export interface RunningJob {
  kind: 'backup' | 'restore';
  id: string;
  /** The process that does it: random, once per start. */
  owner: string;
  /** Counted up by the owner as a sign of life. */
  beat: number;
  /**
   * `working`: nothing of the registry is touched. `closing`: the nodes stop serving. `replacing`:
   * the safety copy is complete, and the documents are being replaced. `clearing`: it is decided,
   * and the safety copy is being removed.
   */
  phase: 'working' | 'closing' | 'replacing' | 'clearing';
  statusMessage: string;
  startDate: Date;
  request?: string;
}

/** A row of `maintenance` by which the store's clock is asked. */
export interface ClockDocument {
  _id: 'clock';
  at: Date;
}

/** The one row of `maintenance` beside that: the id of the feed, and the jobs. */
export interface MaintenanceDocument extends Guarded {
  _id: 'state';
  _rollcall: Metadata;
  feed: string;
  /**
   * A moment of the store's clock before the feed had this id; null if it has had it from the
   * beginning.
   */
  feedAt: Date | null;
  job: RunningJob | null;
  backup: JobRecord | null;
  restore: JobRecord | null;
}
