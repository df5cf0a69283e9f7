import { writeSync } from 'node:fs';
import { openEmbedded } from '@rollcall/server/store';
import { thing } from './thing.ts';

/**
 * Writes as fast as it can until it is killed, and says what was acknowledged: `<id> <rev>`, rev 0 for a removed document.
 *
 * A line leaves the process before the next write of that document begins. Arguments: data file, round, number of writers.
 */
const [path = '', round = '', writers = ''] = process.argv.slice(2);
const { db } = await openEmbedded(path, { journal: { events: 10_000_000, bytes: 2 ** 40 } });
const things = db.collection<{ _id: string; rev: number }>('things');
await things.createIndex({ key: 1 }, { unique: true });
await things.createIndex({ tags: 1, rev: -1 });

const pause = new Int32Array(new SharedArrayBuffer(4));

/** Puts a line into the pipe before it returns; waits while the reader is behind. */
function say(id: string, rev: number): void {
  for (;;) {
    try {
      writeSync(1, `${id} ${rev}\n`);
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== 'EAGAIN') throw error;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}

async function live(id: string): Promise<void> {
  await things.insertOne(thing(id, 1));
  say(id, 1);
  await things.replaceOne({ _id: id, rev: 1 }, thing(id, 2));
  say(id, 2);
  await things.updateOne({ _id: id }, { $set: thing(id, 3) });
  say(id, 3);
  if (id.endsWith('5')) {
    await things.deleteOne({ _id: id });
    say(id, 0);
  }
}

async function write(writer: number): Promise<void> {
  for (let count = 0; ; count += 1) await live(`${round}-${writer}-${count}`);
}

await Promise.all(Array.from({ length: Number(writers) }, (_, writer) => write(writer)));
