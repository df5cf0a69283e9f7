import { fillEmbedded, fillMongo } from '../fill.ts';
import type { CallsJob, DriverJob } from '../load/jobs.ts';
import type { Measure, Result } from '../measure.ts';
import { described, describedServer, each, observe, type Observed } from '../observe.ts';
import type { Population } from '../population.ts';
import { startRaw, startRegistry, type Served } from '../processes.ts';
import { interleaved, ratio } from '../statistics.ts';

const population: Population = { devices: 1000, groupSize: 1, bytes: 1000 };

/** `update`, durable, against the bare driver's `updateOne` loop with the same number in flight. */
export const p2: Measure = async ({ scale, load, temporary, database, profiling }) => {
  const [bareUri, mongodbUrl, dataDir] = [await database(), await database(), await temporary()];
  await fillMongo(bareUri, { ...population, withToken: 0 });
  await fillMongo(mongodbUrl, { ...population, withToken: 0 });
  await fillEmbedded(dataDir, { ...population, withToken: 0 });

  const bare = (concurrency: number, watches: boolean) => async (): Promise<Observed> => {
    const job: DriverJob = { kind: 'driver', uri: bareUri, operation: 'updateOne', concurrency, watches, population, ...scale };
    return { ...(await load.run(job)), processorUs: Number.NaN };
  };
  // Servers run in their own round only: an idle registry's change stream would slow the bare loop down. They begin cold each time.
  const warmUpMs = 3 * scale.warmUpMs;
  const through = (open: () => Promise<Served>, sockets: number, identified: boolean) => async (): Promise<Observed> => {
    const server = await open();
    const job: CallsJob = {
      kind: 'calls',
      url: server.url,
      identified,
      event: 'update',
      sockets,
      inFlight: 1,
      population,
      ...scale,
      warmUpMs,
    };
    const observed = await observe(load, server, job);
    await server.stop();
    return observed;
  };

  const at = async (sockets: number): Promise<readonly Result[]> => {
    const rounds = await interleaved(scale.rounds, {
      bare: bare(sockets, false),
      ours: through(() => startRegistry({ mongodbUrl }, profiling), sockets, true),
      watched: bare(sockets, true),
      embedded: through(() => startRegistry({ dataDir }, profiling), sockets, true),
      served: through(() => startRaw({ mongodbUrl: bareUri }, profiling), sockets, false),
    });
    const isGoal = sockets === 100;
    const id = isGoal ? 'P2' : `P2 at ${sockets}`;
    const over = (name: 'ours' | 'embedded', raw: 'bare' | 'watched' | 'served'): number =>
      ratio(each(rounds[name], 'perSecond'), each(rounds[raw], 'perSecond'));
    const ours = describedServer(rounds.ours);
    return [
      {
        id,
        measure: `durable update on MongoDB ÷ bare updateOne majority loop, ${sockets} at a time`,
        value: over('ours', 'bare'),
        ...(isGoal && { goal: { atLeast: 0.6 } }),
        ours,
        raw: described(rounds.bare),
      },
      {
        id: `${id} embedded`,
        measure: `durable update on the embedded store ÷ the same loop on MongoDB, ${sockets} at a time`,
        value: over('embedded', 'bare'),
        ...(isGoal && { goal: { atLeast: 1 } }),
        ours: describedServer(rounds.embedded),
        raw: described(rounds.bare),
      },
      {
        id: `${id} watched`,
        measure: 'update on MongoDB ÷ the same loop with one change stream open beside it',
        value: over('ours', 'watched'),
        ours,
        raw: described(rounds.watched),
      },
      {
        id: `${id} served`,
        measure: 'update on MongoDB ÷ the same updateOne behind a raw Socket.IO server',
        value: over('ours', 'served'),
        ours,
        raw: describedServer(rounds.served),
      },
    ];
  };
  return [...(await at(100)), ...(await at(32))];
};
