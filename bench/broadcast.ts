import { fillEmbedded } from './fill.ts';
import { handshake } from './load/calls.ts';
import { together } from './load/loop.ts';
import { connect, type Wire } from './load/wire.ts';
import type { Measure } from './measure.ts';
import { deviceUuid, type Population } from './population.ts';
import { startRaw, startRegistry, type Served } from './processes.ts';
import { interleaved, median, ratio, rounded } from './statistics.ts';

const listeners = 1_000;
/** Broadcasts of one round, each sent when the one before has reached everybody. */
const broadcasts = 50;

/** Something said to everybody; resolves when all have heard it. */
type Say = (n: number) => Promise<unknown>;

interface Round {
  /** Broadcasts in a second. */
  readonly perSecond: number;
  /** The server's processor time for one broadcast to all, in microseconds. */
  readonly processorUs: number;
}

/** Connects so many listeners; `heard` resolves for a number when it has come to all of them. */
const listen = async (
  server: Served,
  auth: (index: number) => Record<string, unknown> | undefined,
  join: (wire: Wire) => Promise<unknown>,
) => {
  const wires: Wire[] = [];
  const waiting = new Map<number, { left: number; done: () => void }>();
  let next = 0;
  await together(64, async () => {
    while (next < listeners) {
      const shown = auth(next++);
      const wire = await connect(server.url, {
        ...(shown !== undefined && { auth: shown, readyAt: 'ready' }),
        onEvent(name, [message]) {
          if (name !== 'message') return;
          const wait = waiting.get((message as { payload: number }).payload);
          if (wait !== undefined && (wait.left -= 1) === 0) wait.done();
        },
      });
      wires.push(wire);
      await join(wire);
    }
  });
  const heard = (n: number): Promise<void> => new Promise((done) => waiting.set(n, { left: listeners, done }));
  return { wires, heard };
};

const call = (wire: Wire, event: string, argumentsJson: string): Promise<string> =>
  new Promise((resolve, reject) =>
    wire.call(event, argumentsJson, (answer) => (answer.includes('"error"') ? reject(new Error(answer)) : resolve(answer))),
  );

let said = 0;

const round = (server: Served, say: Say) => async (): Promise<Round> => {
  const processor = server.processorMs();
  const begun = performance.now();
  for (let n = 0; n < broadcasts; n += 1) await say((said += 1));
  const seconds = (performance.now() - begun) / 1_000;
  return { perSecond: broadcasts / seconds, processorUs: ((server.processorMs() - processor) * 1_000) / broadcasts };
};

/** One broadcast to a thousand listeners, each asked for its permission, against a broadcast to a room of plain Socket.IO. */
export const p6: Measure = async ({ scale, temporary, profiling }) => {
  const dataDir = await temporary();
  const population: Population = { devices: listeners, groupSize: 1, bytes: 300 };
  await fillEmbedded(dataDir, { ...population, withToken: listeners });
  const [registry, raw] = [await startRegistry({ dataDir }, profiling), await startRaw({}, profiling)];

  const response = await fetch(`${registry.url}/devices`, { method: 'POST' });
  const hub = (await response.json()) as { uuid: string; token: string };
  const ours = await listen(
    registry,
    (index) => handshake(deviceUuid(index)),
    (wire) => call(wire, 'subscribe', `{"uuid":"${hub.uuid}","types":["broadcast"]},{}`),
  );
  const theirs = await listen(
    raw,
    () => undefined,
    (wire) => call(wire, 'join', '"hub"'),
  );
  const speaker = await connect(registry.url, { auth: { sdk: '0', ...hub, auto_set_online: false }, readyAt: 'ready' });
  const rawSpeaker = await connect(raw.url);

  const rounds = await interleaved(scale.rounds, {
    ours: round(registry, (n) => Promise.all([ours.heard(n), call(speaker, 'message', `{"devices":["*"],"payload":${n}},{}`)])),
    raw: round(raw, (n) =>
      Promise.all([
        theirs.heard(n),
        call(rawSpeaker, 'relay', `"hub",{"devices":["*"],"payload":${n},"fromUuid":"${hub.uuid}"}`),
      ]),
    ),
  });
  for (const wire of [...ours.wires, ...theirs.wires, speaker, rawSpeaker]) wire.close();
  await Promise.all([registry.stop(), raw.stop()]);

  const of = (all: readonly Round[], figure: keyof Round): number[] => all.map((one) => one[figure]);
  const described = (all: readonly Round[]): string =>
    `${rounded(median(of(all, 'perSecond')))} per second, ${rounded(median(of(all, 'processorUs')))} µs of processor`;
  return [
    {
      id: 'P6',
      measure: `broadcasts to ${listeners} listeners with permission ÷ to a room of plain Socket.IO`,
      value: ratio(of(rounds.ours, 'perSecond'), of(rounds.raw, 'perSecond')),
      goal: { atLeast: 0.5 },
      ours: described(rounds.ours),
      raw: described(rounds.raw),
    },
    {
      id: 'P6 processor',
      measure: 'P6 by processor time of the server: raw ÷ ours',
      value: ratio(of(rounds.raw, 'processorUs'), of(rounds.ours, 'processorUs')),
      ours: described(rounds.ours),
      raw: described(rounds.raw),
    },
  ];
};
