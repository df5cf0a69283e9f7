import { fillEmbedded } from '../fill.ts';
import type { CallsJob } from '../load/jobs.ts';
import type { Measure } from '../measure.ts';
import { describedServer, each, observe, type Observed } from '../observe.ts';
import type { Population } from '../population.ts';
import { startRegistry, type Served } from '../processes.ts';
import { interleaved, ratio } from '../statistics.ts';

const few: Population = { devices: 1000, groupSize: 1, bytes: 300 };

/** How long the slowest hundredth of P1 and P2 takes with very many devices, all equally likely, against few. */
export const p8: Measure = async ({ scale, load, temporary, profiling, say }) => {
  const many: Population = { ...few, devices: scale.many };
  const open = async (population: Population): Promise<Served> => {
    const dataDir = await temporary();
    const begun = performance.now();
    await fillEmbedded(dataDir, { ...population, withToken: 0 });
    const filled = performance.now();
    const server = await startRegistry({ dataDir }, profiling);
    const [fill, start] = [filled - begun, performance.now() - filled].map((ms) => (ms / 1000).toFixed(1));
    say(`${population.devices} devices filled in ${fill} s, registry started in ${start} s`);
    return server;
  };
  const [small, large] = [await open(few), await open(many)];
  const calls = (server: Served, event: 'device' | 'update', population: Population) => (): Promise<Observed> => {
    const inFlight = event === 'device' ? 16 : 1;
    const job: CallsJob = {
      kind: 'calls',
      url: server.url,
      identified: true,
      event,
      sockets: 100,
      inFlight,
      population,
      ...scale,
    };
    return observe(load, server, job);
  };
  const rounds = await interleaved(scale.rounds, {
    deviceFew: calls(small, 'device', few),
    deviceMany: calls(large, 'device', many),
    updateFew: calls(small, 'update', few),
    updateMany: calls(large, 'update', many),
  });
  await Promise.all([small.stop(), large.stop()]);
  const of = `${scale.many.toLocaleString('en')} devices ÷ at 1,000`;
  return [
    {
      id: 'P8 device',
      measure: `p99 of device at ${of}, embedded store, random devices`,
      value: ratio(each(rounds.deviceMany, 'p99'), each(rounds.deviceFew, 'p99')),
      goal: { atMost: 1.5 },
      ours: describedServer(rounds.deviceMany),
      raw: describedServer(rounds.deviceFew),
    },
    {
      id: 'P8 update',
      measure: `p99 of update at ${of}, embedded store, random devices`,
      value: ratio(each(rounds.updateMany, 'p99'), each(rounds.updateFew, 'p99')),
      goal: { atMost: 1.5 },
      ours: describedServer(rounds.updateMany),
      raw: describedServer(rounds.updateFew),
    },
  ];
};
