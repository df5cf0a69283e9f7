import type { Population } from '../population.ts';

/** Which server a job talks to. */
interface Target {
  readonly url: string;
  /** Log in as a device of the population; a raw server knows none. */
  readonly identified: boolean;
}

/** For how long a loop runs. */
interface Span {
  readonly warmUpMs: number;
  readonly ms: number;
}

/** Acknowledged calls: each socket keeps so many of them in flight, or, where a rate is given, they come at that rate whatever is in flight. */
export interface CallsJob extends Target, Span {
  readonly kind: 'calls';
  readonly event: 'device' | 'update' | 'devices';
  readonly sockets: number;
  readonly inFlight: number;
  readonly perSecond?: number;
  readonly population: Population;
}

/** The same against a database, through the driver alone. */
export interface DriverJob extends Span {
  readonly kind: 'driver';
  readonly uri: string;
  readonly operation: 'updateOne' | 'find' | 'findSorted';
  readonly concurrency: number;
  /** Keep one change stream open beside it, and read it. */
  readonly watches: boolean;
  readonly population: Population;
}

/** Connects so many sockets, each as another device, then closes them. */
export interface ConnectsJob extends Target {
  readonly kind: 'connects';
  readonly count: number;
  readonly atOnce: number;
  /** Does a connection show its device as online? */
  readonly setsOnline: boolean;
}

/** Connects so many idle sockets and keeps them until `release`. */
export interface HoldJob extends Target {
  readonly kind: 'hold';
  readonly count: number;
}

export interface ReleaseJob {
  readonly kind: 'release';
}

/** Updates a device and asks for it with a query by the new value, on the same socket and on another one. */
export interface ReadYourWriteJob {
  readonly kind: 'readYourWrite';
  readonly url: string;
  readonly count: number;
  readonly sockets: number;
  readonly population: Population;
}

/** Names and passwords of MQTT clients; empty ones for a broker that asks nobody. */
export type MqttLogins = readonly { readonly username?: string; readonly password?: string }[];

/** MQTT messages from publishers to subscribers, one subscriber each; each pair keeps so many on their way. */
export interface MqttMessagesJob extends Span {
  readonly kind: 'mqttMessages';
  readonly url: string;
  readonly logins: MqttLogins;
  /** Where the logins may publish, in their order. */
  readonly topics: readonly string[];
  readonly qos: 0 | 1;
  readonly pairs: number;
  readonly inFlight: number;
}

/** Connects so many MQTT clients, then closes them. */
export interface MqttConnectsJob {
  readonly kind: 'mqttConnects';
  readonly url: string;
  readonly logins: MqttLogins;
  readonly count: number;
  readonly atOnce: number;
}

/** HTTP requests with one connection each in flight: GET of these paths in turn, or POST of these bodies to them. */
export interface HttpJob extends Span {
  readonly kind: 'http';
  readonly url: string;
  readonly paths: readonly string[];
  readonly bodies?: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
}

export type Job =
  HttpJob | MqttMessagesJob | MqttConnectsJob | CallsJob | DriverJob | ConnectsJob | HoldJob | ReleaseJob | ReadYourWriteJob;

/** What a loop did. Times in milliseconds. */
export interface Loop {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
  /** How busy the load process was, as a share of one processor: near 1 it was the load that was measured. */
  readonly loadBusy: number;
  /** The text of one failure. */
  readonly failure?: string;
}

/** What came of a job; for `readYourWrite`, `failed` counts queries that did not see the update. */
export type Outcome = Loop;
