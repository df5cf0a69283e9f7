import { type Decimal128, Double, Int32, Long } from 'mongodb';
import { addDecimals, type Decimal, multiplyDecimals, shortDecimal } from './decimal.ts';
import { type BsonType, typeOf, types } from './types.ts';
import { compareValues, decimalOf, doubleOf, isNaNumber, longOf } from './values.ts';

export type ArithmeticOperation = 'add' | 'multiply';

/**
 * Sum or product of two numbers with MongoDB's type rules: the wider type wins (int, long, double,
 * decimal), and an int that overflows becomes a long. Undefined if a long overflows.
 */
export function calculate(operation: ArithmeticOperation, a: unknown, b: unknown): unknown {
  const left = typeOf(a);
  const right = typeOf(b);
  if (left === types.decimal || right === types.decimal) return decimals(operation, toDecimal(a, left), toDecimal(b, right));
  if (left === types.double || right === types.double) return doubles(operation, toDouble(a, left), toDouble(b, right));
  return integers(operation, toBigint(a, left), toBigint(b, right), left === types.int && right === types.int);
}

function decimals(operation: ArithmeticOperation, a: Decimal, b: Decimal): Decimal128 {
  return operation === 'add' ? addDecimals(a, b) : multiplyDecimals(a, b);
}

function toDecimal(value: unknown, type: BsonType): Decimal {
  return type === types.double ? shortDecimal(doubleOf(value)) : decimalOf(value, type);
}

function doubles(operation: ArithmeticOperation, a: number, b: number): Double {
  return new Double(operation === 'add' ? a + b : a * b);
}

function toDouble(value: unknown, type: BsonType): number {
  return type === types.long ? Number(longOf(value)) : doubleOf(value);
}

function integers(operation: ArithmeticOperation, a: bigint, b: bigint, short: boolean): Int32 | Long | undefined {
  const result = operation === 'add' ? a + b : a * b;
  if (short && BigInt.asIntN(32, result) === result) return new Int32(Number(result));
  return BigInt.asIntN(64, result) === result ? Long.fromBigInt(result) : undefined;
}

/** Value of an int or long. */
export function toBigint(value: unknown, type: BsonType): bigint {
  return type === types.long ? longOf(value) : BigInt(doubleOf(value));
}

export type BitOperation = 'and' | 'or' | 'xor';

/** Bitwise result of two whole numbers: an int if both are ints, else a long. */
export function combineBits(operation: BitOperation, a: unknown, b: unknown): Int32 | Long {
  const left = typeOf(a);
  const right = typeOf(b);
  const x = toBigint(a, left);
  const y = toBigint(b, right);
  const bits = operation === 'and' ? x & y : operation === 'or' ? x | y : x ^ y;
  return left === types.int && right === types.int ? new Int32(Number(bits)) : Long.fromBigInt(bits);
}

/**
 * Whether a result counts as no change: the same type and an equal value, so 0 and -0 are the same
 * and NaN never is.
 */
export function isNoChange(before: unknown, result: unknown): boolean {
  return typeOf(before) === typeOf(result) && compareValues(before, result) === 0 && !isNaNumber(result);
}

/** Whether two values are the same in type and every bit, as opposed to equal in order. */
export function isSameNumber(a: unknown, b: unknown): boolean {
  const type = typeOf(a);
  if (type !== typeOf(b)) return false;
  if (type === types.decimal) return Buffer.compare((a as Decimal128).bytes, (b as Decimal128).bytes) === 0;
  return type === types.long ? longOf(a) === longOf(b) : Object.is(doubleOf(a), doubleOf(b));
}

/**
 * A number as plain JavaScript where the other side of a calculation was plain and nothing is lost:
 * an int or a double.
 */
export function likeBefore(result: unknown, ...operands: readonly unknown[]): unknown {
  const type = typeOf(result);
  const plain = operands.every((operand) => typeof operand === 'number');
  if (!plain || (type !== types.int && type !== types.double)) return result;
  const value = doubleOf(result);
  // NaN stays an object of its own: a plain one could not be told from the NaN before, and it counts as a change.
  return typeOf(value) === type && !Number.isNaN(value) ? value : result;
}

/**
 * Whether a result of whole numbers is inexact, or one that a double cannot hold: JSON cannot
 * represent it.
 */
export function losesDigits(operation: ArithmeticOperation, a: unknown, b: unknown, result: unknown): boolean {
  const [left, right] = [wholeOf(a), wholeOf(b)];
  if (left === undefined || right === undefined) return typeOf(result) === types.double && !Number.isFinite(doubleOf(result));
  const exact = operation === 'add' ? left + right : left * right;
  const given = wholeOf(result);
  return given !== exact || BigInt(Number(exact)) !== exact;
}

/** A number of any type but decimal as a whole number; undefined if it is not one. */
function wholeOf(value: unknown): bigint | undefined {
  const type = typeOf(value);
  if (type === types.long) return longOf(value);
  if (type === types.decimal) return undefined;
  const number = doubleOf(value);
  return Number.isInteger(number) ? BigInt(number) : undefined;
}
