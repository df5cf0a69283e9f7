import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { pepperCheck, createKeyRing, decryptKey } from '@rollcall/server/internal/identity/keys/key-ring';
import { writeArchive, type ArchiveKey } from '@rollcall/server/internal/backup/archive';
import * as format from '@rollcall/server/internal/backup/archive-format';
import { documentsOf, verifyArchive, type Opening } from '@rollcall/server/internal/backup/contents';
import { openEmbedded } from '@rollcall/server/store';
import { expect } from 'chai';
import { Double, Int32, Long, ObjectId, type Document } from 'mongodb';

const secrets = { pepper: 'im-a-pepper', secret: 'a secret of the tests' };
const opening: Opening = {
  keyOf: (sealed) => decryptKey(secrets, 'backups', sealed),
  pepper: pepperCheck(secrets),
};

const device = (uuid: string, more: Document = {}): Document => ({
  of: 'devices',
  document: { _id: uuid, uuid, ...more, _rollcall: { rev: 3, shown: 3 } },
});

describe('an archive', () => {
  let folder = '';
  let key: ArchiveKey;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rollcall-archive-'));
    const { db, close } = await openEmbedded(':memory:');
    key = await (await createKeyRing(db, secrets)).sealed('backups');
    await close();
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const path = (): string => join(folder, 'archive');

  const written = async (
    records: readonly Document[],
    about: Document = { about: { pepper: opening.pepper } },
  ): Promise<Buffer> => {
    const file = await open(path(), 'w+');
    const archive = await writeArchive(file, '1_now', new Date(0), key);
    await archive.write(about);
    for (const record of records) await archive.write(record);
    await archive.end();
    await file.close();
    return readFile(path());
  };

  const read = async (bytes: Buffer, with_: Opening = opening): Promise<readonly Document[]> => {
    await writeFile(path(), bytes);
    const [first, second] = await Promise.all([open(path()), open(path())]);
    try {
      const verified = await verifyArchive(first, with_, () => Promise.resolve());
      const found: Document[] = [];
      for await (const { document } of documentsOf(second, with_, verified)) found.push(document);
      return found;
    } finally {
      await Promise.all([first.close(), second.close()]);
    }
  };

  const refusal = (bytes: Buffer, with_?: Opening): Promise<string> =>
    read(bytes, with_).then(
      () => 'none',
      (error: Error) => `${error.name}: ${error.message}`,
    );

  /** Where the chunks of an archive begin, and its end. */
  const bounds = (archive: Buffer): number[] => {
    const found = [format.leadBytes + archive.readUInt32BE(10)];
    for (let at = found[0] ?? 0; at < archive.length; found.push(at)) at += 4 + archive.readUInt32BE(at) + format.tagBytes;
    return found;
  };

  /** An archive whose chunks have these insides. */
  const packed = async (...insides: Buffer[]): Promise<Buffer> => {
    const head = {
      id: '1_now',
      createdAt: new Date(0).toISOString(),
      salt: Buffer.alloc(32, 7).toString('base64'),
      key: key.sealed,
    };
    const front = format.encodeHead(head);
    const { seal } = format.createSeal(format.deriveKey(key.key, head), front);
    return Buffer.concat([front, ...insides.map((inside) => seal(inside))]);
  };

  const long = Array.from({ length: 400 }, (_, index) => device(`device-${index}`, { text: `${index}`.repeat(1_500) }));

  it('gives back every document as it was, each type of number and id kept', async () => {
    const _id = new ObjectId();
    const numbers = { int: new Int32(1), double: new Double(1), long: Long.fromString('9007199254740993'), at: new Date(5) };
    const [found] = await read(await written([{ of: 'devices', document: { _id, uuid: 'a', ...numbers } }]));
    expect(found).to.deep.equal({ _id, uuid: 'a', ...numbers });
  });

  it('holds the last word on each document alone', async () => {
    const late = (uuid: string, value: number) => ({ of: 'devices', changed: { _id: uuid, uuid, value } });
    const records = [
      device('a', { value: 1 }),
      late('b', 1),
      device('b', { value: 2 }),
      late('a', 3),
      device('c'),
      { of: 'devices', removed: { _id: 'c' } },
      late('d', 1),
      { of: 'devices', removed: { _id: 'd' } },
      late('d', 2),
      { of: 'roles', document: { _id: 'a', name: 'a role of the same id' } },
    ];
    const found = await read(await written(records));
    const values = found.map(({ _id, value, name }) => `${String(_id)} ${String(name ?? value)}`);
    expect(values.sort()).to.deep.equal(['a 3', 'a a role of the same id', 'b 2', 'd 2']);
  });

  it('is refused if one bit of it is another one, wherever that is', async () => {
    const archive = await written([device('a'), device('b')]);
    for (let at = 0; at < archive.length; at += 1) {
      const damaged = Buffer.from(archive);
      damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << (at % 8)), at);
      expect(await refusal(damaged), `bit in byte ${at}`).to.match(/^ArchiveError: /);
    }
  });

  it('is refused if it ends too early, anywhere, or goes on behind its end', async () => {
    const archive = await written(long);
    const chunks = bounds(archive);
    expect(chunks.length).to.be.above(3);
    const ends = [0, 7, 8, 13, 14, 40, ...chunks.flatMap((at) => [at, at + 2, at + 4, at + 1_000])];
    for (const end of ends.filter((at) => at < archive.length))
      expect(await refusal(archive.subarray(0, end)), `cut at ${end}`).to.match(/^ArchiveError: /);
    expect(await refusal(Buffer.concat([archive, Buffer.from('x')]))).to.match(/^ArchiveError: /);
    expect(await refusal(Buffer.concat([archive, archive.subarray(chunks.at(-2))]))).to.match(/^ArchiveError: /);
  });

  it('is refused if chunks of it are left out, doubled, moved, or taken from another one', async () => {
    const archive = await written(long);
    const other = await written(long);
    const [start = 0, ...rest] = bounds(archive);
    const chunks = rest.map((end, index) => archive.subarray(bounds(archive)[index] ?? 0, end));
    const head = archive.subarray(0, start);
    const [first, second, ...others] = chunks as [Buffer, Buffer, ...Buffer[]];
    const foreign = other.subarray(bounds(other)[0], bounds(other)[1]);
    for (const wrong of [
      [second, first, ...others],
      [first, ...others],
      [first, first, second, ...others],
      [foreign, second, ...others],
      [first, second],
    ]) {
      expect(await refusal(Buffer.concat([head, ...wrong]))).to.match(/^ArchiveError: /);
    }
    expect(await refusal(Buffer.concat([other.subarray(0, start), ...chunks]))).to.match(/^ArchiveError: /);
    expect(await refusal(Buffer.concat([head, ...chunks]))).to.equal('none');
  });

  it('says why it cannot be opened here: another format, secret or pepper', async () => {
    const archive = await written([device('a')]);
    const newer = Buffer.from(archive);
    newer.writeUInt16BE(2, 8);
    expect(await refusal(newer)).to.include('format 2');
    const elsewhere = { ...opening, keyOf: (sealed: string) => decryptKey({ secret: 'another secret' }, 'backups', sealed) };
    expect(await refusal(archive, elsewhere)).to.include('ROLLCALL_SECRET');
    expect(await refusal(archive, { ...opening, pepper: pepperCheck({ pepper: 'another' }) })).to.include('ROLLCALL_PEPPER');
  });

  it('may not expand beyond its bounds, whatever it says of itself', async () => {
    const zeros = Buffer.alloc(64 * 1_048_576);
    const inside = (form: number, length: number, bytes: Buffer): Buffer => {
      const head = Buffer.alloc(5);
      head.writeUInt8(form);
      head.writeUInt32BE(length, 1);
      return Buffer.concat([head, bytes]);
    };
    const small = deflateRawSync(zeros);
    for (const bomb of [
      inside(1, zeros.length, small),
      inside(1, 1_000, small),
      inside(1, small.length * 99, small),
      inside(0, 5, Buffer.alloc(6)),
      inside(2, 0, Buffer.alloc(0)),
      Buffer.from([1]),
      Buffer.alloc(0),
    ]) {
      expect(await refusal(await packed(bomb))).to.match(/^ArchiveError: /);
    }
    const huge = Buffer.from(await packed());
    const length = Buffer.alloc(4);
    length.writeUInt32BE(0xffff_ffff);
    expect(await refusal(Buffer.concat([huge, length, Buffer.alloc(100)]))).to.match(/^ArchiveError: /);
  });

  it('that is packed tighter than it may be read is not packed', async () => {
    const tight = [device('a', { text: 'x'.repeat(1_000_000) })];
    expect(await read(await written(tight))).to.have.lengthOf(1);
  });

  it('may contain nothing but documents of the collections that there are', async () => {
    const wrong: Document[] = [
      { of: 'maintenance', document: { _id: 'state' } },
      { of: 'nodes', document: { _id: 'x' } },
      { of: '../../etc/passwd', document: { _id: 'x' } },
      { of: '__proto__', document: { _id: 'x' } },
      { of: 'devices', document: { _id: 'x' } },
      { of: 'devices', document: { uuid: 'x' } },
      { of: 'devices', document: { _id: [1], uuid: 'x' } },
      { of: 'devices', document: 'text' },
      { of: 'devices', document: { _id: 'x', uuid: 'x' }, changed: { _id: 'x', uuid: 'x' } },
      { of: 'devices', document: { _id: 'x', uuid: 'x' }, link: '/etc/passwd' },
      { of: 'devices' },
      { of: 'credentials', document: { _id: 'x', uuid: 'x', kind: 'access' } },
      { of: 'keys', document: { _id: 'jwt', sealed: 'x' } },
      { of: 'keys', document: { _id: 'check:pepper', check: 'x' } },
      {},
    ];
    for (const record of wrong)
      expect(await refusal(await written([record])), JSON.stringify(record)).to.match(/^ArchiveError: /);
    expect(await refusal(await written([], { of: 'devices', document: { _id: 'x', uuid: 'x' } }))).to.match(/^ArchiveError: /);
    expect(await refusal(await written([{ end: { records: 2 } }]))).to.match(/^ArchiveError: /);
  });

  it('tells nothing of its contents to whoever has not the secret', async () => {
    const archive = await written([device('canary-uuid', { secret: 'canary-of-the-archive' })]);
    expect(archive.includes('canary')).to.equal(false);
    expect(archive.includes(opening.pepper)).to.equal(false);
    expect(archive.includes('im-a-pepper')).to.equal(false);
  });
});
