import { fillEmbedded } from '../fill.ts';
import type { CallsJob } from '../load/jobs.ts';
import { connect } from '../load/wire.ts';
import { handshake } from '../load/calls.ts';
import type { Measure } from '../measure.ts';
import { describedServer, each, observe } from '../observe.ts';
import { callerUuid, deviceUuid, type Population } from '../population.ts';
import { startRaw, startRegistry } from '../processes.ts';
import { interleaved, ratio } from '../statistics.ts';

const population: Population = { devices: 1000, groupSize: 1, bytes: 1000 };

/** What the registry answers to `device`, as JSON: the raw server sends the same bytes. */
const sampleAnswer = async (url: string): Promise<string> => {
  const wire = await connect(url, { auth: handshake(callerUuid(0)), readyAt: 'ready' });
  const answer = await new Promise<string>((resolve) => wire.call('device', `{"uuid":"${deviceUuid(0)}"},{}`, resolve));
  wire.close();
  return JSON.stringify((JSON.parse(answer) as unknown[])[0]);
};

/** `device` by id with its permission check, against an acknowledged answer of the same bytes by Socket.IO alone. */
export const p1: Measure = async ({ scale, load, temporary, profiling }) => {
  const dataDir = await temporary();
  await fillEmbedded(dataDir, { ...population, withToken: 0 });
  const registry = await startRegistry({ dataDir }, profiling);
  const answer = await sampleAnswer(registry.url);
  const raw = await startRaw({ answer }, profiling);
  const job: Omit<CallsJob, 'url' | 'identified'> = {
    kind: 'calls',
    event: 'device',
    sockets: 100,
    inFlight: 16,
    population,
    ...scale,
  };
  const rounds = await interleaved(scale.rounds, {
    raw: () => observe(load, raw, { ...job, url: raw.url, identified: false }),
    ours: () => observe(load, registry, { ...job, url: registry.url, identified: true }),
  });
  await Promise.all([raw.stop(), registry.stop()]);
  const texts = { ours: describedServer(rounds.ours), raw: describedServer(rounds.raw) };
  return [
    {
      id: 'P1',
      measure: `device by id with permission check ÷ raw acknowledged answer of the same ${answer.length} bytes, 100 sockets × 16 in flight`,
      value: ratio(each(rounds.ours, 'perSecond'), each(rounds.raw, 'perSecond')),
      goal: { atLeast: 0.6 },
      ...texts,
    },
    {
      id: 'P1 processor',
      measure: 'the same by processor time of the server: raw ÷ ours',
      value: ratio(each(rounds.raw, 'processorUs'), each(rounds.ours, 'processorUs')),
      ...texts,
    },
  ];
};
