import { binaryOf, compareValues, regexOf } from './values.ts';
import { isSameNumber } from './arithmetic.ts';
import { type Fields, fieldsOf, isNumber, own, typeOf, types } from './types.ts';

/**
 * Whether two values would be stored as the same bytes: equal, of the same types throughout, fields
 * in the same order.
 */
export function sameBytes(a: unknown, b: unknown): boolean {
  if (a === b) return a !== 0 || Object.is(a, b);
  const type = typeOf(a);
  if (type !== typeOf(b)) return false;
  switch (type) {
    case types.array:
      return sameElements(a as readonly unknown[], b as readonly unknown[]);
    case types.object:
      return sameFields(fieldsOf(a as Fields), fieldsOf(b as Fields));
    case types.regex:
      return regexOf(a).pattern === regexOf(b).pattern && regexOf(a).flags === regexOf(b).flags;
    case types.binData:
      return binaryOf(a).subtype === binaryOf(b).subtype && compareValues(a, b) === 0;
    default:
      return isNumber(a) ? isSameNumber(a, b) : compareValues(a, b) === 0;
  }
}

function sameElements(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((value, at) => sameBytes(value, b[at]));
}

function sameFields(a: Fields, b: Fields): boolean {
  const names = Object.keys(a);
  const others = Object.keys(b);
  return (
    names.length === others.length && names.every((name, at) => name === others[at] && sameBytes(own(a, name), own(b, name)))
  );
}
