import { randomBytes } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { BSON, type Document } from 'mongodb';
import * as format from './archive-format.ts';
import { ArchiveError, damaged, type Head } from './archive-format.ts';

export { ArchiveError } from './archive-format.ts';

/** The archive key of a registry, in plain and in sealed form. */
export interface ArchiveKey {
  readonly key: Buffer;
  /** Sealed with the registry's secret. */
  readonly sealed: string;
}

/** Writes records into a new archive, chunk by chunk. */
export interface ArchiveWriter {
  /** Resolves when there is room for more. */
  write(record: Document): Promise<void>;
  /** Marks the end. Without it the archive is incomplete. */
  end(): Promise<void>;
}

export const writeArchive = async (
  file: FileHandle,
  id: string,
  at: Date,
  { key, sealed }: ArchiveKey,
): Promise<ArchiveWriter> => {
  const head: Head = { id, createdAt: at.toISOString(), salt: randomBytes(32).toString('base64'), key: sealed };
  const front = format.encodeHead(head);
  const seal = format.createSeal(format.deriveKey(key, head), front);
  let held: Buffer[] = [];
  let bytes = 0;
  let records = 0;
  await file.writeFile(front);

  const flush = async (): Promise<void> => {
    if (bytes === 0) return;
    const plain = Buffer.concat(held);
    held = [];
    bytes = 0;
    await file.writeFile(seal.seal(await format.pack(plain)));
  };

  const write = async (record: Document): Promise<void> => {
    const encoded = Buffer.from(BSON.serialize(record));
    held.push(encoded);
    bytes += encoded.length;
    records += 1;
    if (bytes >= format.chunkBytes) await flush();
  };

  return {
    write,
    async end() {
      await write({ end: { records } });
      await flush();
    },
  };
};

/** Reads exactly `length` bytes; a shorter file counts as damaged. */
const exactly = async (file: FileHandle, length: number): Promise<Buffer> => {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length;) {
    const { bytesRead } = await file.read(bytes, at, length - at);
    if (bytesRead === 0) throw damaged();
    at += bytesRead;
  }
  return bytes;
};

const isHead = (value: unknown): value is Head =>
  typeof value === 'object' &&
  value !== null &&
  ['id', 'createdAt', 'salt', 'key'].every((name) => typeof (value as Document)[name] === 'string');

const readHead = async (file: FileHandle): Promise<{ readonly head: Head; readonly front: Buffer }> => {
  const lead = await exactly(file, format.leadBytes);
  if (!lead.subarray(0, format.magic.length).equals(format.magic)) throw new ArchiveError('This is no archive');
  const found = lead.readUInt16BE(format.magic.length);
  if (found !== format.version)
    throw new ArchiveError(`The archive has format ${found}, this program reads format ${format.version}`);
  const length = lead.readUInt32BE(format.magic.length + 2);
  if (length > format.maxHeadBytes) throw damaged();
  const text = await exactly(file, length);
  const front = Buffer.concat([lead, text]);
  try {
    const head: unknown = JSON.parse(text.toString('utf8'));
    if (isHead(head)) return { head, front };
  } catch {
    // Not even JSON.
  }
  throw damaged();
};

/** The consecutive documents in a chunk. */
function* documentsIn(bytes: Buffer): Generator<Document> {
  for (let at = 0; at < bytes.length;) {
    const length = at + 5 <= bytes.length ? bytes.readInt32LE(at) : 0;
    if (length < 5 || at + length > bytes.length) throw damaged();
    let document: Document;
    try {
      document = BSON.deserialize(bytes.subarray(at, at + length), { promoteValues: false });
    } catch {
      throw damaged();
    }
    yield document;
    at += length;
  }
}

const chunksOf = async function* (file: FileHandle, unseal: (sealed: Buffer, tag: Buffer) => Buffer): AsyncGenerator<Buffer> {
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(4), 0, 4);
    if (bytesRead === 0) return;
    const length = (
      bytesRead === 4 ? buffer : Buffer.concat([buffer.subarray(0, bytesRead), await exactly(file, 4 - bytesRead)])
    ).readUInt32BE();
    if (length > format.maxSealedBytes) throw damaged();
    const sealed = await exactly(file, length);
    yield await format.unpack(unseal(sealed, await exactly(file, format.tagBytes)));
  }
};

/**
 * Reads the records of an archive, except the end record.
 * `keyOf` unseals the archive key; it returns null if this registry did not seal it.
 *
 * Each chunk is authenticated before it is parsed. Fails with an `ArchiveError` at the first invalid chunk.
 * The archive is known to be valid only after the last record was read.
 */
export const readArchive = async function* (
  file: FileHandle,
  keyOf: (sealed: string) => Buffer | null,
): AsyncGenerator<Document> {
  const { head, front } = await readHead(file);
  const key = keyOf(head.key);
  if (key === null) throw new ArchiveError('The archive was made under another ROLLCALL_SECRET, or is damaged');
  const { unseal } = format.createSeal(format.deriveKey(key, head), front);
  let records = 0;
  let ended = false;
  for await (const chunk of chunksOf(file, unseal)) {
    for (const record of documentsIn(chunk)) {
      if (ended) throw damaged();
      const end = record['end'] as Document | undefined;
      if (end === undefined) yield record;
      else if (Number(end['records']) !== records) throw damaged();
      ended = end !== undefined;
      records += 1;
    }
  }
  if (!ended) throw damaged();
};

/** The id in an archive's head, which is not authenticated until the archive is read. Fails with an `ArchiveError`. */
export const archiveId = async (file: FileHandle): Promise<string> => (await readHead(file)).head.id;

/** Number of leading bytes that identify an archive. */
export const magicBytes = format.magic.length;

export const looksLikeArchive = (first: Buffer): boolean => first.subarray(0, magicBytes).equals(format.magic);
