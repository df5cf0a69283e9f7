import { expect } from 'chai';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbedded } from '@rollcall/server/store';
import { failure } from './conformance/failure.ts';
import { thing } from './support/thing.ts';

const suffixes = ['', '-wal', '-mark'];
const count = 30;

describe('a data file of the embedded store that was damaged', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-damaged-'));
  const killed = join(folder, 'killed.db');
  const closed = join(folder, 'closed.db');
  let made = 0;
  after(() => rmSync(folder, { recursive: true, force: true }));

  before(async () => {
    const store = await openEmbedded(closed);
    const things = store.db.collection<{ _id: string }>('things');
    for (let n = 0; n < count; n += 1) await things.insertOne(thing(`w${n}`, 1));
    // As a killed process leaves them, and as one that has ended in order.
    for (const suffix of suffixes) copyFileSync(closed + suffix, killed + suffix);
    await store.close();
  });

  const copyOf = (path: string): string => {
    const copy = join(folder, `copy-${(made += 1)}.db`);
    for (const suffix of suffixes) if (existsSync(path + suffix)) copyFileSync(path + suffix, copy + suffix);
    return copy;
  };
  const found = async (path: string, options = {}): Promise<number> => {
    const store = await openEmbedded(path, options);
    try {
      return await store.db.collection('things').countDocuments();
    } finally {
      await store.close();
    }
  };
  const isRefused = async (path: string, what: string): Promise<void> => {
    const { name, message } = await failure(openEmbedded(path));
    expect(name, what).to.equal('DamagedFileError');
    expect(message, what).to.match(/backup.*ROLLCALL_ACCEPT_LOSS.*--accept-loss/);
  };

  it('is opened when nothing is damaged, with everything (V7)', async () => {
    expect(await found(copyOf(killed))).to.equal(count);
    expect(await found(copyOf(closed))).to.equal(count);
    const again = copyOf(closed);
    expect(await found(again)).to.equal(count);
    expect(await found(again)).to.equal(count);
  });

  it('is refused when the data file is empty or gone, and is a new one if the loss is accepted (V7)', async () => {
    for (const path of [killed, closed]) {
      const empty = copyOf(path);
      truncateSync(empty, 0);
      await isRefused(empty, 'empty');
      const gone = copyOf(path);
      rmSync(gone);
      await isRefused(gone, 'gone');
    }
    const accepted = copyOf(closed);
    truncateSync(accepted, 0);
    expect(await found(accepted, { acceptLoss: true })).to.equal(0);
    expect(await found(accepted)).to.equal(0);
  });

  it('is refused when the data file is cut anywhere (V7)', async () => {
    const { size } = statSync(closed);
    for (let part = 1; part < 16; part += 1) {
      const copy = copyOf(closed);
      truncateSync(copy, Math.floor((size * part) / 16));
      await isRefused(copy, `cut at ${part}/16`);
    }
  });

  it('is refused when its log is cut, empty or gone (V7)', async () => {
    const { size } = statSync(`${killed}-wal`);
    const cuts = [0, 10, 32, 40, ...Array.from({ length: 15 }, (_, part) => Math.floor((size * (part + 1)) / 16)), size - 1];
    for (const cut of cuts) {
      const copy = copyOf(killed);
      truncateSync(`${copy}-wal`, cut);
      await isRefused(copy, `cut at ${cut} of ${size}`);
    }
    const gone = copyOf(killed);
    rmSync(`${gone}-wal`);
    await isRefused(gone, 'gone');
  });

  it('is refused when a byte of its log is another one (V7)', async () => {
    const log = readFileSync(`${killed}-wal`);
    const offsets = [0, 9, 18, 21, 26, ...Array.from({ length: 24 }, (_, part) => Math.floor((log.length * part) / 24) + 40)];
    for (const at of offsets) {
      const copy = copyOf(killed);
      const damaged = Buffer.from(log);
      damaged[at] = (damaged[at] ?? 0) ^ 0x41;
      writeFileSync(`${copy}-wal`, damaged);
      await isRefused(copy, `byte ${at} of ${log.length}`);
    }
  });

  it('opens with what is left of a cut log if the loss is accepted, and is whole from then on (V7)', async () => {
    const copy = copyOf(killed);
    truncateSync(`${copy}-wal`, Math.floor(statSync(`${killed}-wal`).size * 0.7));
    const left = await found(copy, { acceptLoss: true });
    expect(left).to.be.within(1, count - 1);
    expect(await found(copy)).to.equal(left);
  });
});
