import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto';
import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';

/**
 * The form of an archive, version 1 (docs/backup.md): eight bytes of magic, the version (16 bits), the length of the head (32 bits), the head as
 * JSON; then chunks, each its length (32 bits), its bytes and a tag. All numbers are big-endian.
 *
 * A chunk is sealed with AES-256-GCM. Its nonce is its number, and the hash of everything in front of the first chunk is authenticated with
 * it: no chunk can be left out, repeated, moved or put into another archive. The last record says that it is the last.
 */
export const magic = Buffer.from('ROLLCALL', 'latin1');
export const version = 1;

/** Bytes in front of the head. */
export const leadBytes = magic.length + 6;
export const maxHeadBytes = 16_384;
/** Bytes of records that are put into one chunk. */
export const chunkBytes = 262_144;
/** A record is at most a document of 16 MiB with some bytes around it. */
export const maxPlainBytes = 17 * 1_048_576;
export const tagBytes = 16;
/** No chunk grows by more than this when it is inflated: what could be packed tighter is not packed at all. */
const maxExpansion = 100;
const formBytes = 5;
export const maxSealedBytes = maxPlainBytes + formBytes;

/** What an archive says of itself before anything is opened. */
export interface Head {
  readonly id: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** What the key of this archive is derived with, base64. */
  readonly salt: string;
  /** The key of all archives of the registry that made it, sealed with its secret. */
  readonly key: string;
}

/** An archive cannot be restored; the message says why. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
}

export const damaged = (): ArchiveError => new ArchiveError('The archive is damaged or incomplete');

/** The bytes in front of the first chunk. */
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

/** Seals the chunks of one archive, or opens them, in their order. `front`: the bytes in front of the first one. */
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

/** Makes the inside of a chunk: whether it is deflated, how long it is without, and the bytes. */
export const pack = async (plain: Buffer): Promise<Buffer> => {
  const small = await deflate(plain);
  const deflated = small.length < plain.length && small.length * maxExpansion >= plain.length;
  const form = Buffer.alloc(formBytes);
  form.writeUInt8(deflated ? 1 : 0);
  form.writeUInt32BE(plain.length, 1);
  return Buffer.concat([form, deflated ? small : plain]);
};

/** The reverse; refuses what says that it is, or becomes, longer than it may be. */
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
