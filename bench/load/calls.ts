import { setTimeout } from 'node:timers/promises';
import { callerUuid, callers, deviceUuid, groupFilter, randomDeviceOf, tokenOf, type Population } from '../population.ts';
import type { CallsJob, Loop, ReadYourWriteJob } from './jobs.ts';
import { recorded, together, type Recorder } from './loop.ts';
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

/** Sends the next call on the socket of this number; `then` is told its answer. */
type Send = (caller: number, then: (answer: string) => void) => void;

const note = (recorder: Recorder, beganAt: number, answer: string): void => {
  if (answer.startsWith('[{"error"')) recorder.failed(answer);
  else recorder.completed(beganAt);
};

/** One lane of a closed loop: the next call goes out when the one before is answered. */
const inTurn = (recorder: Recorder, send: Send, caller: number): Promise<void> =>
  new Promise((resolve) => {
    const next = (): void => {
      if (!recorder.isRunning()) return resolve();
      const beganAt = performance.now();
      send(caller, (answer) => {
        note(recorder, beganAt, answer);
        next();
      });
    };
    next();
  });

/** Calls at a steady rate; a late answer counts from the time at which its call was due. */
const atRate = async (recorder: Recorder, send: Send, job: CallsJob, perSecond: number): Promise<void> => {
  const from = performance.now();
  let sent = 0;
  let answered = 0;
  while (recorder.isRunning()) {
    for (const due = ((performance.now() - from) / 1000) * perSecond; sent < due; sent += 1) {
      const dueAt = from + (sent * 1000) / perSecond;
      send(sent % job.sockets, (answer) => {
        answered += 1;
        note(recorder, dueAt, answer);
      });
    }
    await setTimeout(1);
  }
  while (answered < sent) await setTimeout(5);
};

/** Makes the calls of a job. Two sockets with the same caller share its devices. */
export const runCalls = async (job: CallsJob): Promise<Loop> => {
  const wires = await Promise.all(
    Array.from({ length: job.sockets }, (_, index) => connectAs(job.url, job.identified ? index % callers : null)),
  );
  const lost = Promise.race(wires.map(({ closed }) => closed)).then(() => {
    throw new Error('the server closed a connection');
  });
  lost.catch(() => undefined);
  const send: Send = (caller, then) =>
    (wires[caller] as Wire).call(job.event, argumentsOf(job.event, caller % callers, job.population), then);
  const loop = await recorded(job, async (recorder) => {
    const calls =
      job.perSecond === undefined
        ? together(job.sockets * job.inFlight, (index) => inTurn(recorder, send, index % job.sockets))
        : atRate(recorder, send, job, job.perSecond);
    await Promise.race([calls, lost]);
  });
  wires.forEach((wire) => wire.close());
  await Promise.all(wires.map(({ closed }) => closed));
  return loop;
};

/** Asks until there is an answer that is no failure: `busy` and `unavailable` say nothing about what is seen. */
const ask = async (wire: Wire, event: string, input: unknown): Promise<string> => {
  for (;;) {
    const answer = await new Promise<string>((resolve) => wire.call(event, `${JSON.stringify(input)},{}`, resolve));
    if (!answer.startsWith('[{"error"')) return answer;
    await setTimeout(50);
  }
};

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
        if (found.includes(`"uuid":"${uuid}"`)) recorder.completed(beganAt);
        else recorder.failed(`${answer} ${found}`);
      }
    }),
  );
  for (const { writer, reader } of pairs) [writer, reader].forEach((wire) => wire.close());
  return loop;
};
