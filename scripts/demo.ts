import { setMaxListeners } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Client, Device } from '@rollcall/client';
import { connect } from '@rollcall/client';
import { createRegistry } from '@rollcall/server';

/**
 * `npm run demo -- [--seconds N] [--devices N]`: a registry in memory, simulated devices that come, change, send messages and drop, and a table
 * that follows them by a live query of the client. Without a terminal it prints a line each second. Ends after N seconds, or by Ctrl-C.
 */
const { values } = parseArgs({ options: { seconds: { type: 'string' }, devices: { type: 'string', default: '50' } } });
const count = Number(values.devices);
const ending = new AbortController();
setMaxListeners(0, ending.signal);
const end = (): void => ending.abort();
process.once('SIGINT', end);
process.once('SIGTERM', end);
if (values.seconds !== undefined) setTimeout(end, Number(values.seconds) * 1000).unref();

const kinds = ['lamp', 'door', 'meter', 'fan', 'sensor'] as const;
const places = ['hall', 'attic', 'garage', 'kitchen', 'garden', 'office'] as const;
const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;
const between = (least: number, most: number): number => least + Math.random() * (most - least);

const figures = { updates: 0, messages: 0, drops: 0, heard: 0, changes: 0 };

/** Waits unless the demo ends; false if it does. */
const pause = async (ms: number): Promise<boolean> =>
  wait(ms, undefined, { signal: ending.signal }).then(
    () => true,
    () => false,
  );

/** The life of one device: it comes, changes a few times, drops, and comes again as the same one. */
const live = async (url: string, index: number, viewer: string): Promise<void> => {
  const type = kinds[index % kinds.length] ?? 'lamp';
  const { signal } = ending;
  let client: Client = await connect(url, {}, { signal });
  signal.addEventListener('abort', () => client.close());
  const { credentials } = client;
  await client.update({
    type,
    name: `${pick(places)} ${type}`,
    meshblu: { version: '2.0.0', whitelists: { discover: { view: [{ uuid: viewer }] } } },
  });
  while (await pause(between(300, 2000))) {
    const chance = Math.random();
    if (chance < 0.7) {
      await client.update({ value: Math.round(between(0, 1000)) / 10 });
      figures.updates += 1;
      continue;
    }
    if (chance < 0.9) {
      await client.message({ devices: [viewer], topic: 'reading', payload: { value: between(0, 100) } });
      figures.messages += 1;
      continue;
    }
    client.close();
    figures.drops += 1;
    if (!(await pause(between(500, 4000)))) return;
    client = await connect(url, credentials, { signal });
  }
};

interface Seen {
  readonly uuid: string;
  readonly online: boolean;
  readonly name: string;
  readonly value: string;
  readonly rev: number;
  readonly at: string;
}

/** The rows of the live query as the table shows them, sorted by name. */
const seenIn = (devices: readonly Device[]): readonly Seen[] =>
  devices
    .map(({ uuid, online, meshblu = {}, name, value }) => ({
      uuid,
      online: online === true,
      name: typeof name === 'string' ? name : '',
      value: typeof value === 'number' ? String(value) : '',
      rev: Number(meshblu['rev']),
      at: typeof meshblu['updatedAt'] === 'string' ? meshblu['updatedAt'].slice(11, 19) : '',
    }))
    .sort((one, other) => one.name.localeCompare(other.name) || one.uuid.localeCompare(other.uuid));

const summary = (seen: readonly Seen[]): string => {
  const online = seen.filter((device) => device.online).length;
  return `${seen.length} devices, ${online} online; ${figures.updates} updates, ${figures.messages} messages, ${figures.drops} drops; ${figures.changes} changes and ${figures.heard} messages seen`;
};

/** Width of one device in the table, in characters. */
const cellWidth = 58;

const cell = ({ uuid, online, name, value, rev, at }: Seen): string => {
  const lamp = online ? '\u001B[32m●\u001B[0m' : '\u001B[90m○\u001B[0m';
  return `${lamp} ${uuid.slice(0, 8)}  ${name.padEnd(16)} ${value.padStart(6)}  rev ${String(rev).padStart(4)}  ${at}`;
};

/** As many devices as the terminal holds, in columns, from the top left corner on. */
const table = (seen: readonly Seen[]): string => {
  const height = Math.max(1, (process.stdout.rows || 24) - 5);
  const columns = Math.max(1, Math.floor((process.stdout.columns || 80) / cellWidth));
  const shown = seen.slice(0, height * columns);
  const lines = Array.from({ length: Math.ceil(shown.length / columns) }, (_, row) =>
    shown
      .slice(row * columns, (row + 1) * columns)
      .map(cell)
      .join('   '),
  );
  const more = seen.length > shown.length ? [`… and ${seen.length - shown.length} more`] : [];
  return ['\u001B[H\u001B[J' + summary(seen), '', ...lines, ...more, ''].join('\n');
};

const registry = await createRegistry({ dataDir: ':memory:', port: 0, logLevel: 'error', callsPerMinute: 0 });
const viewer = await connect(registry.url, {}, { autoSetOnline: false });
viewer.on('message', () => void (figures.heard += 1));
const query = await viewer.live({ type: { $in: [...kinds] } });
query.on('change', () => void (figures.changes += 1));
const lives = Array.from({ length: count }, (_, index) => live(registry.url, index, viewer.credentials.uuid));
const failed = Promise.all(lives).catch((error: unknown) => {
  if (ending.signal.aborted) return;
  console.error(error);
  process.exitCode = 1;
  end();
});

console.log(`registry ${registry.url}; Ctrl-C ends it`);
while (!ending.signal.aborted) {
  const seen = seenIn(query.rows);
  process.stdout.write(process.stdout.isTTY ? table(seen) : `${summary(seen)}\n`);
  await pause(1000);
}
await failed;
query.close();
viewer.close();
await registry.close();
