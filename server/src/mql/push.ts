import { spend } from './effort.ts';
import { codes, DocumentError } from './errors.ts';
import { wholeNumber } from './operators.ts';
import { type Fields, isDocument, isNumber, nameOf, own, typeOf } from './types.ts';
import { compareValues, doubleOf } from './values.ts';
import { indexOf } from './path.ts';

type Compare = (a: unknown, b: unknown) => number;

interface Clauses {
  values: readonly unknown[];
  position?: number;
  sort?: Compare;
  slice?: number;
}

/** The next array for `$push` with its clauses: inserted at a position, then sorted, then cut. */
export function pushValues(argument: unknown): (current: unknown) => unknown {
  const clauses =
    isDocument(argument) && Object.hasOwn(argument, '$each') ? parseClauses(argument) : { values: [argument ?? null] };
  return (current) => {
    if (current !== undefined && !Array.isArray(current)) {
      throw new DocumentError(codes.badValue, `$push needs an array but the field is of type ${nameOf(typeOf(current))}`);
    }
    return pushed(current, clauses);
  };
}

function pushed(current: readonly unknown[] | undefined, { values, position, sort, slice }: Clauses): readonly unknown[] {
  const before = current ?? [];
  const at = place(before.length, position);
  let next: readonly unknown[] = [...before.slice(0, at), ...values, ...before.slice(at)];
  if (sort !== undefined) next = [...next].sort(sort);
  const cut = slice === undefined ? next : slice < 0 ? next.slice(slice) : next.slice(0, slice);
  // A sort counts as a modification even if it moves nothing, except of an empty array.
  const same = values.length === 0 && (sort === undefined || next.length === 0) && cut.length === next.length;
  return same && current !== undefined ? current : cut;
}

function place(length: number, position: number | undefined): number {
  if (position === undefined || position > length) return length;
  return position >= 0 ? position : Math.max(0, length + position);
}

function parseClauses(clauses: Fields): Clauses {
  const parsed: Clauses = { values: [] };
  for (const [name, argument] of Object.entries(clauses)) {
    switch (name) {
      case '$each':
        if (!Array.isArray(argument)) throw new DocumentError(codes.badValue, 'The argument to $each in $push must be an array');
        parsed.values = (argument as unknown[]).map((value) => value ?? null);
        break;
      case '$slice':
        parsed.slice = integer(name, argument);
        break;
      case '$position':
        parsed.position = integer(name, argument);
        break;
      case '$sort':
        parsed.sort = parseSort(argument);
        break;
      default:
        throw new DocumentError(codes.badValue, `Unrecognized clause in $push: ${name}`);
    }
  }
  return parsed;
}

function integer(name: string, argument: unknown): number {
  const value = wholeNumber(argument);
  if (value === undefined) throw new DocumentError(codes.badValue, `The value for ${name} must be an integer value`);
  return Number(value);
}

function parseSort(argument: unknown): Compare {
  if (isNumber(argument)) {
    return directed((a, b) => {
      spend();
      return compareValues(a, b);
    }, argument);
  }
  if (!isDocument(argument)) throw new DocumentError(codes.badValue, 'The $sort is invalid: use 1 or -1 or a document');
  const orders = Object.entries(argument).map(([path, direction]) => {
    if (path === '' || path.split('.').includes(''))
      throw new DocumentError(codes.badValue, 'The $sort field is a dotted field but has an empty part');
    const names = path.split('.');
    return directed((a, b) => {
      spend(names.length);
      return compareValues(fieldAt(a, names), fieldAt(b, names));
    }, direction);
  });
  if (orders.length === 0)
    throw new DocumentError(codes.badValue, 'The $sort pattern is empty when it should be a set of fields');
  return (a, b) => orders.reduce((order, compare) => order || compare(a, b), 0);
}

function directed(compare: Compare, direction: unknown): Compare {
  const sign = isNumber(direction) ? doubleOf(direction) : NaN;
  if (sign !== 1 && sign !== -1) throw new DocumentError(codes.badValue, 'The $sort element value must be either 1 or -1');
  return sign === 1 ? compare : (a, b) => compare(b, a);
}

/** The value at a path; arrays are entered by place only. Whatever is missing is null. */
function fieldAt(value: unknown, names: readonly string[]): unknown {
  let current: unknown = isDocument(value) ? value : undefined;
  for (const name of names) {
    if (Array.isArray(current)) current = current[indexOf(name)];
    else current = isDocument(current) ? own(current, name) : undefined;
  }
  return current ?? null;
}
