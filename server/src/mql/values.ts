import { spend } from './effort.ts';
import {
  Binary,
  BSONRegExp,
  type BSONSymbol,
  type Code,
  type Decimal128,
  type Long,
  type ObjectId,
  type Timestamp,
} from 'mongodb';
import { compareDecimals, exactDecimal, parseDecimal, wholeDecimal, type Decimal } from './decimal.ts';
import { type BsonType, type Fields, fieldsOf, own, typeOf, types } from './types.ts';

/**
 * Types that compare with each other have the same rank; the others follow each other in this
 * order.
 */
export const ranks: Readonly<Record<BsonType, number>> = {
  [types.minKey]: 1,
  [types.null]: 5,
  [types.int]: 10,
  [types.long]: 10,
  [types.double]: 10,
  [types.decimal]: 10,
  [types.string]: 15,
  [types.symbol]: 15,
  [types.object]: 20,
  [types.array]: 25,
  [types.binData]: 30,
  [types.objectId]: 35,
  [types.bool]: 40,
  [types.date]: 45,
  [types.timestamp]: 47,
  [types.regex]: 50,
  [types.javascript]: 60,
  [types.javascriptWithScope]: 65,
  [types.maxKey]: 127,
};

/**
 * Place of a value's type in MongoDB's order over all types. Values of different rank are never
 * equal.
 */
export function rankOf(value: unknown): number {
  return ranks[typeOf(value)];
}

/**
 * MongoDB's order over all values: negative if `a` comes first, 0 if they are equal (1 and 1.0
 * are), else positive.
 */
export function compareValues(a: unknown, b: unknown): number {
  if (typeof a === 'string' && typeof b === 'string') return compareStrings(a, b);
  if (typeof a === 'number' && typeof b === 'number') return compareDoubles(a, b);
  const type = typeOf(a);
  const other = typeOf(b);
  if (ranks[type] !== ranks[other]) return ranks[type] - ranks[other];
  return compareSameRank(a, type, b, other);
}

/**
 * Whether two values are equal in MongoDB's order: numbers by value, documents with their fields in
 * the same order.
 */
export function equalValues(a: unknown, b: unknown): boolean {
  return a === b || compareValues(a, b) === 0;
}

function compareSameRank(a: unknown, type: BsonType, b: unknown, other: BsonType): number {
  switch (type) {
    case types.int:
    case types.double:
    case types.long:
    case types.decimal:
      return compareNumbers(a, type, b, other);
    case types.string:
    case types.symbol:
    case types.javascript:
      return compareStrings(textOf(a), textOf(b));
    case types.object:
      return compareDocuments(fieldsOf(a as Fields), fieldsOf(b as Fields));
    case types.array:
      return compareArrays(a as readonly unknown[], b as readonly unknown[]);
    case types.binData:
      return compareBinaries(binaryOf(a), binaryOf(b));
    case types.objectId:
      return Buffer.compare((a as ObjectId).id, (b as ObjectId).id);
    case types.bool:
      return Number(a) - Number(b);
    case types.date:
      return compareDoubles(timeOf(a), timeOf(b));
    case types.timestamp:
      return compareBigints((a as Timestamp).toBigInt(), (b as Timestamp).toBigInt());
    case types.regex:
      return compareRegexes(regexOf(a), regexOf(b));
    case types.javascriptWithScope:
      return compareStrings(textOf(a), textOf(b)) || compareDocuments((a as Code).scope ?? {}, (b as Code).scope ?? {});
    default:
      return 0;
  }
}

/**
 * Order of texts by their UTF-8 bytes, which differs from JavaScript's for characters outside the
 * basic plane.
 */
export function compareStrings(a: string, b: string): number {
  if (a === b) return 0;
  const shorter = Math.min(a.length, b.length);
  for (let at = 0; at < shorter; at += 1) {
    const left = a.charCodeAt(at);
    const right = b.charCodeAt(at);
    if (left !== right) return utf8Place(left) - utf8Place(right);
  }
  return a.length - b.length;
}

/** Orders surrogates, which UTF-16 has below U+E000, after all other units. */
function utf8Place(unit: number): number {
  return unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Text of a string, a symbol or a piece of code. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'function') return String(value);
  return typeOf(value) === types.symbol ? (value as BSONSymbol).value : String((value as Code).code);
}

