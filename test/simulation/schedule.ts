import { check } from './checks.ts';
import { openTraffic } from './clients.ts';
import { strike } from './faults.ts';
import { openHistory, type History } from './history.ts';
import { startProcess, type Breaks, type Process } from './process.ts';
import { openPeers } from './peers.ts';
import { openReplicaSet } from './replica-set.ts';
import { openWorld } from './world.ts';

/** What one schedule came to. The same seed and breaks give the same outcome. */
export interface Outcome {
  readonly seed: number;
  readonly broken: readonly string[];
  /** What was done to the nodes, in short. */
  readonly faults: string;
  readonly history: History;
}

/** Length of the time with faults, and of the quiet time after it, in milliseconds. */
const ACTION_MS = 30_000;
const QUIET_MS = 26_000;

/** Runs several nodes on one simulated replica set under faults that the seed decides, then checks the promises. */
export const runSchedule = async (seed: number, breaks: Breaks = {}): Promise<Outcome> => {
  const world = openWorld(seed);
  const { random } = world;
  const set = openReplicaSet(world);
  const history = openHistory();
  let started = 0;
  const start = (): Process => startProcess(world, set, `node-${(started += 1)}`, history, breaks);
  let processes: Process[] = Array.from({ length: random.whole(2, 3) }, start);
  const targets = {
    world,
    set,
    processes: () => processes,
    replace(process: Process) {
      process.host.kill();
      processes = processes.map((one) => (one === process ? start() : one));
    },
  };

  const traffic = openTraffic({
    world,
    set,
    history,
    processes: () => processes,
    clients: random.whole(3, 5),
    documents: random.whole(2, 6),
  });
  const peers = openPeers({ world, set, history, processes: () => processes, count: random.whole(2, 4) });
  await world.runUntil(3_000);

  const keepActing = (): void => {
    traffic.act();
    if (random.chance(0.5)) peers.act();
    if (world.time < ACTION_MS) world.after(random.between(5, 150), keepActing);
  };
  keepActing();
  const isCalm = random.chance(0.05);
  const keepStriking = (): void => {
    history.faults.push(strike(targets));
    if (world.time < ACTION_MS - 6_000) world.after(random.between(200, 5_000), keepStriking);
  };
  if (!isCalm) world.after(random.between(100, 3_000), keepStriking);
  await world.runUntil(ACTION_MS);
  for (const { host, connection } of processes) {
    host.resume();
    connection.heal();
  }
  await world.runUntil(ACTION_MS + QUIET_MS);

  const broken = check(history, set, processes, world.time);
  if (isCalm) {
    for (const { outcome, effect } of history.calls) if (outcome === 'unavailable') broken.push(`calm: ${effect} was not served`);
    for (const { session, begun, time } of history.revoked)
      if (time - begun > 1_000) broken.push(`P8 the end of ${session} took ${Math.round(time - begun)} ms`);
  }
  for (const { host } of processes) host.kill();
  const faults = history.faults
    .map(({ kind, node, from, to }) => `${kind} ${node} ${Math.round(from)}-${Math.round(to)}`)
    .join(', ');
  return { seed, broken, faults, history };
};
