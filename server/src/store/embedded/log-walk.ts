import { readSync } from 'node:fs';

/** Bytes before the first frame of a write-ahead log, and before the page of each frame (SQLite file format, 4.1 and 4.2). */
const headerBytes = 32;
const frameHeaderBytes = 24;

/** The header of a write-ahead log. The salts change each time the log begins anew. */
interface LogHeader {
  readonly pageBytes: number;
  readonly salts: string;
  readonly isBigEndian: boolean;
  readonly sums: readonly [number, number];
}

const sumsAt = (bytes: Buffer, at: number): [number, number] => [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)];

const readHeader = (file: number): LogHeader | undefined => {
  const bytes = Buffer.alloc(headerBytes);
  if (readSync(file, bytes, 0, headerBytes, 0) < headerBytes) return undefined;
  const magic = bytes.readUInt32BE(0);
  if (magic !== 0x377f0682 && magic !== 0x377f0683) return undefined;
  const salts = bytes.toString('hex', 16, 24);
  return { pageBytes: bytes.readUInt32BE(8), salts, isBigEndian: magic === 0x377f0683, sums: sumsAt(bytes, 24) };
};

/** The end of what a running program has committed to its log, found by the headers of the frames alone: it wrote them itself. */
export const createLogEnd = (file: number): (() => { readonly salts: string; readonly bytes: number } | undefined) => {
  let salts = '';
  let bytes = headerBytes;
  const frame = Buffer.alloc(frameHeaderBytes);
  return () => {
    const header = readHeader(file);
    if (header === undefined) return undefined;
    if (header.salts !== salts) {
      salts = header.salts;
      bytes = headerBytes;
    }
    for (let at = bytes; ;) {
      if (readSync(file, frame, 0, frameHeaderBytes, at) < frameHeaderBytes) break;
      if (frame.toString('hex', 8, 16) !== salts) break;
      at += frameHeaderBytes + header.pageBytes;
      if (frame.readUInt32BE(4) > 0) bytes = at;
    }
    return { salts, bytes };
  };
};

/** SQLite's checksum of a log over some bytes, whose number is a multiple of 8 (SQLite file format, 4.2). */
const sum = (bytes: Buffer, start: number, end: number, isBigEndian: boolean, sums: [number, number]): void => {
  let [one, two] = sums;
  for (let at = start; at < end; at += 8) {
    const first = isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
    const second = isBigEndian ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4);
    one = (one + first + two) >>> 0;
    two = (two + second + one) >>> 0;
  }
  sums[0] = one;
  sums[1] = two;
};

/** Does the header have the checksum that it names? */
const isWhole = (file: number, { isBigEndian, sums }: LogHeader): boolean => {
  const bytes = Buffer.alloc(headerBytes);
  readSync(file, bytes, 0, headerBytes, 0);
  const found: [number, number] = [0, 0];
  sum(bytes, 0, 24, isBigEndian, found);
  return found[0] === sums[0] && found[1] === sums[1];
};

/** What SQLite will take of a log: its salts, and where the last whole transaction ends. Undefined if it has no whole header. */
export const readLog = (file: number): { readonly salts: string; readonly bytes: number } | undefined => {
  const header = readHeader(file);
  if (header === undefined || !isWhole(file, header)) return undefined;
  const frameBytes = frameHeaderBytes + header.pageBytes;
  const frame = Buffer.alloc(frameBytes);
  const sums: [number, number] = [...header.sums];
  let bytes = headerBytes;
  for (let at = headerBytes; readSync(file, frame, 0, frameBytes, at) === frameBytes;) {
    if (frame.toString('hex', 8, 16) !== header.salts) break;
    sum(frame, 0, 8, header.isBigEndian, sums);
    sum(frame, frameHeaderBytes, frameBytes, header.isBigEndian, sums);
    if (frame.readUInt32BE(16) !== sums[0] || frame.readUInt32BE(20) !== sums[1]) break;
    at += frameBytes;
    if (frame.readUInt32BE(4) > 0) bytes = at;
  }
  return { salts: header.salts, bytes };
};
