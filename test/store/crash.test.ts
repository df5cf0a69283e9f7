import { expect } from 'chai';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openEmbedded, type EmbeddedStore } from '@rollcall/server/store';
import { failure } from './conformance/failure.ts';
import { consistent } from './support/consistency.ts';
import { thing } from './support/thing.ts';

const writer = fileURLToPath(new URL('./support/crash-writer.js', import.meta.url));
const rounds = Number(process.env['CRASH_ROUNDS'] ?? 50);
const large = { journal: { events: 10_000_000, bytes: 2 ** 40 } };

/** Lets a process write, kills it some milliseconds after its first acknowledgement, and answers what it had acknowledged. */
async function killedWriter(path: string, round: number): Promise<Map<string, number>> {
  const child = spawn(process.execPath, [writer, path, String(round), '24'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  await once(child.stdout, 'data');
  setTimeout(() => child.kill('SIGKILL'), 1 + Math.random() * 60);
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect(signal).to.equal('SIGKILL');
  const lines = said.slice(0, said.lastIndexOf('\n')).split('\n');
  return new Map(lines.map((line) => line.split(' ') as [string, string]).map(([id, rev]) => [id, Number(rev)]));
}

/** Everything acknowledged is there, or one step further: the write that was under way may have taken effect. */
function expectKept(acknowledged: Map<string, number>, found: Map<string, number>): void {
  for (const [id, rev] of acknowledged) {
    const now = found.get(id) ?? 0;
    const next = rev === 3 ? 0 : rev + 1;
    const allowed = rev === 0 ? [0] : rev === 3 && !id.endsWith('5') ? [3] : [rev, next];
    expect(allowed, `${id} was acknowledged with rev ${rev}`).to.include(now);
  }
}

describe('the embedded store', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-crash-'));
  const open = new Set<EmbeddedStore>();

  async function opened(path: string, options = {}): Promise<EmbeddedStore> {
    const store = await openEmbedded(path, { ...large, ...options });
    open.add(store);
    return store;
  }

  async function close(store: EmbeddedStore): Promise<void> {
    open.delete(store);
    await store.close();
  }

  afterEach(async () => {
    await Promise.all([...open].map(close));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it(`keeps every acknowledged write, whole and in all indexes, through ${rounds} times kill -9`, async () => {
    const chains = [0, 1].map(async (chain) => {
      let acknowledgements = 0;
      for (let round = 0; round < rounds / 2; round += 1) {
        const path = join(folder, `kill-${chain}-${Math.floor(round / 5)}.db`);
        const acknowledged = await killedWriter(path, round);
        const store = await opened(path);
        expectKept(acknowledged, await consistent(store.db));
        await close(store);
        acknowledgements += acknowledged.size;
      }
      expect(acknowledgements).to.be.greaterThan(rounds);
    });
    await Promise.all(chains);
  }).timeout(150_000);

  describe('on a full disk', () => {
    /** Writes until the disk is full: some in flight at a time, so that a failed commit takes several with it. */
    async function fill(store: EmbeddedStore): Promise<{ kept: string[]; refused: string[] }> {
      const things = store.db.collection<{ _id: string }>('things');
      const kept: string[] = [];
      const refused: string[] = [];
      for (let batch = 0; refused.length === 0 && batch < 1000; batch += 1) {
        const ids = Array.from({ length: 16 }, (_, n) => `${batch}-${n}`);
        const results = await Promise.allSettled(ids.map((id) => things.insertOne(thing(id, 3))));
        results.forEach(({ status }, at) => (status === 'fulfilled' ? kept : refused).push(ids[at] as string));
      }
      return { kept, refused };
    }

    async function expectRefusal(store: EmbeddedStore): Promise<string[]> {
      const { kept, refused } = await fill(store);
      expect(refused).not.to.have.lengthOf(0);
      const found = await store.db.collection('things').find({}).toArray();
      expect(found.map(({ _id }) => _id as string).sort()).to.deep.equal([...kept].sort());
      return kept;
    }

    it('refuses every write of the turn, shows nothing of it, and goes on reading', async () => {
      const path = join(folder, 'full.db');
      const limited = await opened(path, { maxPages: 300 });
      await limited.db.collection('things').createIndex({ key: 1 }, { unique: true });
      await limited.db.collection('things').createIndex({ tags: 1, rev: -1 });
      const seen = limited.db.watch();
      const kept = await expectRefusal(limited);
      const told: string[] = [];
      for (let event = await seen.tryNext(); event !== null; event = await seen.tryNext()) {
        told.push((event as unknown as { documentKey: { _id: string } }).documentKey._id);
      }
      expect(told).to.deep.equal(kept);
      await close(limited);
      const roomy = await opened(path);
      expect([...(await consistent(roomy.db)).keys()].sort()).to.deep.equal([...kept].sort());
      await roomy.db.collection<{ _id: string }>('things').insertOne(thing('later', 1));
      await consistent(roomy.db);
    }).timeout(60_000);

    it('does the same when the file system itself is full, and writes again when there is room', async function () {
      this.timeout(60_000);
      const small = join(folder, 'small');
      mkdirSync(small);
      try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', small], { stdio: 'pipe' });
      } catch (error) {
        this.test!.title += ` (no file system may be mounted here: ${String((error as { stderr?: Buffer }).stderr ?? error).trim()})`;
        return this.skip();
      }
      try {
        const ballast = join(small, 'ballast');
        appendFileSync(ballast, Buffer.alloc(1024 * 1024));
        const store = await opened(join(small, 'store.db'));
        await store.db.collection('things').createIndex({ key: 1 }, { unique: true });
        await store.db.collection('things').createIndex({ tags: 1, rev: -1 });
        const kept = await expectRefusal(store);
        rmSync(ballast);
        await store.db.collection<{ _id: string }>('things').insertOne(thing('later', 1));
        expect((await consistent(store.db)).size).to.equal(kept.length + 1);
        await close(store);
      } finally {
        execFileSync('umount', ['-l', small]);
      }
    });
  });

  describe('with a damaged end of its log', () => {
    const ids = Array.from({ length: 40 }, (_, n) => `w${n}`);
    const files = ['', '-wal'];

    /** Copies of the files as a power cut would leave them: one write further than what was acknowledged, its end damaged. */
    async function cutAt(name: string, damage: (log: string, before: number, after: number) => void): Promise<string> {
      const path = join(folder, `${name}.db`);
      const store = await opened(path);
      const things = store.db.collection<{ _id: string }>('things');
      await things.createIndex({ key: 1 }, { unique: true });
      await things.createIndex({ tags: 1, rev: -1 });
      for (const id of ids) await things.insertOne(thing(id, 1));
      const before = statSync(`${path}-wal`).size;
      await things.insertOne(thing('last', 1));
      const after = statSync(`${path}-wal`).size;
      const copy = join(folder, `${name}-copy.db`);
      for (const suffix of files) copyFileSync(path + suffix, copy + suffix);
      damage(`${copy}-wal`, before, after);
      return copy;
    }

    const damages: [string, (log: string, before: number, after: number) => void, boolean][] = [
      ['the last page cut off', (log, _before, after) => truncateSync(log, after - 4096), false],
      ['half of the last page cut off', (log, _before, after) => truncateSync(log, after - 2000), false],
      ['all but a few bytes of the last write cut off', (log, before) => truncateSync(log, before + 10), false],
      ['garbage at the end', (log) => appendFileSync(log, Buffer.alloc(9000, 0x5a)), true],
      ['a page of zeros at the end', (log) => appendFileSync(log, Buffer.alloc(4096 + 24)), true],
    ];
    for (const [what, damage, lastIsThere] of damages) {
      it(`opens again and has lost nothing acknowledged: ${what}`, async () => {
        const copy = await cutAt(what.replaceAll(' ', '-'), damage);
        const store = await opened(copy);
        const found = await consistent(store.db);
        for (const id of ids) expect(found.get(id)).to.equal(1);
        expect(found.has('last')).to.equal(lastIsThere);
        await store.db.collection<{ _id: string }>('things').insertOne(thing('afterwards', 1));
        await consistent(store.db);
      });
    }
  });

  describe('as a file', () => {
    it('is readable for its owner only, in a folder of the same kind', async () => {
      const path = join(folder, 'deep', 'er', 'private.db');
      await opened(path);
      expect(statSync(path).mode & 0o777).to.equal(0o600);
      expect(statSync(`${path}-wal`).mode & 0o777).to.equal(0o600);
      expect(statSync(join(folder, 'deep')).mode & 0o777).to.equal(0o700);
    });

    it('is not opened twice, in this process or another, and is free again after close', async () => {
      const path = join(folder, 'locked.db');
      const store = await opened(path);
      expect((await failure(openEmbedded(path))).message).to.match(/in use/);
      const child = spawn(process.execPath, [writer, path, '0', '1'], { stdio: ['ignore', 'pipe', 'pipe'] });
      let complaint = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
      const [code] = (await once(child, 'close')) as [number | null];
      expect(code).to.equal(1);
      expect(complaint).to.match(/in use/);
      await close(store);
      await close(await opened(path));
    });

    it('keeps its indexes, its place in the feed and its tokens when it is opened again', async () => {
      const path = join(folder, 'again.db');
      const first = await opened(path);
      const things = first.db.collection<{ _id: string }>('things');
      await things.createIndex({ key: 1 }, { unique: true });
      const stream = first.db.watch();
      for (const id of ['a', 'b', 'c']) await things.insertOne(thing(id, 1));
      const seen = await stream.next();
      await close(first);
      const second = await opened(path);
      const again = second.db.watch([], { resumeAfter: seen._id });
      expect(((await again.next()) as { documentKey?: unknown }).documentKey).to.deep.equal({ _id: 'b' });
      expect(
        await failure(
          second.db.collection<{ _id: string }>('things').insertOne({ ...thing('d', 1), key: 'key of a' } as { _id: string }),
        ),
      ).to.include({ code: 11000 });
    });

    it('tells with code 286 that its journal no longer reaches a position, also after it was emptied and reopened', async () => {
      const path = join(folder, 'pruned.db');
      let time = 1_000_000;
      const options = { now: () => time, journal: { ageMs: 1000, events: 1_000_000, bytes: 2 ** 40 } };
      const first = await opened(path, options);
      const things = first.db.collection<{ _id: string }>('things');
      const stream = first.db.watch();
      await things.insertOne(thing('a', 1));
      const { _id: token } = await stream.next();
      await things.insertOne(thing('b', 1));
      time += 60_000;
      for (const id of ['c', 'd', 'e']) await things.insertOne(thing(id, 1));
      time += 60_000;
      await things.insertOne(thing('f', 1));
      expect(await failure(first.db.watch([], { resumeAfter: token }).next())).to.include({ code: 286 });
      await close(first);
      const second = await opened(path, options);
      expect(await failure(second.db.watch([], { resumeAfter: token }).next())).to.include({ code: 286 });
    });
  });
});
