import { connect, type Client } from '@rollcall/client';
import { freshDatabase, startNode, type NodeProcess } from '../realtime/support/processes.ts';
import { startLone, type Lone } from '../realtime/support/lone.ts';
import { register, type Made } from '../support/meshblu.ts';
import { until } from '../support/until.ts';

const devices = 12;
const quick = { autoSetOnline: false, backoff: { minMs: 20, maxMs: 500 }, callTimeoutMs: 60_000 };
/** Within this time presence is right again (P7), the time that a started process takes included. */
const rightMs = 20_000;

const chance = <T>(from: readonly T[]): T => from[Math.floor(Math.random() * from.length)] as T;

/** Kills clients and nodes over and over; after each blow presence becomes what is true, and at the end nobody is stuck. */
export const crashCycles = async (uri: string, cycles: number, say: (text: string) => void): Promise<void> => {
  const database = freshDatabase(uri);
  const ports = ['0', '0'];
  const nodes: NodeProcess[] = [];
  const startAt = async (index: number): Promise<void> => {
    nodes[index] = await startNode(database, { ROLLCALL_PORT: ports[index] ?? '0' });
    ports[index] = new URL(nodes[index]?.url ?? '').port;
  };
  // The watcher's node is never killed.
  const steady = await startNode(database);
  for (const index of ports.keys()) await startAt(index);
  const watcher: Client = await connect(steady.url, {}, quick);
  const made: Made[] = [];
  for (let index = 0; index < devices; index += 1) made.push(await register(steady.url));
  const lones = new Map<Made, Lone>();

  const isOnline = async ({ uuid }: Made): Promise<boolean> => (await watcher.device({ uuid })).device.online === true;
  /** Clients come back by themselves, also to a node that was killed and started again. */
  const isRight = async (): Promise<boolean> => {
    for (const device of made) if ((await isOnline(device)) !== lones.has(device)) return false;
    return true;
  };

  const blows: Readonly<Record<string, () => Promise<void>>> = {
    async 'a client is killed'() {
      const device = chance(made);
      const lone = lones.get(device);
      lones.delete(device);
      await lone?.end();
    },
    async 'a client starts'() {
      const device = chance(made);
      if (!lones.has(device)) lones.set(device, await startLone(chance(nodes).url, device));
    },
    async 'a node is killed and starts again'() {
      const index = Math.floor(Math.random() * nodes.length);
      nodes[index]?.signal('SIGKILL');
      await startAt(index);
    },
  };

  try {
    for (let cycle = 1; cycle <= cycles; cycle += 1) {
      const name = chance(Object.keys(blows));
      await blows[name]?.();
      if (cycle % 5 === 0 || cycle === cycles) await until(isRight, rightMs);
      if (cycle % 25 === 0) say(`${cycle} crash cycles, ${lones.size} of ${devices} on line`);
    }
    for (const lone of lones.values()) await lone.end();
    lones.clear();
    await until(isRight, rightMs);
    say(`${cycles} crash cycles: no device is stuck`);
  } finally {
    for (const lone of lones.values()) await lone.end();
    watcher.close();
    await Promise.all([steady, ...nodes].map((node) => node.stop()));
  }
};
