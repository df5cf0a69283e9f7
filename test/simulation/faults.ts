import type { Process } from './process.ts';
import type { ReplicaSet } from './replica-set.ts';
import type { World } from './world.ts';

/** What faults may touch. */
export interface Targets {
  readonly world: World;
  readonly set: ReplicaSet;
  readonly processes: () => readonly Process[];
  /** Ends a process at once and starts another one in its place. */
  replace(process: Process): void;
}

/** Every kind of fault; each one ends by itself. Returns how long it lasts, in milliseconds. */
const kinds = {
  cut: (process: Process, { world }: Targets) => {
    process.connection.trouble.cut = true;
    return healAfter(process, world, 500, 12_000);
  },
  stall: (process: Process, { world }: Targets) => {
    process.connection.trouble.stalled = true;
    if (world.random.chance(0.5)) process.connection.mute();
    return healAfter(process, world, 500, 12_000);
  },
  stale: (process: Process, { world, set }: Targets) => {
    process.connection.trouble.stale = set.committed;
    return healAfter(process, world, 1_000, 10_000);
  },
  loss: (process: Process, { world }: Targets) => {
    process.connection.trouble.loss = world.random.between(0.05, 0.5);
    return healAfter(process, world, 1_000, 8_000);
  },
  slow: (process: Process, { world }: Targets) => {
    process.connection.trouble.slowness = world.random.pick([30, 300, 2_000, 7_000]);
    process.connection.trouble.streamSlowness = world.random.pick([0, 30, 1_000, 3_000]);
    return healAfter(process, world, 1_000, 8_000);
  },
  election: (_: Process, { world, set }: Targets) => {
    const ms = world.random.between(1_000, 4_500);
    set.elect(ms, world.random.pick([0, 0, 1, world.random.next()]));
    return ms;
  },
  stop: (process: Process, { world }: Targets) => {
    const ms = world.random.between(200, 12_000);
    process.host.stop(world.random.chance(0.3));
    world.after(ms, process.host.resume);
    return ms;
  },
  kill: (process: Process, targets: Targets) => {
    targets.replace(process);
    return 0;
  },
  clock: (process: Process, { world }: Targets) => {
    process.host.shiftWall(world.random.between(-30_000, 30_000));
    return 0;
  },
  forget: (_: Process, { set }: Targets) => {
    set.truncate();
    return 0;
  },
} as const;

const healAfter = (process: Process, world: World, low: number, high: number): number => {
  const ms = world.random.between(low, high);
  world.after(ms, process.connection.heal);
  return ms;
};

/** A fault that was made: of which kind, on whom, and when it ended. True times, in milliseconds. */
export interface Fault {
  readonly kind: FaultKind;
  readonly node: string;
  readonly from: number;
  readonly to: number;
}

export type FaultKind = keyof typeof kinds;

/** Lets one random fault happen to one random process, and says which. */
export const strike = (targets: Targets): Fault => {
  const { random, time } = targets.world;
  const kind = random.pick(Object.keys(kinds) as FaultKind[]);
  const process = random.pick(targets.processes());
  return { kind, node: process.name, from: time, to: time + kinds[kind](process, targets) };
};
