import { Decimal128 } from 'mongodb';

/**
 * A decimal number taken apart: `coefficient` times ten to the power of `exponent`, or one that is
 * not finite.
 */
export type Decimal =
  | { kind: 'finite'; negative: boolean; coefficient: bigint; exponent: number }
  | { kind: 'infinite'; negative: boolean }
  | { kind: 'nan' };

const bias = 6176;
const largestExponent = 6111;
const digits = 34;
const limit = 10n ** 34n;

/** Reads the 128 bits of IEEE 754's decimal format in its binary encoding, little-endian. */
export function parseDecimal(value: Decimal128): Decimal {
  const bytes = new DataView(value.bytes.buffer, value.bytes.byteOffset, 16);
  const low = bytes.getBigUint64(0, true);
  const high = bytes.getBigUint64(8, true);
  const negative = high >> 63n === 1n;
  if (((high >> 58n) & 0x1fn) === 0x1fn) return { kind: 'nan' };
  if (((high >> 58n) & 0x1fn) === 0x1en) return { kind: 'infinite', negative };
  if (((high >> 61n) & 3n) === 3n) {
    // Such a coefficient would be above the largest allowed one: it stands for zero.
    return { kind: 'finite', negative, coefficient: 0n, exponent: Number((high >> 47n) & 0x3fffn) - bias };
  }
  const coefficient = ((high & 0x1ffffffffffffn) << 64n) | low;
  const exponent = Number((high >> 49n) & 0x3fffn) - bias;
  return { kind: 'finite', negative, coefficient: coefficient < limit ? coefficient : 0n, exponent };
}

/**
 * The decimal nearest to a number that was computed exactly, ties to even, with the exponent kept
 * where it can be.
 */
export function roundDecimal(value: Decimal): Decimal128 {
  if (value.kind === 'nan') return Decimal128.fromString('NaN');
  if (value.kind === 'infinite') return Decimal128.fromString(value.negative ? '-Infinity' : 'Infinity');
  let { coefficient, exponent } = value;
  const excess = Math.max(String(coefficient).length - digits, -bias - exponent);
  if (excess > 0) {
    coefficient = divideToEven(coefficient, 10n ** BigInt(excess));
    exponent += excess;
    if (coefficient === limit) {
      coefficient /= 10n;
      exponent += 1;
    }
  }
  while (exponent > largestExponent && coefficient !== 0n && coefficient * 10n < limit) {
    coefficient *= 10n;
    exponent -= 1;
  }
  if (exponent > largestExponent) {
    if (coefficient !== 0n) return roundDecimal({ kind: 'infinite', negative: value.negative });
    exponent = largestExponent;
  }
  return pack(value.negative, coefficient, exponent);
}

function pack(negative: boolean, coefficient: bigint, exponent: number): Decimal128 {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(coefficient & 0xffffffffffffffffn, 0);
  const sign = negative ? 1n << 63n : 0n;
  bytes.writeBigUInt64LE(sign | (BigInt(exponent + bias) << 49n) | (coefficient >> 64n), 8);
  return new Decimal128(bytes);
}

function divideToEven(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  const twice = (value % divisor) * 2n;
  return twice > divisor || (twice === divisor && quotient % 2n === 1n) ? quotient + 1n : quotient;
}

/** The exact value of a double: every finite binary fraction is a finite decimal one. */
export function exactDecimal(value: number): Decimal {
  if (Number.isNaN(value)) return { kind: 'nan' };
  const negative = value < 0 || Object.is(value, -0);
  if (!Number.isFinite(value)) return { kind: 'infinite', negative };
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, Math.abs(value));
  const raw = bits.getBigUint64(0);
  const field = Number(raw >> 52n);
  const mantissa = (raw & 0xfffffffffffffn) | (field === 0 ? 0n : 1n << 52n);
  const power = (field === 0 ? 1 : field) - 1075;
  if (power >= 0) return { kind: 'finite', negative, coefficient: mantissa << BigInt(power), exponent: 0 };
  let zeros = 0;
  while (zeros < -power && mantissa !== 0n && (mantissa >> BigInt(zeros)) % 2n === 0n) zeros += 1;
  if (mantissa === 0n) return { kind: 'finite', negative, coefficient: 0n, exponent: 0 };
  const fraction = power + zeros;
  return { kind: 'finite', negative, coefficient: (mantissa >> BigInt(zeros)) * 5n ** BigInt(-fraction), exponent: fraction };
}

