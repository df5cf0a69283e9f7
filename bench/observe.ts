import type { CallsJob, ConnectsJob, HttpJob, Loop, MqttConnectsJob, MqttMessagesJob } from './load/jobs.ts';
import type { Load, Served } from './processes.ts';
import { median, rounded } from './statistics.ts';

/** A loop against a server, and the server's processor time for one operation, in microseconds. */
export interface Observed extends Loop {
  readonly processorUs: number;
}

type ServedJob = HttpJob | CallsJob | ConnectsJob | MqttConnectsJob | MqttMessagesJob;

/** How many operations a job's server has carried out, those of the warm-up included. */
const operations = (job: ServedJob, { perSecond }: Loop): number =>
  'count' in job ? job.count : (perSecond * (job.ms + job.warmUpMs)) / 1000;

/** Runs a job against a server and takes the server's processor time. */
export const observe = async (load: Load, server: Served, job: ServedJob): Promise<Observed> => {
  const before = server.processorMs();
  const loop = await load.run(job);
  return { ...loop, processorUs: ((server.processorMs() - before) * 1000) / operations(job, loop) };
};

/** One property of each round. */
export const each = <K extends string>(rounds: readonly Readonly<Record<K, number>>[], name: K): number[] =>
  rounds.map((round) => round[name]);

const perSecond = (rounds: readonly Loop[]): string => `${rounded(median(each(rounds, 'perSecond')))}/s`;

const failures = (rounds: readonly Loop[]): string => {
  const count = rounds.reduce((sum, { failed }) => sum + failed, 0);
  return count === 0 ? '' : `, ${count} failed: ${rounds.find(({ failed }) => failed > 0)?.failure}`;
};

/** `12300/s, p99 4.1 ms` of the rounds' medians, and what failed in any of them. */
export const described = (rounds: readonly Loop[]): string =>
  `${perSecond(rounds)}, p99 ${rounded(median(each(rounds, 'p99')), 2)} ms${failures(rounds)}`;

const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** The same, with the server's processor time of one operation, and how busy server and load process were. */
export const describedServer = (rounds: readonly Observed[]): string => {
  const processorUs = median(each(rounds, 'processorUs'));
  const busy = (processorUs * median(each(rounds, 'perSecond'))) / 1e6;
  const load = median(each(rounds, 'loadBusy'));
  return `${described(rounds)}, ${rounded(processorUs, 2)} µs of processor (server ${percent(busy)} busy, load ${percent(load)})`;
};
