import { administrator, adminPassword } from '../administrator.ts';
import { fillEmbedded } from '../fill.ts';
import type { CallsJob, HttpJob } from '../load/jobs.ts';
import type { Measure } from '../measure.ts';
import { described, each } from '../observe.ts';
import type { Population } from '../population.ts';
import { startLoad, startRegistry } from '../processes.ts';
import { interleaved, ratio } from '../statistics.ts';

const population: Population = { devices: 1000, groupSize: 1, bytes: 1000 };
const parallel = 200;
/** Users that log in. */
const users = 50;
/** Updates that come in a second, whatever else there is to do. */
const perSecond = 200;
const password = 'a password';

/** How much later updates of devices are answered while 200 logins at a time are under way: each costs a slow hash. */
export const p13: Measure = async ({ scale, load, temporary, profiling }) => {
  const dataDir = await temporary();
  await fillEmbedded(dataDir, { ...population, withToken: 0 });
  const registry = await startRegistry({ dataDir, adminPassword }, profiling);
  const admin = await administrator(registry.url);
  const names = Array.from({ length: users }, (_, index) => `user${index}`);
  for (const username of names) await admin.post('/api/users', { username, password });
  const updates: CallsJob = {
    kind: 'calls',
    event: 'update',
    sockets: 50,
    inFlight: 1,
    perSecond,
    population,
    url: registry.url,
    identified: true,
    ...scale,
  };
  const logins: HttpJob = {
    kind: 'http',
    url: registry.url,
    paths: ['/api/login'],
    bodies: names.map((username) => JSON.stringify({ username, password })),
    headers: {},
    ...scale,
    connections: parallel,
    ms: scale.ms + scale.warmUpMs,
    warmUpMs: 0,
  };
  const others = startLoad();
  const rounds = await interleaved(scale.rounds, {
    alone: () => load.run(updates),
    among: async () => {
      const [loop] = await Promise.all([load.run(updates), others.run(logins)]);
      return loop;
    },
  });
  const rate = await others.run(logins);
  await others.stop();
  await registry.stop();
  return [
    {
      id: 'P13',
      measure: `p99 of a device update while ${parallel} logins at a time are under way ÷ without them, ${perSecond} updates a second`,
      value: ratio(each(rounds.among, 'p99'), each(rounds.alone, 'p99')),
      goal: { atMost: 2 },
      ours: described(rounds.among),
      raw: described(rounds.alone),
    },
    {
      id: 'P13 logins',
      measure: `logins in a second, ${parallel} at a time`,
      value: rate.perSecond,
      ours: described([rate]),
      raw: 'none',
    },
  ];
};