/** Numbers as equals: NaN equals itself and is below all others. */
function compareDoubles(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  return Number(Number.isNaN(b)) - Number(Number.isNaN(a));
}

function compareBigints(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Value of an int or double, plain or in its class. */
export function doubleOf(value: unknown): number {
  return typeof value === 'number' ? value : Number(value);
}

/** Value of a long. */
export function longOf(value: unknown): bigint {
  return typeof value === 'bigint' ? BigInt.asIntN(64, value) : (value as Long).toBigInt();
}

/** Exact value of a number of any type. */
export function decimalOf(value: unknown, type: BsonType): Decimal {
  if (type === types.decimal) return parseDecimal(value as Decimal128);
  return type === types.long ? wholeDecimal(longOf(value)) : exactDecimal(doubleOf(value));
}

/** Whether a value is a number that is none. */
export function isNaNumber(value: unknown): boolean {
  switch (typeOf(value)) {
    case types.double:
      return Number.isNaN(doubleOf(value));
    case types.decimal:
      return parseDecimal(value as Decimal128).kind === 'nan';
    default:
      return false;
  }
}

function compareNumbers(a: unknown, type: BsonType, b: unknown, other: BsonType): number {
  if (type === types.decimal || other === types.decimal) return compareDecimals(decimalOf(a, type), decimalOf(b, other));
  if (type !== types.long && other !== types.long) return compareDoubles(doubleOf(a), doubleOf(b));
  if (type === other) return compareBigints(longOf(a), longOf(b));
  return type === types.long ? compareLongAndDouble(longOf(a), doubleOf(b)) : -compareLongAndDouble(longOf(b), doubleOf(a));
}

function compareLongAndDouble(long: bigint, double: number): number {
  if (Number.isNaN(double)) return 1;
  if (!Number.isFinite(double)) return double > 0 ? -1 : 1;
  const whole = Math.trunc(double);
  return compareBigints(long, BigInt(whole)) || compareDoubles(whole, double);
}

function compareDocuments(a: Fields, b: Fields): number {
  const names = Object.keys(a);
  const others = Object.keys(b);
  spend(1 + (names.length >> 2));
  const shorter = Math.min(names.length, others.length);
  for (let at = 0; at < shorter; at += 1) {
    const name = names[at] as string;
    const other = others[at] as string;
    const left = own(a, name);
    const right = own(b, other);
    const order = rankOf(left) - rankOf(right) || compareStrings(name, other) || compareValues(left, right);
    if (order !== 0) return order;
  }
  return names.length - others.length;
}

function compareArrays(a: readonly unknown[], b: readonly unknown[]): number {
  const shorter = Math.min(a.length, b.length);
  for (let at = 0; at < shorter; at += 1) {
    spend();
    const order = compareValues(a[at], b[at]);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

export interface BinaryParts {
  subtype: number;
  bytes: Uint8Array;
}

export function binaryOf(value: unknown): BinaryParts {
  if (value instanceof Binary) return { subtype: value.sub_type, bytes: value.buffer.subarray(0, value.position) };
  return { subtype: 0, bytes: value as Uint8Array };
}

/** The shorter one first, then by kind, then by bytes. */
function compareBinaries(a: BinaryParts, b: BinaryParts): number {
  return a.bytes.length - b.bytes.length || a.subtype - b.subtype || Buffer.compare(a.bytes, b.bytes);
}

/** Milliseconds of a date. One that is not a date is stored as 0. */
export function timeOf(value: unknown): number {
  const time = (value as Date).getTime();
  return Number.isNaN(time) ? 0 : time;
}

export interface RegexParts {
  pattern: string;
  flags: string;
}

/** A regular expression as the driver stores it. */
export function regexOf(value: unknown): RegexParts {
  if (value instanceof BSONRegExp) return { pattern: value.pattern, flags: value.options };
  const { source, ignoreCase, global, multiline } = value as RegExp;
  return { pattern: source, flags: `${ignoreCase ? 'i' : ''}${global ? 's' : ''}${multiline ? 'm' : ''}` };
}

function compareRegexes(a: RegexParts, b: RegexParts): number {
  return compareStrings(a.pattern, b.pattern) || compareStrings(a.flags, b.flags);
}
