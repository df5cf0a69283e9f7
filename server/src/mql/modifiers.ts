import { Int32, Timestamp } from 'mongodb';
import {
  calculate,
  combineBits,
  isNoChange,
  isSameNumber,
  likeBefore,
  losesDigits,
  type BitOperation,
  type ArithmeticOperation,
} from './arithmetic.ts';
import { spend } from './effort.ts';
import { codes, DocumentError, UnsupportedOperator } from './errors.ts';
import { sameBytes } from './same-bytes.ts';
import { compileElementFilter } from './match.ts';
import { keyText } from './sortable-key.ts';
import { withinRange } from './operators.ts';
import { pushValues } from './push.ts';
import { type Fields, isDocument, isNumber, nameOf, typeOf, types } from './types.ts';
import { doubleOf, equalValues, compareValues } from './values.ts';

/** What happens at the end of one path of an update. */
export interface Modifier {
  /**
   * The next value for the present one (`undefined`: there is none): the same if nothing changes,
   * `removed` if it goes.
   */
  apply(current: unknown, run: Run): unknown;
  /** Whether a missing field is made. Otherwise nothing happens where there is none. */
  readonly creates: boolean;
  /**
   * Whether it is no error that the field could not even be made, inside a number or by a name in
   * an array.
   */
  readonly tolerant: boolean;
  /** Only for a document that is being inserted by an upsert. */
  readonly onInsert?: true;
}

/** What one application of an update knows beside the document. */
export interface Run {
  readonly now: Date;
  readonly insert: boolean;
  /** Whether to refuse results that are whole numbers JSON cannot represent exactly. */
  readonly exact: boolean;
}

export const removed = Symbol('removed');

type Make = (argument: unknown, path: string) => Modifier;

/** The update operators that change a value where it is; `$rename` moves one. */
export const modifiers: Readonly<Record<string, Make>> = {
  $set: (value) => creating((current) => keep(current, stored(value))),
  $setOnInsert: (value) => ({ ...creating((current) => keep(current, stored(value))), onInsert: true }),
  $unset: () => ({ apply: () => removed, creates: false, tolerant: true }),
  $inc: (amount, path) => arithmetic('$inc', 'add', amount, path),
  $mul: (factor, path) => arithmetic('$mul', 'multiply', factor, path),
  $min: (limit) => creating((current) => (current === undefined || compareValues(limit, current) < 0 ? stored(limit) : current)),
  $max: (limit) => creating((current) => (current === undefined || compareValues(limit, current) > 0 ? stored(limit) : current)),
  $currentDate: currentDate,
  $addToSet: addToSet,
  $pop: pop,
  $pull: (condition) => culling('$pull', pullTest(condition)),
  $pullAll: pullAll,
  $push: (argument) => creating(pushValues(argument)),
  $bit: bit,
};

function stored(value: unknown): unknown {
  return value === undefined ? null : value;
}

function creating(apply: Modifier['apply']): Modifier {
  return { apply, creates: true, tolerant: false };
}

function keep(current: unknown, value: unknown): unknown {
  return current !== undefined && sameBytes(current, value) ? current : value;
}

function typeName(value: unknown): string {
  return nameOf(typeOf(value));
}

function arithmetic(name: string, operation: ArithmeticOperation, operand: unknown, path: string): Modifier {
  if (!isNumber(operand)) throw new DocumentError(codes.typeMismatch, `Cannot ${name} with non-numeric argument: ${path}`, path);
  return creating((current, { exact }) => {
    if (current === undefined) {
      return operation === 'add' ? operand : likeBefore(calculate(operation, new Int32(0), operand), operand);
    }
    if (!isNumber(current)) {
      throw new DocumentError(
        codes.typeMismatch,
        `Cannot apply ${name} to a value of non-numeric type: '${path}' is of type ${typeName(current)}`,
        path,
      );
    }
    const result = calculate(operation, current, operand);
    if (result === undefined)
      throw new DocumentError(codes.badValue, `Failed to apply ${name}: '${path}' would not fit into 64 bits`, path);
    if (exact && losesDigits(operation, current, operand, result))
      throw new DocumentError(codes.badValue, `${name} would give '${path}' a number that JSON cannot carry exactly`, path);
    return isNoChange(current, result) ? current : likeBefore(result, current, operand);
  });
}

function currentDate(argument: unknown): Modifier {
  if (typeof argument === 'boolean') return creating((_, { now }) => now);
  if (!isDocument(argument)) throw new DocumentError(codes.badValue, '$currentDate needs a boolean or a document with $type');
  const [name, ...others] = Object.keys(argument);
  if (name !== '$type' || others.length > 0) throw new DocumentError(codes.badValue, '$currentDate knows $type only');
  switch (argument['$type']) {
    case 'date':
      return creating((_, { now }) => now);
    case 'timestamp':
      return creating((_, { now }) => nextTimestamp(now));
    default:
      throw new DocumentError(codes.badValue, "The '$type' string field is required to be 'date' or 'timestamp'");
  }
}

