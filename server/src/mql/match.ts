import type { Document } from 'mongodb';
import { bounded, spend } from './effort.ts';
import { codes, DocumentError, UnsupportedOperator } from './errors.ts';
import { compare, equal, isTrue, ofSize, ofType, refuseRegex, remainder, type Test, withinRange } from './operators.ts';
import { direct, notFound, parsePath, type PathPart, search } from './path.ts';
import { type Fields, isDocument } from './types.ts';

/** A compiled filter: answers whether a document matches. */
export interface Match {
  (document: Fields): boolean;
  /**
   * The index that the positional `$` of an update stands for: of the element through which a
   * matching document's array met the filter; undefined if there is none. Refuses
   * (`UnsupportedOperator`) where MongoDB's answer hangs on its plan.
   */
  position(document: Fields): number | undefined;
}

/**
 * Compiles a MongoDB filter once, to be asked for many documents.
 *
 * Fails with `DocumentError` where MongoDB would, and with `UnsupportedOperator` for what cannot be
 * answered exactly here: regular expressions, `$expr`, `$where`, text and geometry.
 */
export function compileFilter(filter: Document): Match {
  const node = parseFilter(filter, 0);
  const match = (document: Fields) => bounded(() => node.matches(document));
  return Object.assign(match, { position: (document: Fields) => bounded(() => positionIn(node, document)) });
}

/**
 * Compiles a filter for the elements of an array, as `$pull` has it: `{ $gt: 5 }`, or a filter on
 * documents.
 */
export function compileElementFilter(condition: Fields): Test {
  if (!isPathOperator(firstName(condition))) {
    const node = parseFilter(condition, 0);
    return (value) => isDocument(value) && node.matches(value);
  }
  const node = atPath(parsePath(''), parseConditions(condition, 0));
  return (value) => node.matches({ '': value });
}

interface Node {
  matches(document: unknown): boolean;
  /**
   * Index of the matching element, `direct` if none, `ambiguous` if it depends on MongoDB's plan.
   * Asked only after a match.
   */
  position(document: unknown): number;
}

const ambiguous = -3;

function positionIn(node: Node, document: Fields): number | undefined {
  if (!node.matches(document)) return undefined;
  const position = node.position(document);
  if (position === ambiguous) throw new UnsupportedOperator('the positional $', 'is not supported with this filter');
  return position >= 0 ? position : undefined;
}

/** What is asked of the value at a path. */
type Condition =
  | {
      kind: 'value';
      test: Test;
      /** Whether an array is tested element by element, too. */ leaf: boolean;
      inner?: (value: unknown) => number;
    }
  | { kind: 'not'; of: Condition }
  | { kind: 'and'; of: readonly Condition[] }
  | { kind: 'never' };

const maxDepth = 100;

function parseFilter(filter: unknown, depth: number): Node {
  if (!isDocument(filter)) throw new DocumentError(codes.badValue, 'a filter must be a document');
  if (depth > maxDepth) throw new DocumentError(codes.overflow, `a filter is nested deeper than ${maxDepth}`);
  return allOf(Object.keys(filter).map((name) => parseEntry(name, filter[name], depth)));
}

function parseEntry(name: string, value: unknown, depth: number): Node {
  if (!name.startsWith('$')) return atPath(parsePath(name), parseCondition(value, depth));
  switch (name) {
    case '$and':
      return allOf(parseList(name, value, depth));
    case '$or':
      return anyOf(parseList(name, value, depth));
    case '$nor':
      return noneOf(parseList(name, value, depth));
    default:
      throw unknown(name, `unknown top level operator: ${name}`);
  }
}

function parseList(name: string, value: unknown, depth: number): Node[] {
  if (!Array.isArray(value) || value.length === 0) throw new DocumentError(codes.badValue, `${name} must be a nonempty array`);
  return value.map((filter: unknown) => parseFilter(filter, depth + 1));
}

function parseCondition(value: unknown, depth: number): Condition {
  return isDocument(value) && firstName(value).startsWith('$') ? parseConditions(value, depth) : is(equal(value));
}

