import { callerUuid, callers, deviceUuid, groupFilter, randomDeviceOf, tokenOf, type Population } from '../population.ts';
import type { CallsJob, Loop, ReadYourWriteJob } from './jobs.ts';
import { recorded, together } from './loop.ts';
import { connect, type Wire } from './wire.ts';

/** The handshake of our client for this device. */
export const handshake = (uuid: string, setsOnline = false): Record<string, unknown> => ({
  sdk: '0',
  uuid,
  token: tokenOf(uuid),
  auto_set_online: setsOnline,
});

/** Connects a socket; identified it is the caller of its number. */
const connectAs = (url: string, caller: number | null): Promise<Wire> =>
  caller === null ? connect(url) : connect(url, { auth: handshake(callerUuid(caller)), readyAt: 'ready' });

let written = 0;

/** The arguments of one call, with empty call options as our client sends them. */
const argumentsOf = (event: CallsJob['event'], caller: number, population: Population): string => {
  const index = randomDeviceOf(caller, population);
  if (event === 'devices') return `${JSON.stringify(groupFilter(index, population))},{}`;
  if (event === 'device') return `{"uuid":"${deviceUuid(index)}"},{}`;
  written += 1;
  return `{"uuid":"${deviceUuid(index)}","value":${written}},{}`;
};

/** Runs a closed loop of calls. A socket whose caller's number is used twice shares its devices with the other. */
export const runCalls = async (job: CallsJob): Promise<Loop> => {
  const wires = await Promise.all(
    Array.from({ length: job.sockets }, (_, index) => connectAs(job.url, job.identified ? index % callers : null)),
  );
  const loop = await recorded(job, (recorder) =>
    together(
      job.sockets * job.inFlight,
      (index) =>
        new Promise<void>((resolve, reject) => {
          const caller = index % job.sockets;
          const wire = wires[caller] as Wire;
          wire.closed.then(() => reject(new Error('the server closed a connection')), reject);
          let beganAt = 0;
          const acknowledge = (answer: string): void => {
            if (answer.startsWith('[{"error"')) recorder.failed(answer);
            else recorder.completed(beganAt);
            send();
          };
          const send = (): void => {
            if (!recorder.isRunning()) return resolve();
            beganAt = performance.now();
            wire.call(job.event, argumentsOf(job.event, caller % callers, job.population), acknowledge);
          };
          send();
        }),
    ),
  );
  wires.forEach((wire) => wire.close());
  await Promise.all(wires.map(({ closed }) => closed));
  return loop;
};

const ask = (wire: Wire, event: string, input: unknown): Promise<unknown> =>
  new Promise((resolve) => {
    wire.call(event, `${JSON.stringify(input)},{}`, (answer) => resolve((JSON.parse(answer) as unknown[])[0]));
  });

/** Counts queries that do not see an update that was acknowledged before they were sent. */
export const runReadYourWrite = async (job: ReadYourWriteJob): Promise<Loop> => {
  const pairs = await Promise.all(
    Array.from({ length: job.sockets }, async (_, caller) => ({
      writer: await connectAs(job.url, caller),
      reader: await connectAs(job.url, caller),
    })),
  );
  let begun = 0;
  const loop = await recorded({ warmUpMs: 0, ms: 3_600_000 }, (recorder) =>
    together(job.sockets, async (caller) => {
      const { writer, reader } = pairs[caller] as (typeof pairs)[number];
      while (begun < job.count) {
        const number = begun++;
        const index = randomDeviceOf(caller, job.population);
        const uuid = deviceUuid(index);
        const value = `${process.pid} ${number}`;
        const beganAt = performance.now();
        const answer = await ask(writer, 'update', { uuid, value });
        const found = await ask(number % 2 === 0 ? writer : reader, 'devices', { ...groupFilter(index, job.population), value });
        if (JSON.stringify(found).includes(`"uuid":"${uuid}"`)) recorder.completed(beganAt);
        else recorder.failed(`${JSON.stringify(answer)} ${JSON.stringify(found)}`);
      }
    }),
  );
  for (const { writer, reader } of pairs) [writer, reader].forEach((wire) => wire.close());
  return loop;
};
