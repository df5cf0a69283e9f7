import type { Decimal128 } from 'mongodb';
import { parseDecimal } from './decimal.ts';
import { spend } from './effort.ts';
import { codes, DocumentError, UnsupportedOperator } from './errors.ts';
import { keyText } from './sortable-key.ts';
import { isNumber, nameOf, typeOf, types, type BsonType } from './types.ts';
import { compareValues, doubleOf, equalValues, isNaNumber, longOf, rankOf } from './values.ts';

/** A test of one value; `undefined` stands for a missing field. */
export type Test = (value: unknown) => boolean;

const maxLong = 2n ** 63n;

export function equal(wanted: unknown): Test {
  refuseRegex(wanted);
  if (wanted === null || wanted === undefined) return (value) => value === null || value === undefined;
  if (typeof wanted === 'string') {
    return (value) => value === wanted || (typeof value === 'object' && value !== null && equalValues(value, wanted));
  }
  return (value) => value !== undefined && equalValues(value, wanted);
}

/** Neither an expression to be matched nor a value that can be compared exactly here. */
export function refuseRegex(value: unknown): void {
  if (typeOf(value) === types.regex) throw new UnsupportedOperator('a regular expression');
}

export type Comparison = '$gt' | '$gte' | '$lt' | '$lte';

const holds: Readonly<Record<Comparison, (order: number) => boolean>> = {
  $gt: (order) => order > 0,
  $gte: (order) => order >= 0,
  $lt: (order) => order < 0,
  $lte: (order) => order <= 0,
};

/**
 * Order within one type; only MinKey and MaxKey compare with everything, a missing field included.
 */
export function compare(operator: Comparison, limit: unknown): Test {
  refuseRegex(limit);
  const includes = operator === '$gte' || operator === '$lte';
  const type = typeOf(limit);
  if (type === types.null) return (value) => includes && (value === null || value === undefined);
  if (isNaNumber(limit)) return (value) => includes && isNumber(value) && isNaNumber(value);
  const rank = rankOf(limit);
  const outer = operator.startsWith('$g') ? types.minKey : types.maxKey;
  const test = holds[operator];
  return (value) => {
    if (value === undefined || rankOf(value) !== rank) return type === outer;
    return !isNaNumber(value) && test(compareValues(value, limit));
  };
}

/** Lists up to this length are compared one by one. */
const shortList = 8;

export function withinRange(values: readonly unknown[]): Test {
  values.forEach(refuseRegex);
  const texts = new Set(values.filter((value) => typeof value === 'string'));
  const others = values.filter((value) => typeof value !== 'string' && value !== null && value !== undefined);
  const missing = values.some((value) => value === null || value === undefined);
  const equals = others.length > shortList ? amongKeys(others) : amongFew(others);
  return (value) => {
    if (typeof value === 'string' && texts.has(value)) return true;
    return value === null || value === undefined ? missing : others.length > 0 && equals(value);
  };
}

function amongFew(values: readonly unknown[]): Test {
  return (value) =>
    values.some((wanted) => {
      spend();
      return equalValues(value, wanted);
    });
}

function amongKeys(values: readonly unknown[]): Test {
  const keys = new Set(values.map(keyText));
  return (value) => keys.has(keyText(value));
}

/**
 * Whether an argument means yes: any number but 0, and everything that is not false, null or
 * missing.
 */
export function isTrue(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return false;
  return !isNumber(value) || isNaNumber(value) || !equalValues(value, 0);
}

export function ofSize(argument: unknown): Test {
  const size = wholeNumber(argument);
  if (size === undefined) throw new DocumentError(codes.failedToParse, '$size needs a whole number');
  if (size !== BigInt.asIntN(32, size)) throw new DocumentError(codes.badValue, '$size needs a number of 32 bits');
  if (size < 0n) throw new DocumentError(codes.badValue, '$size may not be negative');
  return (value) => Array.isArray(value) && BigInt(value.length) === size;
}

/** A number of any type that is whole; undefined if it is not. */
export function wholeNumber(value: unknown): bigint | undefined {
  if (!isNumber(value)) return undefined;
  const whole = truncated(value);
  return whole !== undefined && equalValues(value, whole) ? whole : undefined;
}

/** A number cut to a 64-bit integer; undefined if it has none (NaN, infinite, too large). */
function truncated(value: unknown): bigint | undefined {
  const type = typeOf(value);
  if (type === types.long) return longOf(value);
  const whole = type === types.decimal ? truncatedDecimal(value as Decimal128) : truncatedDouble(doubleOf(value));
  return whole !== undefined && whole >= -maxLong && whole < maxLong ? whole : undefined;
}

function truncatedDouble(value: number): bigint | undefined {
  return Number.isFinite(value) ? BigInt(Math.trunc(value)) : undefined;
}

function truncatedDecimal(value: Decimal128): bigint | undefined {
  const parsed = parseDecimal(value);
  if (parsed.kind !== 'finite' || parsed.exponent > 20)
    return parsed.kind === 'finite' && parsed.coefficient === 0n ? 0n : undefined;
  const power = 10n ** BigInt(Math.abs(parsed.exponent));
  const whole = parsed.exponent < 0 ? parsed.coefficient / power : parsed.coefficient * power;
  return parsed.negative ? -whole : whole;
}

export function remainder(argument: unknown): Test {
  if (!Array.isArray(argument) || argument.length !== 2)
    throw new DocumentError(codes.badValue, 'malformed $mod, needs an array of two numbers');
  const [divisor, wanted] = argument.map((value: unknown) => (isNumber(value) ? truncated(value) : undefined));
  if (divisor === undefined || wanted === undefined)
    throw new DocumentError(codes.badValue, 'malformed $mod, divisor or remainder is not a number');
  if (divisor === 0n) throw new DocumentError(codes.badValue, '$mod: divisor cannot be 0');
  return (value) => {
    const dividend = value !== undefined && isNumber(value) ? truncated(value) : undefined;
    return dividend !== undefined && dividend % divisor === wanted;
  };
}

const numberTypes: readonly BsonType[] = [types.double, types.int, types.long, types.decimal];
const typeNumbers: ReadonlySet<number> = new Set([...Object.values(types), 6, 12]);

export function ofType(argument: unknown): Test {
  const asked = Array.isArray(argument) ? (argument as unknown[]) : [argument];
  if (asked.length === 0) throw new DocumentError(codes.failedToParse, '$type must match at least one type');
  const wanted = new Set(asked.flatMap(typesFor));
  return (value) => value !== undefined && wanted.has(typeOf(value));
}

function typesFor(argument: unknown): readonly number[] {
  if (argument === 'number') return numberTypes;
  if (typeof argument === 'string') {
    const named = [...typeNumbers].filter((type) => nameOf(type as BsonType) === argument);
    if (argument === 'undefined' || argument === 'dbPointer') return [];
    if (named.length === 0) throw new DocumentError(codes.badValue, `unknown type name: ${argument}`);
    return named;
  }
  const number = wholeNumber(argument);
  if (number === undefined || !typeNumbers.has(Number(number)))
    throw new DocumentError(codes.badValue, '$type needs a type number or name');
  return [Number(number)];
}