export function wholeDecimal(value: bigint): Decimal {
  return { kind: 'finite', negative: value < 0n, coefficient: value < 0n ? -value : value, exponent: 0 };
}

/** A double as arithmetic with decimals takes it: with 15 significant digits, as MongoDB does. */
export function shortDecimal(value: number): Decimal {
  const exact = exactDecimal(value);
  if (exact.kind !== 'finite') return exact;
  if (exact.coefficient === 0n) return exact;
  const [mantissa = '', power = '0'] = Math.abs(value).toExponential(14).split('e');
  return { ...exact, coefficient: BigInt(mantissa.replace('.', '')), exponent: Number(power) - 14 };
}

/** Order of two decimals by exact value. NaN equals itself and is below everything; -0 equals 0. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  if (a.kind === 'nan' || b.kind === 'nan') return Number(b.kind === 'nan') - Number(a.kind === 'nan');
  const sign = signOf(a);
  if (sign !== signOf(b)) return sign < signOf(b) ? -1 : 1;
  if (sign === 0) return 0;
  return compareMagnitudes(a, b) * sign;
}

function signOf(value: Exclude<Decimal, { kind: 'nan' }>): -1 | 0 | 1 {
  if (value.kind === 'finite' && value.coefficient === 0n) return 0;
  return value.negative ? -1 : 1;
}

function compareMagnitudes(a: Decimal, b: Decimal): number {
  if (a.kind !== 'finite' || b.kind !== 'finite') return Number(a.kind === 'infinite') - Number(b.kind === 'infinite');
  const size = magnitude(a) - magnitude(b);
  if (size !== 0) return Math.sign(size);
  const shift = BigInt(Math.abs(a.exponent - b.exponent));
  const left = a.exponent > b.exponent ? a.coefficient * 10n ** shift : a.coefficient;
  const right = b.exponent > a.exponent ? b.coefficient * 10n ** shift : b.coefficient;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Number of digits in front of the decimal point. */
export function magnitude({ coefficient, exponent }: { coefficient: bigint; exponent: number }): number {
  return String(coefficient).length + exponent;
}

export function addDecimals(a: Decimal, b: Decimal): Decimal128 {
  if (a.kind === 'nan' || b.kind === 'nan') return roundDecimal({ kind: 'nan' });
  if (a.kind === 'infinite') return roundDecimal(b.kind === 'infinite' && a.negative !== b.negative ? { kind: 'nan' } : a);
  if (b.kind === 'infinite') return roundDecimal(b);
  // An operand too small to be seen in 34 digits only matters by being there: it may be brought nearer.
  const [x, y] = magnitude(a) >= magnitude(b) ? [a, b] : [b, a];
  const far = magnitude(x) - 3 * digits;
  const near = x.coefficient !== 0n && y.coefficient !== 0n && magnitude(y) < far ? { ...y, coefficient: 1n, exponent: far } : y;
  const exponent = Math.min(x.exponent, near.exponent);
  const sum = scaled(x, exponent) + scaled(near, exponent);
  const negative = sum === 0n ? a.negative && b.negative : sum < 0n;
  return roundDecimal({ kind: 'finite', negative, coefficient: sum < 0n ? -sum : sum, exponent });
}

function scaled({ negative, coefficient, exponent }: Extract<Decimal, { kind: 'finite' }>, to: number): bigint {
  const value = coefficient * 10n ** BigInt(exponent - to);
  return negative ? -value : value;
}

export function multiplyDecimals(a: Decimal, b: Decimal): Decimal128 {
  if (a.kind === 'nan' || b.kind === 'nan') return roundDecimal({ kind: 'nan' });
  const negative = a.negative !== b.negative;
  if (a.kind === 'infinite' || b.kind === 'infinite') {
    const zero = (a.kind === 'finite' && a.coefficient === 0n) || (b.kind === 'finite' && b.coefficient === 0n);
    return roundDecimal(zero ? { kind: 'nan' } : { kind: 'infinite', negative });
  }
  return roundDecimal({
    kind: 'finite',
    negative,
    coefficient: a.coefficient * b.coefficient,
    exponent: a.exponent + b.exponent,
  });
}
