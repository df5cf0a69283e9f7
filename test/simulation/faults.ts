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

/** Every kind of fault; each one ends by itself. */
const kinds = {
  cut: (process: Process, { world }: Targets) => {
    process.connection.trouble.cut = true;
    world.after(world.random.between(500, 12_000), process.connection.heal);
  },
  stall: (process: Process, { world }: Targets) => {
    process.connection.trouble.stalled = true;
    world.after(world.random.between(500, 12_000), process.connection.heal);
  },
  stale: (process: Process, { world, set }: Targets) => {
    process.connection.trouble.stale = set.committed;
    world.after(world.random.between(1_000, 10_000), process.connection.heal);
  },
  loss: (process: Process, { world }: Targets) => {
    process.connection.trouble.loss = world.random.between(0.05, 0.5);
    world.after(world.random.between(1_000, 8_000), process.connection.heal);
  },
  slow: (process: Process, { world }: Targets) => {
    process.connection.trouble.slowness = world.random.pick([30, 300, 2_000, 7_000]);
    world.after(world.random.between(1_000, 8_000), process.connection.heal);
  },
  election: (_: Process, { world, set }: Targets) => {
    set.elect(world.random.between(1_000, 4_500), world.random.pick([0, 0, 1, world.random.next()]));
  },
  stop: (process: Process, { world }: Targets) => {
    process.host.stop(world.random.chance(0.3));
    world.after(world.random.between(200, 12_000), process.host.resume);
  },
  kill: (process: Process, targets: Targets) => targets.replace(process),
  clock: (process: Process, { world }: Targets) => process.host.shiftWall(world.random.between(-30_000, 30_000)),
  forget: (_: Process, { set }: Targets) => set.truncate(),
} as const;

export type FaultKind = keyof typeof kinds;

/** Lets one random fault happen to one random process, and says which. */
export const strike = (targets: Targets): string => {
  const { random } = targets.world;
  const kind = random.pick(Object.keys(kinds) as FaultKind[]);
  const process = random.pick(targets.processes());
  kinds[kind](process, targets);
  return `${kind} ${process.name}`;
};
