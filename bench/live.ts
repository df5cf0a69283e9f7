import { connect, type Client, type LiveQuery } from '@rollcall/client';
import { MongoClient } from 'mongodb';
import { fillEmbedded, fillMongo } from './fill.ts';
import type { Measure, Result } from './measure.ts';
import { callers, callerUuid, deviceUuid, groupFilter, tokenOf, type Population } from './population.ts';
import { startRegistry, type Served } from './processes.ts';
import { interleaved, median, quantile, ratio, rounded } from './statistics.ts';

/** Queries of each caller: with a hundred callers a hundred queries and ten thousand, no two alike. */
const few = 1;
const many = 100;
/** Updates sent in a second, whether the ones before are done or not. */
const perSecond = 100;

/** Clients that follow the population, and what they hear of their updates. */
interface Following {
  readonly server: Served;
  readonly clients: readonly Client[];
  /** Times from an update to its event, in milliseconds, and the server's processor time for one update, in microseconds. */
  run(ms: number): Promise<Heard>;
  stop(): Promise<void>;
}

interface Heard {
  readonly p50: number;
  readonly p99: number;
  readonly processorUs: number;
}

/** The first device of a caller's share; the further ones follow in steps of the number of callers. */
const deviceOf = (caller: number, index = 0): number => caller + callers * index;

const follow = async (server: Served, queries: number, population: Population): Promise<Following> => {
  const clients: Client[] = [];
  const followed: LiveQuery[] = [];
  const sentAt = new Map<number, number>();
  let heard: number[] = [];
  let value = 0;
  for (let caller = 0; caller < callers; caller += 1) {
    const uuid = callerUuid(caller);
    const client = await connect(server.url, { uuid, token: tokenOf(uuid) }, { autoSetOnline: false });
    clients.push(client);
    for (let index = 0; index < queries; index += 1) {
      const live = await client.live(groupFilter(deviceOf(caller, index), population));
      if (live.rows.length !== 1) throw new Error(`a live query has ${live.rows.length} rows`);
      live.on('change', ({ device }) => {
        const sent = sentAt.get(Number(device?.['value']));
        if (sent !== undefined) heard.push(performance.now() - sent);
      });
      followed.push(live);
    }
  }

  const send = async (): Promise<void> => {
    const caller = Math.floor(Math.random() * callers);
    value += 1;
    const mine = value;
    sentAt.set(mine, performance.now());
    await clients[caller]!.update({ uuid: deviceUuid(deviceOf(caller)), value: mine });
  };

  return {
    server,
    clients,
    async run(ms) {
      heard = [];
      const processorBefore = server.processorMs();
      const begun = performance.now();
      const updates: Promise<void>[] = [];
      while (performance.now() - begun < ms) {
        while (updates.length < ((performance.now() - begun) * perSecond) / 1_000) updates.push(send());
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await Promise.all(updates);
      for (let waited = 0; heard.length < updates.length; waited += 5) {
        if (waited > 5_000) throw new Error(`${updates.length - heard.length} of ${updates.length} updates were not told`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      const sorted = Float64Array.from(heard).sort();
      return {
        p50: quantile(sorted, 0.5),
        p99: quantile(sorted, 0.99),
        processorUs: ((server.processorMs() - processorBefore) * 1_000) / updates.length,
      };
    },
    async stop() {
      for (const live of followed) live.close();
      for (const client of clients) client.close();
      await server.stop();
    },
  };
};

/** Searches on devices while the updates run: a live query that reads sorts what it reads, and nothing else here does. */
const readsOf = async (following: Following, mongodbUrl: string, ms: number): Promise<number> => {
  const client = await MongoClient.connect(mongodbUrl);
  try {
    const db = client.db();
    await db.setProfilingLevel('all');
    await following.run(ms);
    await db.setProfilingLevel('off');
    return await db
      .collection('system.profile')
      .countDocuments({ op: 'query', ns: /\.devices$/, 'command.sort': { $exists: true } });
  } finally {
    await client.close();
  }
};

const described = (rounds: readonly Heard[]): string => {
  const of = (name: keyof Heard) => rounded(median(rounds.map((round) => round[name])), 2);
  return `p50 ${of('p50')} ms, p99 ${of('p99')} ms, ${of('processorUs')} µs of processor`;
};

/** Live queries: does the time from an update to the client follow the number of queries, and does a change read the database? */
export const p4: Measure = async ({ scale, temporary, database, profiling }) => {
  const population: Population = { devices: callers * many, groupSize: 1, bytes: 300 };
  const filling = { ...population, withToken: 0 };
  const results: Result[] = [];

  const compare = async (id: string, store: string, fewer: Served, more: Served): Promise<Following> => {
    const [hundred, tenThousand] = [await follow(fewer, few, population), await follow(more, many, population)];
    for (const following of [hundred, tenThousand]) await following.run(scale.warmUpMs);
    const rounds = await interleaved(scale.rounds, {
      hundred: () => hundred.run(scale.ms),
      tenThousand: () => tenThousand.run(scale.ms),
    });
    await hundred.stop();
    const p99s = (name: keyof typeof rounds) => rounds[name].map(({ p99 }) => p99);
    results.push({
      id,
      measure: `live query, from an update to the client, p99 at ${callers * many} distinct queries ÷ at ${callers}, ${perSecond} updates/s, ${store}`,
      value: ratio(p99s('tenThousand'), p99s('hundred')),
      goal: { atMost: 1.5 },
      ours: described(rounds.tenThousand),
      raw: described(rounds.hundred),
    });
    const processor = (name: keyof typeof rounds) => rounds[name].map(({ processorUs }) => processorUs);
    results.push({
      id: `${id} processor`,
      measure: "the same, of the server's processor time for an update",
      value: ratio(processor('tenThousand'), processor('hundred')),
      ours: described(rounds.tenThousand),
      raw: described(rounds.hundred),
    });
    return tenThousand;
  };

  const [oneUrl, otherUrl] = [await database(), await database()];
  for (const url of [oneUrl, otherUrl]) await fillMongo(url, filling);
  const following = await compare(
    'P4',
    'MongoDB',
    await startRegistry({ mongodbUrl: oneUrl }, profiling),
    await startRegistry({ mongodbUrl: otherUrl }, profiling),
  );
  const reads = await readsOf(following, otherUrl, scale.ms);
  results.push({
    id: 'P4 reads',
    measure: `database reads of ${callers * many} live queries for a change`,
    value: reads,
    goal: { atMost: 0 },
    ours: `${reads} in ${Math.round((scale.ms * perSecond) / 1_000)} changes`,
    raw: '',
  });
  await following.stop();

  const [oneFolder, otherFolder] = [await temporary(), await temporary()];
  for (const folder of [oneFolder, otherFolder]) await fillEmbedded(folder, filling);
  const embedded = await compare(
    'P4 embedded',
    'embedded store',
    await startRegistry({ dataDir: oneFolder }, profiling),
    await startRegistry({ dataDir: otherFolder }, profiling),
  );
  await embedded.stop();
  return results;
};