let seconds = 0;
let ordinal = 0;

/** A timestamp later than all that were given out in this second. */
function nextTimestamp(now: Date): Timestamp {
  const second = Math.floor(now.getTime() / 1000);
  ordinal = second === seconds ? ordinal + 1 : 1;
  seconds = second;
  return new Timestamp({ t: second, i: ordinal });
}

/** `$each` counts if it is the first name, as MongoDB has it. */
function addToSet(argument: unknown): Modifier {
  const values = each(argument) ?? [argument];
  return creating((current) => {
    if (current !== undefined && !Array.isArray(current)) {
      throw new DocumentError(codes.badValue, `Cannot apply $addToSet to non-array field of type ${typeName(current)}`);
    }
    const present = (current ?? []) as unknown[];
    const added = values.map(stored).filter(news(present));
    return added.length === 0 && current !== undefined ? present : [...present, ...added];
  });
}

function each(argument: unknown): readonly unknown[] | undefined {
  if (!isDocument(argument)) return undefined;
  const [name, ...others] = Object.keys(argument);
  if (name !== '$each') return undefined;
  const values = argument['$each'];
  if (!Array.isArray(values)) throw new DocumentError(codes.typeMismatch, '$each in $addToSet must be an array');
  if (others.length > 0)
    throw new DocumentError(codes.badValue, `Found unexpected fields after $each in $addToSet: ${others.join()}`);
  return values as unknown[];
}

/** Answers whether a value is new beside those present and those that it was asked for before. */
function news(present: readonly unknown[]): (value: unknown) => boolean {
  spend(present.length);
  const keys = new Set(present.map((value) => keyText(stored(value))));
  return (value) => {
    const before = keys.size;
    return keys.add(keyText(value)).size > before;
  };
}

function pop(argument: unknown): Modifier {
  if (!isNumber(argument)) throw new DocumentError(codes.failedToParse, 'Expected a number in $pop');
  const first = equalValues(argument, -1);
  if (!first && !equalValues(argument, 1))
    throw new DocumentError(codes.failedToParse, `$pop expects 1 or -1, found: ${doubleOf(argument)}`);
  return shortening('$pop', codes.typeMismatch, (current) => {
    if (current.length === 0) return current;
    return first ? current.slice(1) : current.slice(0, -1);
  });
}

function shortening(name: string, code: number, shorten: (current: readonly unknown[]) => readonly unknown[]): Modifier {
  const apply = (current: unknown) => {
    if (current === undefined) return undefined;
    if (!Array.isArray(current))
      throw new DocumentError(code, `Cannot apply ${name} to a non-array value of type ${typeName(current)}`);
    return shorten(current);
  };
  return { apply, creates: false, tolerant: false };
}

function culling(name: string, goes: (value: unknown) => boolean): Modifier {
  return shortening(name, codes.badValue, (current) => {
    const rest = current.filter((value) => {
      spend();
      return !goes(stored(value));
    });
    return rest.length === current.length ? current : rest;
  });
}

function pullTest(condition: unknown): (value: unknown) => boolean {
  if (typeOf(condition) === types.regex) throw new UnsupportedOperator('a regular expression');
  return isDocument(condition) ? compileElementFilter(condition) : (value) => equalValues(value, condition);
}

function pullAll(argument: unknown): Modifier {
  if (!Array.isArray(argument))
    throw new DocumentError(codes.badValue, `$pullAll requires an array argument but was given a ${typeName(argument)}`);
  return culling('$pullAll', withinRange(argument));
}

function isInteger(value: unknown): boolean {
  const type = typeOf(value);
  return type === types.int || type === types.long;
}

function bit(argument: unknown): Modifier {
  if (!isDocument(argument)) throw new DocumentError(codes.badValue, '$bit needs a document with and, or, xor');
  const steps = Object.entries(argument as Fields);
  if (steps.length === 0) throw new DocumentError(codes.badValue, 'You must pass in at least one bitwise operation');
  for (const [name, operand] of steps) {
    if (name !== 'and' && name !== 'or' && name !== 'xor')
      throw new DocumentError(codes.badValue, `The $bit modifier only supports 'and', 'or', and 'xor', not '${name}'`);
    if (!isInteger(operand)) throw new DocumentError(codes.badValue, 'The $bit modifier field must be an Integer(32/64 bit)');
  }
  return creating((current) => {
    if (current !== undefined && !isInteger(current))
      throw new DocumentError(codes.badValue, 'Cannot apply $bit to a value of non-integral type');
    const before = current ?? new Int32(0);
    const result = steps.reduce<unknown>((value, [name, operand]) => combineBits(name as BitOperation, value, operand), before);
    return current !== undefined && isSameNumber(current, result)
      ? current
      : likeBefore(result, ...(current === undefined ? [] : [current]), ...steps.map(([, operand]) => operand));
  });
}
