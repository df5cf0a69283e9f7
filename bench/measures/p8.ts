import { fillEmbedded } from '../fill.ts';
import type { CallsJob } from '../load/jobs.ts';
import type { Measure } from '../measure.ts';
import { describedServer, each, observe, type Observed } from '../observe.ts';
import type { Population } from '../population.ts';
import { startRegistry, type Served } from '../processes.ts';
import { interleaved, ratio } from '../statistics.ts';

/** Calls per second of the lines at a steady rate: well below what either registry can do. */
const perSecond = { device: 2000, update: 300 };

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
  const calls = (server: Served, event: 'device' | 'update', population: Population, rate?: number) => (): Promise<Observed> => {
    const inFlight = event === 'device' ? 16 : 1;
    const job: CallsJob = {
      ...(rate !== undefined && { perSecond: rate }),
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
    steadyDeviceFew: calls(small, 'device', few, perSecond.device),
    steadyDeviceMany: calls(large, 'device', many, perSecond.device),
    steadyUpdateFew: calls(small, 'update', few, perSecond.update),
    steadyUpdateMany: calls(large, 'update', many, perSecond.update),
  });
  await Promise.all([small.stop(), large.stop()]);
  const of = `${scale.many.toLocaleString('en')} devices ÷ at 1,000`;
  type Name = keyof typeof rounds;
  const line = (id: string, measure: string, large: Name, small: Name) => ({
    id,
    measure,
    value: ratio(each(rounds[large], 'p99'), each(rounds[small], 'p99')),
    ours: describedServer(rounds[large]),
    raw: describedServer(rounds[small]),
  });
  return [
    {
      ...line('P8 device', `p99 of device as in P1 at ${of}, embedded store, random devices`, 'deviceMany', 'deviceFew'),
      goal: { atMost: 1.5 },
    },
    {
      ...line('P8 update', `p99 of update as in P2 at ${of}, embedded store, random devices`, 'updateMany', 'updateFew'),
      goal: { atMost: 1.5 },
    },
    line(
      'P8 device steady',
      `p99 of device at ${perSecond.device} calls per second, at ${of}`,
      'steadyDeviceMany',
      'steadyDeviceFew',
    ),
    line(
      'P8 update steady',
      `p99 of update at ${perSecond.update} calls per second, at ${of}`,
      'steadyUpdateMany',
      'steadyUpdateFew',
    ),
  ];
};
