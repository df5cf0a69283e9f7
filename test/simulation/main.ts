import { parseArgs } from 'node:util';
import { runSchedule } from './schedule.ts';

/** `node test/dist/simulation/main.js --seed N --schedules N`: runs schedules from a seed on; a failing one is printed and can be run alone. */
const { values } = parseArgs({
  options: { seed: { type: 'string' }, schedules: { type: 'string', default: '1' }, verbose: { type: 'boolean' } },
});
const first = values.seed === undefined ? Math.floor(Math.random() * 1_000_000_000) : Number(values.seed);
const schedules = Number(values.schedules);
const started = performance.now();
const failed: number[] = [];
let calls = 0;
let revoked = 0;

process.stdout.write(`simulation: seed ${first}, ${schedules} schedules\n`);
for (let seed = first; seed < first + schedules; seed += 1) {
  const { broken, faults, history } = await runSchedule(seed);
  calls += history.calls.length;
  revoked += history.revoked.length;
  if (values.verbose)
    process.stdout.write(`${JSON.stringify({ faults, calls: history.calls, revoked: history.revoked }, null, 1)}\n`);
  if (broken.length === 0) continue;
  failed.push(seed);
  process.stdout.write(
    `seed ${seed}:\n  ${broken.slice(0, 10).join('\n  ')}\n  faults: ${faults}\n  again: --seed ${seed} --schedules 1\n`,
  );
}
const seconds = ((performance.now() - started) / 1000).toFixed(1);
process.stdout.write(
  `${schedules - failed.length} held, ${failed.length} failed; ${calls} calls, ${revoked} ends of sessions, ${seconds} s\n`,
);
process.exitCode = failed.length === 0 ? 0 : 1;
