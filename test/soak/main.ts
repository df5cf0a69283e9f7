import { parseArgs } from 'node:util';
import { startReplicaSet } from '../support/mongod.ts';
import { crashCycles } from './crash-cycles.ts';
import { returningClients } from './returning-clients.ts';

/**
 * The long runs with real processes: `node test/dist/soak/main.js`.
 *
 * `--cycles 500`: nodes and clients are killed and started again; afterwards no device may be shown as what it is not. `--clients 10000`: all of them
 * are cut off at once and come back, and each has to have every message. 0 leaves a part out.
 */
const { values } = parseArgs({
  options: { cycles: { type: 'string', default: '500' }, clients: { type: 'string', default: '10000' } },
});
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const set = await startReplicaSet(1);
if ('skip' in set) throw new Error(set.skip);
try {
  if (Number(values.cycles) > 0) await crashCycles(set.uri, Number(values.cycles), say);
  if (Number(values.clients) > 0) await returningClients(set.uri, Number(values.clients), say);
  say('all promises were kept');
} finally {
  await set.stop();
}
