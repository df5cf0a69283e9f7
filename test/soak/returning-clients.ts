import { connect, type Client } from '@rollcall/client';
import { startGate } from '../realtime/support/gate.ts';
import { freshDatabase, startNode } from '../realtime/support/processes.ts';
import { until } from '../support/until.ts';

const options = { autoSetOnline: true, timeoutMs: 300_000, callTimeoutMs: 300_000 };
/** Connections that are made at the same time at the beginning. */
const atOnce = 100;

/** Cuts all clients off at once and lets them back: none is lost, each gets what it missed, once. */
export const returningClients = async (uri: string, count: number, say: (text: string) => void): Promise<void> => {
  const node = await startNode(freshDatabase(uri));
  const gate = await startGate(node.url);
  const speaker = await connect(node.url, {}, options);
  const clients: Client[] = [];
  const got: number[][] = [];
  let resyncs = 0;
  let next = 0;
  const come = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const client = await connect(gate.url, {}, options);
      clients.push(client);
      const mine: number[] = (got[index] = []);
      client.on('message', ({ payload }) => typeof payload === 'number' && mine.push(payload));
      client.on('resync', () => (resyncs += 1));
      await client.subscribe({ uuid: speaker.credentials.uuid, types: ['broadcast'] });
    }
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, come));
    say(`${count} clients are connected`);
    for (let payload = 0; payload < 5; payload += 1) await speaker.message({ devices: '*', payload });
    await until(() => got.every((mine) => mine.length === 5), 60_000);
    gate.shut();
    await until(() => clients.every(({ state }) => state !== 'ready'), 60_000);
    for (let payload = 5; payload < 15; payload += 1) await speaker.message({ devices: '*', payload });
    const begun = performance.now();
    gate.open();
    await until(() => clients.every(({ state }) => state === 'ready'), 300_000);
    await until(() => got.every((mine) => mine.length >= 15), 60_000);
    say(`${count} clients are back after ${((performance.now() - begun) / 1000).toFixed(1)} s`);
    const wrong = got.filter((mine) => mine.length !== 15 || mine.some((payload, index) => payload !== index)).length;
    if (wrong > 0 || resyncs > 0)
      throw new Error(`${wrong} clients have not got every message once and in order, ${resyncs} were told resync`);
  } finally {
    for (const client of clients) client.close();
    speaker.close();
    gate.close();
    await node.stop();
  }
};
