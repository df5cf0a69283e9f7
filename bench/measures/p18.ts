import { connect, connectAsync, type IClientOptions } from 'mqtt';
import type { Measure } from '../measure.ts';
import { adminPassword, startBroker } from '../processes.ts';
import { median, rounded } from '../statistics.ts';

const kept = 1000;
const topic = 'bench/kept';

const opened = (url: string, options: IClientOptions) =>
  connectAsync(url, { username: 'admin', password: adminPassword, reconnectPeriod: 0, ...options });

/** Milliseconds from CONNECT until a client that was away has everything that was kept for it. */
const drain = async (url: string): Promise<number> => {
  const session = { clientId: 'away', clean: false } as const;
  const away = await opened(url, session);
  await away.subscribeAsync(topic, { qos: 1 });
  await away.endAsync();
  const publisher = await opened(url, { clientId: 'publisher' });
  await Promise.all(Array.from({ length: kept }, (_, n) => publisher.publishAsync(topic, String(n), { qos: 1 })));
  await publisher.endAsync();
  const begun = performance.now();
  const back = connect(url, { username: 'admin', password: adminPassword, reconnectPeriod: 0, ...session });
  let count = 0;
  await new Promise<void>((resolve) => back.on('message', () => void ((count += 1) === kept && resolve())));
  const took = performance.now() - begun;
  await back.endAsync();
  const gone = await opened(url, { clientId: 'away', clean: true });
  await gone.endAsync();
  return took;
};

/** How long a client that was away waits for 1,000 messages of QoS 1. */
export const p18: Measure = async ({ scale, temporary, database, profiling }) => {
  const results = [];
  for (const [name, place] of [
    ['', { dataDir: await temporary() }],
    [' MongoDB', { mongodbUrl: await database() }],
  ] as const) {
    const server = await startBroker(place, profiling);
    const times: number[] = [];
    for (let round = 0; round < scale.rounds; round += 1) times.push(await drain(server.url));
    await server.stop();
    results.push({
      id: `P18${name}`,
      measure: `milliseconds until a client that was away has ${kept} kept messages of QoS 1${name === '' ? ', embedded store' : ', the same on MongoDB'}`,
      value: rounded(median(times)),
      goal: { atMost: 500 },
      ours: times.map((time) => `${rounded(time)} ms`).join(', '),
      raw: '',
    });
  }
  return results;
};
