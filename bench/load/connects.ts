import { deviceUuid } from '../population.ts';
import { handshake } from './calls.ts';
import type { ConnectsJob, HoldJob, Loop } from './jobs.ts';
import { recorded, together } from './loop.ts';
import { connect, type Wire } from './wire.ts';

const held: Wire[] = [];

const closeAll = async (wires: readonly Wire[]): Promise<void> => {
  wires.forEach((wire) => wire.close());
  await Promise.all(wires.map(({ closed }) => closed));
};

const open = async (
  job: { readonly url: string; readonly identified: boolean; readonly count: number },
  atOnce: number,
  setsOnline: boolean,
  each: (beganAt: number, wire: Wire) => void,
): Promise<void> => {
  let begun = 0;
  await together(atOnce, async () => {
    while (begun < job.count) {
      const uuid = deviceUuid(begun++);
      const beganAt = performance.now();
      const options = job.identified ? { auth: handshake(uuid, setsOnline), readyAt: 'ready' } : {};
      each(beganAt, await connect(job.url, options));
    }
  });
};

/** Connects all sockets, so many at once, and closes them when all are connected. */
export const runConnects = async (job: ConnectsJob): Promise<Loop> => {
  const wires: Wire[] = [];
  const beganAt = performance.now();
  const loop = await recorded({ warmUpMs: 0, ms: 3_600_000 }, (recorder) =>
    open(job, job.atOnce, job.setsOnline, (began, wire) => {
      recorder.completed(began);
      wires.push(wire);
    }),
  );
  const seconds = (performance.now() - beganAt) / 1000;
  await closeAll(wires);
  return { ...loop, perSecond: job.count / seconds };
};

let lost = 0;

/** Connects all sockets and keeps them. */
export const hold = async (job: HoldJob): Promise<void> => {
  await open(job, 64, false, (_, wire) => {
    held.push(wire);
    void wire.closed.then(() => (lost += 1));
  });
};

/** Closes what is kept; fails if a connection was lost before. */
export const release = async (): Promise<void> => {
  const before = lost;
  await closeAll(held.splice(0));
  lost = 0;
  if (before > 0) throw new Error(`${before} idle connections were lost`);
};
