import { fillEmbedded, fillMongo } from '../fill.ts';
import type { CallsJob, DriverJob } from '../load/jobs.ts';
import type { Measure } from '../measure.ts';
import { described, describedServer, each, observe, type Observed } from '../observe.ts';
import type { Population } from '../population.ts';
import { startRaw, startRegistry, type Served } from '../processes.ts';
import { interleaved, ratio } from '../statistics.ts';

const concurrency = 32;

/** `devices` by an index and with permission, against the bare driver's `find` of the same filter; and whether a query sees each update. */
export const p3: Measure = async ({ scale, load, temporary, database, profiling }) => {
  const population: Population = { devices: scale.searched, groupSize: 20, bytes: 0 };
  const [bareUri, mongodbUrl, dataDir] = [await database(), await database(), await temporary()];
  await fillMongo(bareUri, { ...population, withToken: 0 });
  await fillMongo(mongodbUrl, { ...population, withToken: 0 });
  await fillEmbedded(dataDir, { ...population, withToken: 0 });
  const registry = await startRegistry({ mongodbUrl }, profiling);
  const embedded = await startRegistry({ dataDir }, profiling);
  const raw = await startRaw({ mongodbUrl: bareUri }, profiling);

  const bare = (operation: DriverJob['operation']) => async (): Promise<Observed> => {
    const job: DriverJob = { kind: 'driver', uri: bareUri, operation, concurrency, watches: false, population, ...scale };
    return { ...(await load.run(job)), processorUs: Number.NaN };
  };
  const through = (server: Served, identified: boolean) => (): Promise<Observed> => {
    const job: CallsJob = {
      kind: 'calls',
      url: server.url,
      identified,
      event: 'devices',
      sockets: concurrency,
      inFlight: 1,
      population,
      ...scale,
    };
    return observe(load, server, job);
  };
  const rounds = await interleaved(scale.rounds, {
    bare: bare('find'),
    ours: through(registry, true),
    sorted: bare('findSorted'),
    embedded: through(embedded, true),
    served: through(raw, false),
  });

  const readYourWrite = (server: Served) =>
    load.run({ kind: 'readYourWrite', url: server.url, count: scale.readYourWrites, sockets: concurrency, population });
  const unseen = await readYourWrite(registry);
  const unseenEmbedded = await readYourWrite(embedded);
  await Promise.all([registry.stop(), embedded.stop(), raw.stop()]);

  const over = (name: 'ours' | 'embedded', raw: 'bare' | 'sorted' | 'served'): number =>
    ratio(each(rounds[name], 'perSecond'), each(rounds[raw], 'perSecond'));
  const ours = describedServer(rounds.ours);
  const of = `20 of ${scale.searched.toLocaleString('en')} devices`;
  return [
    {
      id: 'P3',
      measure: `devices by index and permission on MongoDB ÷ bare find of the same filter, ${of}, ${concurrency} at a time`,
      value: over('ours', 'bare'),
      goal: { atLeast: 0.7 },
      ours,
      raw: described(rounds.bare),
    },
    {
      id: 'P3 sorted',
      measure: 'the same ÷ bare find with the order that devices gives',
      value: over('ours', 'sorted'),
      ours,
      raw: described(rounds.sorted),
    },
    {
      id: 'P3 served',
      measure: 'the same ÷ the bare find behind a raw Socket.IO server',
      value: over('ours', 'served'),
      ours,
      raw: describedServer(rounds.served),
    },
    {
      id: 'P3 embedded',
      measure: 'devices by index and permission on the embedded store ÷ bare find on MongoDB',
      value: over('embedded', 'bare'),
      ours: describedServer(rounds.embedded),
      raw: described(rounds.bare),
    },
    {
      id: 'P3 unseen',
      measure: `updates on MongoDB that a query sent after the answer did not see, of ${scale.readYourWrites}`,
      value: unseen.failed,
      goal: { atMost: 0 },
      ours: unseen.failure?.slice(0, 200) ?? 'none',
      raw: '',
    },
    {
      id: 'P3 unseen embedded',
      measure: `the same on the embedded store`,
      value: unseenEmbedded.failed,
      goal: { atMost: 0 },
      ours: unseenEmbedded.failure?.slice(0, 200) ?? 'none',
      raw: '',
    },
  ];
};
