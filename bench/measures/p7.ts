import { fillEmbedded } from '../fill.ts';
import type { Measure } from '../measure.ts';
import type { Memory } from '../memory.ts';
import type { Population } from '../population.ts';
import { startMeasuredRegistry, startRaw, type Load, type Served } from '../processes.ts';
import { median, rounded } from '../statistics.ts';

/** Memory of one socket in KiB. */
interface PerSocket extends Memory {
  /** The same as `objects` at the first connection, when the devices' documents were not cached yet. */
  readonly cold: number;
}

const kib = 1024;

/** The server's memory when it has stopped to fall: it learns of closed connections one after the other. */
const settled = async (server: Served): Promise<Memory> => {
  for (let before = await server.memory(); ;) {
    const now = await server.memory();
    if (now.objects > before.objects * 0.995) return now;
    before = now;
  }
};

/** Connects all idle sockets twice: what stays after they are gone, caches above all, is no socket's memory. */
const perSocket = async (load: Load, server: Served, identified: boolean, count: number): Promise<PerSocket> => {
  const hold = { kind: 'hold', url: server.url, identified, count } as const;
  const begin = await settled(server);
  await load.run(hold);
  const first = await settled(server);
  await load.run({ kind: 'release' });
  const empty = await settled(server);
  await load.run(hold);
  const full = await settled(server);
  await load.run({ kind: 'release' });
  const each = (bytes: number): number => bytes / count / kib;
  return {
    objects: each(full.objects - empty.objects),
    resident: each(first.resident - begin.resident),
    cold: each(first.objects - begin.objects),
  };
};

/** Memory of an identified idle socket beyond that of a raw one. */
export const p7: Measure = async ({ scale, load, temporary, profiling }) => {
  const count = scale.idleSockets;
  const population: Population = { devices: count, groupSize: 1, bytes: 300 };
  const dataDir = await temporary();
  await fillEmbedded(dataDir, { ...population, withToken: count });
  const [ours, raw]: [PerSocket[], PerSocket[]] = [[], []];
  for (let round = 0; round < Math.min(3, scale.rounds); round += 1) {
    const registry = await startMeasuredRegistry({ dataDir });
    ours.push(await perSocket(load, registry, true, count));
    await registry.stop();
    const server = await startRaw({}, profiling);
    raw.push(await perSocket(load, server, false, count));
    await server.stop();
  }
  const line = (id: string, measure: string, name: keyof PerSocket) => {
    const [a, b] = [median(ours.map((round) => round[name])), median(raw.map((round) => round[name]))];
    return { id, measure, value: a - b, ours: `${rounded(a)} KiB`, raw: `${rounded(b)} KiB` };
  };
  return [
    {
      ...line('P7', `KiB of an identified idle socket − a raw one, ${count} sockets, objects after a collection`, 'objects'),
      goal: { atMost: 8 },
    },
    line('P7 cold', 'the same with the cached document of each device counted in', 'cold'),
    line('P7 resident', 'the same by resident set of a fresh process', 'resident'),
  ];
};