function firstName(document: Fields): string {
  for (const name of Object.keys(document)) return name;
  return '';
}

function parseConditions(operators: Fields, depth: number): Condition {
  if (depth > maxDepth) throw new DocumentError(codes.overflow, `a filter is nested deeper than ${maxDepth}`);
  const conditions = Object.keys(operators).map((name) => parseOperator(name, operators[name], depth));
  return conditions.length === 1 ? (conditions[0] as Condition) : { kind: 'and', of: conditions };
}

function parseOperator(name: string, argument: unknown, depth: number): Condition {
  switch (name) {
    case '$eq':
      return is(equal(argument));
    case '$ne':
      return not(is(equal(argument)));
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return is(compare(name, argument));
    case '$in':
      return is(withinRange(listOf(name, argument)));
    case '$nin':
      return not(is(withinRange(listOf(name, argument))));
    case '$exists': {
      const exists = is((value) => value !== undefined);
      return isTrue(argument) ? exists : not(exists);
    }
    case '$size':
      return { kind: 'value', test: ofSize(argument), leaf: false };
    case '$mod':
      return is(remainder(argument));
    case '$type':
      return is(ofType(argument));
    case '$not':
      return parseNot(argument, depth);
    case '$all':
      return parseAll(argument, depth);
    case '$elemMatch':
      return parseElemMatch(argument, depth);
    default:
      throw unknown(name, `unknown operator: ${name}`);
  }
}

function is(test: Test): Condition {
  return { kind: 'value', test, leaf: true };
}

function not(of: Condition): Condition {
  return { kind: 'not', of };
}

function listOf(name: string, argument: unknown): readonly unknown[] {
  if (!Array.isArray(argument)) throw new DocumentError(codes.badValue, `${name} needs an array`);
  if (argument.some((value: unknown) => isDocument(value) && firstName(value).startsWith('$')))
    throw new DocumentError(codes.badValue, `cannot nest $ under ${name}`);
  return argument as unknown[];
}

function parseNot(argument: unknown, depth: number): Condition {
  refuseRegex(argument);
  if (!isDocument(argument)) throw new DocumentError(codes.badValue, '$not needs a document');
  if (Object.keys(argument).length === 0) throw new DocumentError(codes.badValue, '$not cannot be empty');
  return not(parseConditions(argument, depth + 1));
}

function parseAll(argument: unknown, depth: number): Condition {
  if (!Array.isArray(argument)) throw new DocumentError(codes.badValue, '$all needs an array');
  const values: readonly unknown[] = argument;
  if (values.length === 0) return { kind: 'never' };
  const nested = values.filter((value) => isDocument(value) && firstName(value) === '$elemMatch') as Fields[];
  if (nested.length === 0) return { kind: 'and', of: values.map(parseAllValue) };
  if (nested.length !== values.length || nested.some((value) => Object.keys(value).length !== 1)) {
    throw new DocumentError(codes.badValue, '$all/$elemMatch has to be consistent');
  }
  return { kind: 'and', of: nested.map((value) => parseElemMatch(value['$elemMatch'], depth + 1)) };
}

/**
 * A document whose first name is an operator's is refused; any other is a value, even if the name
 * begins with `$`.
 */
function parseAllValue(value: unknown): Condition {
  const name = isDocument(value) ? firstName(value) : '';
  if (isPathOperator(name) || isLogical(name) || name === '$not')
    throw new DocumentError(codes.badValue, 'no $ expressions in $all');
  return is(equal(value));
}

function parseElemMatch(argument: unknown, depth: number): Condition {
  if (!isDocument(argument)) throw new DocumentError(codes.badValue, '$elemMatch needs an Object');
  const first = firstName(argument);
  const test =
    first.startsWith('$') && !isLogical(first)
      ? elementTest(parseConditions(argument, depth + 1))
      : documentTest(argument, depth);
  const inner = (value: unknown) =>
    Array.isArray(value)
      ? value.findIndex((element: unknown) => {
          spend();
          return test(element ?? null);
        })
      : notFound;
  return { kind: 'value', test: (value) => inner(value) >= 0, leaf: false, inner };
}

