import type { Fault } from './faults.ts';

/** What a call of a client came to, in its own eyes. */
export interface Call {
  readonly kind: 'update' | 'create' | 'remove';
  readonly effect: string;
  readonly session: string;
  readonly uuid: string;
  readonly expectedRev: number | undefined;
  /** May its answer change although the document does not, as that of a policy that looks at other things? */
  readonly fickle: boolean;
  /** Begin and answer of the newest sending, and whether it may have met an old primary. */
  begun: number;
  answered: number;
  stale: boolean;
  /** May it have met a new primary that still showed less than was committed? */
  behind: boolean;
  /** Has it a number, so that it may be repeated? */
  readonly numbered: boolean;
  sendings: number;
  /** `done` with the revision of the document in the answer, an error code, or null if nobody answered the last sending. */
  outcome: 'done' | string | null;
  rev: number | null;
}

/** A message of a peer, in its own eyes. */
export interface Said {
  readonly id: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly sentAt: number;
  /** Null if it was given up. */
  acknowledgedAt: number | null;
}

/** A connection of a peer as its node saw it; `to` is null while it lives there. */
export interface Stay {
  readonly uuid: string;
  readonly node: string;
  readonly from: number;
  to: number | null;
}

/** Everything that happened in one schedule, as data: the checks come afterwards. Times are true ones, in milliseconds. */
export interface History {
  readonly calls: Call[];
  /** Writes at the moment when a node handed them to the network. */
  readonly sent: { readonly time: number; readonly node: string; readonly effect: string }[];
  /** Calls begun and events delivered for a session. */
  readonly processed: {
    readonly time: number;
    readonly node: string;
    readonly session: string;
    readonly what: 'call' | 'delivery';
  }[];
  readonly revoked: { readonly session: string; readonly begun: number; readonly time: number }[];
  readonly reads: {
    readonly begun: number;
    readonly node: string;
    readonly uuid: string;
    readonly rev: number;
    readonly stale: boolean;
    /** A new primary may have shown less than the majority had meanwhile. */
    readonly behind: boolean;
  }[];
  readonly barriers: { readonly node: string; readonly begun: number; readonly ended: number; readonly passed: boolean }[];
  readonly faults: Fault[];
  /** What each node's feed brought, in order. */
  readonly feeds: { readonly node: string; readonly time: number; readonly position: string }[];
  readonly resumes: {
    readonly node: string;
    readonly from: string;
    readonly to: string;
    readonly got: readonly string[] | 'resync';
  }[];
  /** What peers said, what nodes handed to their connections, and what came to them; `isNew`: it was no double. */
  readonly said: Said[];
  readonly handed: {
    readonly time: number;
    readonly uuid: string;
    readonly id: string;
    readonly node: string;
    readonly stale: boolean;
    readonly behind: boolean;
  }[];
  readonly heard: {
    readonly time: number;
    readonly uuid: string;
    readonly id: string;
    readonly node: string;
    readonly isNew: boolean;
  }[];
  readonly stays: Stay[];
  /** The revision of its own document that each peer knows, as it is told. */
  readonly known: Map<string, number>;
  /** When each peer first knew of a place from which it can resume. */
  readonly arrivals: Map<string, number>;
  /** When peers were told that something may be missing. */
  readonly resyncs: { readonly uuid: string; readonly time: number }[];
  readonly alarms: string[];
}

export const openHistory = (): History => ({
  calls: [],
  sent: [],
  processed: [],
  revoked: [],
  reads: [],
  barriers: [],
  faults: [],
  feeds: [],
  resumes: [],
  said: [],
  handed: [],
  heard: [],
  stays: [],
  known: new Map(),
  arrivals: new Map(),
  resyncs: [],
  alarms: [],
});
