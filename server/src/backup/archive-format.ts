import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto';
import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';

/**
 * The archive format, version 1 (docs/backup.md).
 * It begins with eight magic bytes, the version (16 bits), the length of the head (32 bits) and the head as JSON.
 * Chunks follow, each with its length (32 bits), its bytes and a tag. All numbers are big-endian.
 *
 * A chunk is sealed with AES-256-GCM. Its nonce is its number.
 * The hash of all bytes before the first chunk is authenticated with it.
 * So no chunk can be omitted, repeated, moved or put into another archive. The last record marks the end.
 */
export const magic = Buffer.from('ROLLCALL', 'latin1');
export const version = 1;

/** Number of bytes before the head. */
export const leadBytes = magic.length + 6;
export const maxHeadBytes = 16_384;
/** Bytes of records that are put into one chunk. */
export const chunkBytes = 262_144;
/** A record is at most a document of 16 MiB with some bytes around it. */
export const maxPlainBytes = 17 * 1_048_576;
export const tagBytes = 16;
/** Maximum compression ratio: a chunk that would compress more is stored uncompressed. */
const maxExpansion = 100;
const formBytes = 5;
export const maxSealedBytes = maxPlainBytes + formBytes;

/** The unencrypted head of an archive. */
export interface Head {
  readonly id: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** Salt for the key derivation of this archive, base64. */
  readonly salt: string;
  /** The archive key of the registry that made it, sealed with the registry's secret. */
  readonly key: string;
}

/** Thrown when an archive cannot be restored; the message says why. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
}

export const damaged = (): ArchiveError => new ArchiveError('The archive is damaged or incomplete');

/** Encodes the bytes before the first chunk. */
export const encodeHead = (head: Head): Buffer => {
  const text = Buffer.from(JSON.stringify(head), 'utf8');
  const lead = Buffer.alloc(leadBytes);
  magic.copy(lead);
  lead.writeUInt16BE(version, magic.length);
  lead.writeUInt32BE(text.length, magic.length + 2);
  return Buffer.concat([lead, text]);
};

export const deriveKey = (key: Buffer, { salt }: Head): Buffer =>
  Buffer.from(hkdfSync('sha256', key, Buffer.from(salt, 'base64'), 'rollcall archive', 32));

/** Seals or unseals the chunks of one archive in order. `front`: the bytes before the first chunk. */
export const createSeal = (key: Buffer, front: Buffer) => {
  const bound = createHash('sha256').update(front).digest();
  let number = 0n;
  const nonce = (): Buffer => {
    const bytes = Buffer.alloc(12);
    bytes.writeBigUInt64BE(number, 4);
    number += 1n;
    return bytes;
  };
  return {
    seal(plain: Buffer): Buffer {
      const cipher = createCipheriv('aes-256-gcm', key, nonce()).setAAD(bound);
      const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(sealed.length);
      return Buffer.concat([length, sealed, cipher.getAuthTag()]);
    },
    /** Fails with an `ArchiveError`. */
    unseal(sealed: Buffer, tag: Buffer): Buffer {
      const decipher = createDecipheriv('aes-256-gcm', key, nonce()).setAAD(bound).setAuthTag(tag);
      try {
        return Buffer.concat([decipher.update(sealed), decipher.final()]);
      } catch {
        throw damaged();
      }
    },
  };
};

const deflate = promisify<Buffer, Buffer>(deflateRaw);
const inflate = promisify<Buffer, { maxOutputLength: number }, Buffer>(inflateRaw);

/** Packs the content of a chunk: a compression flag, the uncompressed length, and the bytes. */
export const pack = async (plain: Buffer): Promise<Buffer> => {
  const small = await deflate(plain);
  const deflated = small.length < plain.length && small.length * maxExpansion >= plain.length;
  const form = Buffer.alloc(formBytes);
  form.writeUInt8(deflated ? 1 : 0);
  form.writeUInt32BE(plain.length, 1);
  return Buffer.concat([form, deflated ? small : plain]);
};

/** Unpacks the content of a chunk; refuses content longer than the maximum or than announced. */
export const unpack = async (packed: Buffer): Promise<Buffer> => {
  if (packed.length < formBytes) throw damaged();
  const [form, length, bytes] = [packed.readUInt8(), packed.readUInt32BE(1), packed.subarray(formBytes)];
  if (form === 0 && bytes.length === length) return bytes;
  if (form !== 1) throw damaged();
  if (length > maxPlainBytes || length > bytes.length * maxExpansion)
    throw new ArchiveError('The archive expands to more than it may');
  const plain = await inflate(bytes, { maxOutputLength: Math.max(1, length) }).catch(() => {
    throw new ArchiveError('The archive expands to more than it may');
  });
  if (plain.length !== length) throw damaged();
  return plain;
};
