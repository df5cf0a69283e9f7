import type { Code, ObjectId, Timestamp } from 'mongodb';
import { compareDecimals, type Decimal, exactDecimal, magnitude } from './decimal.ts';
import { type BsonType, type Fields, fieldsOf, own, typeOf, types } from './types.ts';
import { binaryOf, decimalOf, doubleOf, longOf, ranks, regexOf, textOf, timeOf } from './values.ts';

/**
 * Bytes whose order, byte by byte, is the order of `compareValues`, and which are equal exactly if
 * the values are.
 *
 * The first byte is the type's rank (numbers of all types share one, NaN is the lowest of them). No
 * key is the beginning of another one, so keys can be put one after the other, and inverted for a
 * descending order. Undefined counts as null.
 */
export function encodeKey(value: unknown): Uint8Array {
  length = 0;
  write(value);
  const key = Uint8Array.prototype.slice.call(buffer, 0, length);
  if (length > keptBytes) buffer = Buffer.alloc(1024);
  return key;
}

/** The key as text, for sets and maps of values that are equal in MongoDB's order. */
export function keyText(value: unknown): string {
  return Buffer.from(encodeKey(value)).toString('latin1');
}

/** A buffer that grew beyond this is not kept. */
const keptBytes = 65_536;

/** Marks the end of a list of fields or elements; below all ranks. */
const end = 0;

let buffer = Buffer.alloc(1024);
let length = 0;

function room(bytes: number): void {
  if (length + bytes <= buffer.length) return;
  const larger = Buffer.alloc(Math.max(buffer.length * 2, length + bytes));
  buffer.copy(larger, 0, 0, length);
  buffer = larger;
}

function write(value: unknown): void {
  const type = typeOf(value);
  writeByte(ranks[type]);
  writeValue(value, type);
}

function writeValue(value: unknown, type: BsonType): void {
  switch (type) {
    case types.int:
    case types.double:
    case types.long:
    case types.decimal:
      return writeNumber(value, type);
    case types.string:
    case types.symbol:
    case types.javascript:
      return writeText(textOf(value));
    case types.object:
      return writeFields(fieldsOf(value as Fields));
    case types.array:
      for (const element of value as readonly unknown[]) write(element);
      return writeByte(end);
    case types.binData: {
      const { bytes, subtype } = binaryOf(value);
      writeUint(bytes.length, 4);
      writeByte(subtype);
      return writeBytes(bytes);
    }
    case types.objectId:
      return writeBytes((value as ObjectId).id);
    case types.bool:
      return writeByte(value === true ? 1 : 0);
    case types.date:
      return writeDouble(timeOf(value));
    case types.timestamp:
      room(8);
      length = buffer.writeBigUInt64BE(BigInt.asUintN(64, (value as Timestamp).toBigInt()), length);
      return;
    case types.regex: {
      const { pattern, flags } = regexOf(value);
      writeText(pattern);
      return writeText(flags);
    }
    case types.javascriptWithScope:
      writeText(textOf(value));
      return writeFields((value as Code).scope ?? {});
    default:
  }
}

function writeByte(byte: number): void {
  room(1);
  buffer[length++] = byte;
}

function writeUint(value: number, bytes: number): void {
  room(bytes);
  length = buffer.writeUIntBE(value, length, bytes);
}

function writeBytes(bytes: Uint8Array): void {
  room(bytes.length);
  buffer.set(bytes, length);
  length += bytes.length;
}

/** UTF-8, ended by two zero bytes; a zero inside is followed by 255. */
function writeText(text: string): void {
  let start = 0;
  for (let zero = text.indexOf('\0'); zero >= 0; zero = text.indexOf('\0', start)) {
    writeUtf8(text.slice(start, zero));
    writeUint(0x00ff, 2);
    start = zero + 1;
  }
  writeUtf8(start === 0 ? text : text.slice(start));
  writeUint(0, 2);
}

function writeUtf8(text: string): void {
  room(text.length * 3);
  length += buffer.write(text, length, 'utf8');
}

/**
 * As documents compare: first the type of a field's value, then the field's name, then the value.
 */
function writeFields(fields: Fields): void {
  for (const name of Object.keys(fields)) {
    const value = own(fields, name);
    const type = typeOf(value);
    writeByte(ranks[type]);
    writeText(name);
    writeValue(value, type);
  }
  writeByte(end);
}

/** A double's bits in an order of their own: NaN first, then from minus to plus infinity. */
function writeDouble(value: number): void {
  room(8);
  if (Number.isNaN(value)) {
    buffer.fill(0, length, length + 8);
  } else {
    buffer.writeDoubleBE(value === 0 ? 0 : value, length);
    if (value < 0) for (let at = length; at < length + 8; at += 1) buffer[at] = ~(buffer[at] as number);
    else buffer[length] = (buffer[length] as number) | 0x80;
  }
  length += 8;
}

/**
 * The largest double that is not above the number, then 0 if that is the number itself, else 1 and
 * the number's digits.
 */
function writeNumber(value: unknown, type: BsonType): void {
  if (type === types.int || type === types.double) {
    writeDouble(doubleOf(value));
    return writeByte(0);
  }
  if (type === types.long) {
    const long = longOf(value);
    if (BigInt.asIntN(53, long) === long) {
      writeDouble(Number(long));
      return writeByte(0);
    }
  }
  writeDecimal(decimalOf(value, type));
}

function writeDecimal(value: Decimal): void {
  if (value.kind !== 'finite') {
    writeDouble(value.kind === 'nan' ? NaN : value.negative ? -Infinity : Infinity);
    return writeByte(0);
  }
  const nearest = Number(`${value.negative ? '-' : ''}${value.coefficient}e${value.exponent}`);
  const order = compareDecimals(exactDecimal(nearest), value);
  writeDouble(order > 0 ? nextBelow(nearest) : nearest);
  writeByte(order === 0 ? 0 : 1);
  if (order !== 0) writeDigits(value);
}

function nextBelow(value: number): number {
  const bits = new DataView(new ArrayBuffer(8));
  if (value === 0) return -Number.MIN_VALUE;
  bits.setFloat64(0, value);
  bits.setBigUint64(0, bits.getBigUint64(0) + (value > 0 ? -1n : 1n));
  return bits.getFloat64(0);
}

/**
 * Magnitude and digits without trailing zeros, ended by a byte below all digits; inverted for a
 * negative number.
 */
function writeDigits(value: Extract<Decimal, { kind: 'finite' }>): void {
  const start = length;
  writeUint(magnitude(value) + 0x8000, 2);
  const digits = String(value.coefficient).replace(/0+$/, '');
  for (const digit of digits) writeByte(Number(digit) + 1);
  writeByte(end);
  if (value.negative) for (let at = start; at < length; at += 1) buffer[at] = ~(buffer[at] as number);
}
