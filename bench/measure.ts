import type { Load, Profiling } from './processes.ts';

/** How long and how large a run is. */
export interface Scale {
  /** Rounds of each comparison; the median counts. */
  readonly rounds: number;
  /** Length of one loop in milliseconds, and of its warm-up. */
  readonly ms: number;
  readonly warmUpMs: number;
  /** Devices of the large population of P8. */
  readonly many: number;
  /** Devices that are searched in P3. */
  readonly searched: number;
  /** Updates that are looked for in P3. */
  readonly readYourWrites: number;
  /** Connections of one round of P5, and idle sockets of P7. */
  readonly connections: number;
  readonly idleSockets: number;
}

/** What a measure has at hand. */
export interface Bench {
  readonly scale: Scale;
  readonly load: Load;
  readonly profiling: Profiling;
  /** A new folder; removed at the end of the run. */
  temporary(): Promise<string>;
  /** The URL of a new database on a real MongoDB replica set of one. */
  database(): Promise<string>;
  /** Tells whoever watches the run. */
  say(text: string): void;
}

/** One line of the table. */
export interface Result {
  readonly id: string;
  readonly measure: string;
  readonly value: number;
  /** What the value has to reach; none for a line that only informs. */
  readonly goal?: { readonly atLeast: number } | { readonly atMost: number };
  readonly ours: string;
  readonly raw: string;
}

/** Has the value reached its goal? Undefined where there is none. */
export const met = ({ value, goal }: Result): boolean | undefined =>
  goal === undefined ? undefined : 'atLeast' in goal ? value >= goal.atLeast : value <= goal.atMost;

/** Takes one measure. */
export type Measure = (bench: Bench) => Promise<readonly Result[]>;
