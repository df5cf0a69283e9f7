import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startReplicaSet } from '../test/dist/support/mongod.js';
import type { Bench, Measure, Result, Scale } from './measure.ts';
import { p6 } from './broadcast.ts';
import { p4 } from './live.ts';
import { p1 } from './measures/p1.ts';
import { p11 } from './measures/p11.ts';
import { p12 } from './measures/p12.ts';
import { p13 } from './measures/p13.ts';
import { p18 } from './measures/p18.ts';
import { p2 } from './measures/p2.ts';
import { p3 } from './measures/p3.ts';
import { p5 } from './measures/p5.ts';
import { p7 } from './measures/p7.ts';
import { p8 } from './measures/p8.ts';
import { p14, p15, p16 } from './mqtt.ts';
import { p10, p9 } from './realtime.ts';
import { startLoad } from './processes.ts';
import { keep, table } from './report.ts';

const measures: Readonly<Record<string, Measure>> = {
  P1: p1,
  P2: p2,
  P3: p3,
  P4: p4,
  P5: p5,
  P6: p6,
  P7: p7,
  P8: p8,
  P9: p9,
  P10: p10,
  P14: p14,
  P15: p15,
  P16: p16,
  P11: p11,
  P12: p12,
  P13: p13,
  P18: p18,
};

const full: Scale = {
  rounds: 5,
  ms: 3000,
  warmUpMs: 1500,
  many: 1_000_000,
  searched: 100_000,
  readYourWrites: 10_000,
  connections: 2000,
  idleSockets: 5000,
};
const quick: Scale = {
  rounds: 1,
  ms: 500,
  warmUpMs: 300,
  many: 10_000,
  searched: 4000,
  readYourWrites: 500,
  connections: 300,
  idleSockets: 300,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    small: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    profile: { type: 'string' },
  },
});
const unknown = positionals.filter((id) => measures[id] === undefined);
if (unknown.length > 0) throw new Error(`no such measure: ${unknown.join(', ')}; there are ${Object.keys(measures).join(', ')}`);

const closers: (() => Promise<unknown>)[] = [];
let replicaSet: ReturnType<typeof startReplicaSet> | undefined;
let databases = 0;
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const bench: Bench = {
  scale: {
    ...(values.quick ? quick : full),
    ...(values.small && { many: 100_000 }),
    ...(values.rounds !== undefined && { rounds: Number(values.rounds) }),
  },
  load: startLoad(),
  profiling: { folder: values.profile },
  async temporary() {
    const folder = await mkdtemp(join(tmpdir(), 'rollcall-bench-'));
    closers.push(() => rm(folder, { recursive: true, force: true }));
    return folder;
  },
  async database() {
    replicaSet ??= startReplicaSet(1);
    const started = await replicaSet;
    if ('skip' in started) throw new Error(`MongoDB is needed: ${started.skip}`);
    const url = new URL(started.uri);
    url.pathname = `/bench_${databases++}`;
    return String(url);
  },
  say,
};

// Ends through the handlers of `exit`, which end the other processes.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const results: Result[] = [];
try {
  for (const [id, measure] of Object.entries(measures)) {
    if (positionals.length > 0 && !positionals.includes(id)) continue;
    say(`${id} …`);
    const taken = await measure(bench);
    say(table(taken));
    results.push(...taken);
  }
  if (values.quick || values.small || values.profile !== undefined) say('A short or profiled run: its figures are not kept.');
  else await keep(results);
} finally {
  await bench.load.stop();
  for (const close of closers.reverse()) await close();
  const started = await replicaSet;
  if (started !== undefined && 'stop' in started) await started.stop();
}