function isLogical(name: string): boolean {
  return name === '$and' || name === '$or' || name === '$nor';
}

/** Elements that are arrays are documents here, with their places as names. */
function documentTest(filter: Fields, depth: number): Test {
  const node = parseFilter(filter, depth + 1);
  return (value) => (Array.isArray(value) || isDocument(value)) && node.matches(value);
}

/** A condition asked of one value as it is, without going into arrays. */
function elementTest(condition: Condition): Test {
  switch (condition.kind) {
    case 'value':
      return condition.test;
    case 'not': {
      const test = elementTest(condition.of);
      return (value) => !test(value);
    }
    case 'and': {
      const tests = condition.of.map(elementTest);
      return (value) =>
        tests.every((test) => {
          spend();
          return test(value);
        });
    }
    case 'never':
      return () => false;
  }
}

function atPath(path: readonly PathPart[], condition: Condition): Node {
  switch (condition.kind) {
    case 'value':
      return valueAt(path, condition);
    case 'not':
      return noneOf([atPath(path, condition.of)]);
    case 'and':
      return allOf(condition.of.map((part) => atPath(path, part)));
    case 'never':
      return { matches: () => false, position: () => direct };
  }
}

function valueAt(path: readonly PathPart[], { test, leaf, inner }: Extract<Condition, { kind: 'value' }>): Node {
  return {
    matches: (document) => search(document, path, leaf, test) !== notFound,
    position(document) {
      let met: unknown;
      const position = search(document, path, leaf, (value) => {
        met = value;
        return test(value);
      });
      return position === direct && inner !== undefined ? inner(met) : position;
    },
  };
}

function allOf(nodes: readonly Node[]): Node {
  if (nodes.length === 1) return nodes[0] as Node;
  return {
    matches: (document) => {
      for (const node of nodes) {
        spend();
        if (!node.matches(document)) return false;
      }
      return true;
    },
    position: (document) => single(nodes.map((node) => node.position(document))),
  };
}

/**
 * Where several conditions met elements, MongoDB takes the last one it asked, in an order of its
 * own.
 */
function single(positions: readonly number[]): number {
  const met = new Set(positions.filter((position) => position !== direct));
  if (met.size > 1) return ambiguous;
  for (const position of met) return position;
  return direct;
}

/** MongoDB may rewrite alternatives into one condition, which then has a position, or not. */
function anyOf(nodes: readonly Node[]): Node {
  if (nodes.length === 1) return nodes[0] as Node;
  return {
    matches: (document) => {
      for (const node of nodes) {
        spend();
        if (node.matches(document)) return true;
      }
      return false;
    },
    position: (document) =>
      nodes.some((node) => node.matches(document) && node.position(document) !== direct) ? ambiguous : direct,
  };
}

function noneOf(nodes: readonly Node[]): Node {
  return {
    matches: (document) => {
      for (const node of nodes) {
        spend();
        if (node.matches(document)) return false;
      }
      return true;
    },
    position: () => direct,
  };
}

const pathOperators: ReadonlySet<string> = new Set(
  '$eq $ne $gt $gte $lt $lte $in $nin $exists $size $mod $type $all $elemMatch'.split(' '),
);

const unsupported: ReadonlySet<string> = new Set(
  (
    '$regex $options $expr $where $text $jsonSchema $comment $near $nearSphere $geoNear $geoWithin $geoIntersects $within $maxDistance ' +
    '$minDistance $bitsAllSet $bitsAllClear $bitsAnySet $bitsAnyClear $sampleRate $alwaysTrue $alwaysFalse $ref $id $db'
  ).split(' '),
);

function isPathOperator(name: string): boolean {
  return pathOperators.has(name) || (name !== '$expr' && name !== '$where' && name !== '$text' && unsupported.has(name));
}

function unknown(name: string, message: string): DocumentError {
  return unsupported.has(name) || name.startsWith('$_internal')
    ? new UnsupportedOperator(name)
    : new DocumentError(codes.badValue, message);
}
