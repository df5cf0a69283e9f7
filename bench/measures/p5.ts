import { fillEmbedded, fillMongo } from '../fill.ts';
import type { ConnectsJob } from '../load/jobs.ts';
import type { Measure } from '../measure.ts';
import { describedServer, each, observe, type Observed } from '../observe.ts';
import type { Population } from '../population.ts';
import { startRaw, startRegistry, type Served } from '../processes.ts';
import { interleaved, ratio } from '../statistics.ts';

const atOnce = 64;

/** Connections that are identified, each as a device of its own, against Socket.IO's plain ones. */
export const p5: Measure = async ({ scale, load, temporary, database, profiling }) => {
  const population: Population = { devices: scale.connections, groupSize: 1, bytes: 300 };
  const [mongodbUrl, dataDir] = [await database(), await temporary()];
  await fillMongo(mongodbUrl, { ...population, withToken: scale.connections });
  await fillEmbedded(dataDir, { ...population, withToken: scale.connections });
  const registry = await startRegistry({ mongodbUrl }, profiling);
  const embedded = await startRegistry({ dataDir }, profiling);
  const raw = await startRaw({}, profiling);

  const connects = (server: Served, identified: boolean, setsOnline: boolean) => (): Promise<Observed> => {
    const job: ConnectsJob = { kind: 'connects', url: server.url, identified, setsOnline, count: scale.connections, atOnce };
    return observe(load, server, job);
  };
  const rounds = await interleaved(scale.rounds, {
    raw: connects(raw, false, false),
    embedded: connects(embedded, true, false),
    mongodb: connects(registry, true, false),
    embeddedOnline: connects(embedded, true, true),
    mongodbOnline: connects(registry, true, true),
  });
  await Promise.all([registry.stop(), embedded.stop(), raw.stop()]);

  const line = (id: string, measure: string, name: Exclude<keyof typeof rounds, 'raw'>) => ({
    id,
    measure,
    value: ratio(each(rounds[name], 'perSecond'), each(rounds.raw, 'perSecond')),
    ours: describedServer(rounds[name]),
    raw: describedServer(rounds.raw),
  });
  return [
    {
      ...line('P5', `identified connections per second on the embedded store ÷ raw connections, ${atOnce} at once`, 'embedded'),
      goal: { atLeast: 0.8 },
    },
    { ...line('P5 MongoDB', 'the same on MongoDB', 'mongodb'), goal: { atLeast: 0.8 } },
    {
      ...line('P5 processor', 'P5 by processor time of the server: raw ÷ ours', 'embedded'),
      value: ratio(each(rounds.raw, 'processorUs'), each(rounds.embedded, 'processorUs')),
    },
    line('P5 online', 'on the embedded store, each connection showing its device as online', 'embeddedOnline'),
    line('P5 online MongoDB', 'the same on MongoDB', 'mongodbOnline'),
  ];
};
