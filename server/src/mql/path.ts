import { spend } from './effort.ts';
import { codes, DocumentError } from './errors.ts';
import { type Fields, isDocument, own } from './types.ts';

/**
 * One name of a dotted path. `index` is the place it means in an array, -1 if it cannot mean one.
 */
export interface PathPart {
  readonly name: string;
  readonly index: number;
}

/** Most names in one path, as deep as a document may be. */
const maxParts = 200;

const arrayIndex = /^(?:0|[1-9]\d{0,9})$/;

/** Takes a dotted path apart. Names may be empty, as stored documents may have such names. */
export function parsePath(path: string): readonly PathPart[] {
  const parts = path.split('.').map((name) => ({ name, index: indexOf(name) }));
  if (parts.length > maxParts) throw new DocumentError(codes.overflow, `a path has more than ${maxParts} parts`);
  return parts;
}

/** The place in an array that a name means, -1 if none: digits without leading zeros. */
export function indexOf(name: string): number {
  return arrayIndex.test(name) ? Number(name) : -1;
}

/** `search` found nothing. */
export const notFound = -2;
/** `search` found a value without going through an array's elements. */
export const direct = -1;

/**
 * Looks for a value at a path that passes a test, and tells the index in the outermost array that
 * led to it.
 *
 * Arrays on the way are entered: names go on inside each element that is a document, and a number
 * also means a place. At the end of the path an array stands for each of its elements and, last,
 * for itself (`leaf` false: only for itself). A missing field is tested as `undefined`.
 */
export function search(document: unknown, path: readonly PathPart[], leaf: boolean, test: (value: unknown) => boolean): number {
  return inDocument(document, path, 0, leaf, test);
}

type Test = (value: unknown) => boolean;

function inDocument(document: unknown, path: readonly PathPart[], start: number, leaf: boolean, test: Test): number {
  const last = path.length - 1;
  let current = document;
  for (let at = start; ; at += 1) {
    const value = childOf(current, path[at] as PathPart);
    if (Array.isArray(value)) return inArray(value, path, at + 1, leaf, test);
    if (at === last || value === undefined) return tested(value, test);
    if (!isDocument(value)) return tested(undefined, test);
    current = value;
  }
}

/** A field of a document; of an array, which is a document to `$elemMatch`, an element. */
function childOf(value: unknown, { name, index }: PathPart): unknown {
  if (!Array.isArray(value)) return own(value as Fields, name);
  return index < 0 || index >= value.length ? undefined : elementOf(value, index);
}

function elementOf(array: readonly unknown[], index: number): unknown {
  const value = array[index];
  return value === undefined ? null : value;
}

function inArray(array: readonly unknown[], path: readonly PathPart[], at: number, leaf: boolean, test: Test): number {
  if (at === path.length) return atLeaf(array, leaf, test);
  const { index } = path[at] as PathPart;
  for (let place = 0; place < array.length; place += 1) {
    spend();
    const element = elementOf(array, place);
    const nested = isDocument(element);
    if (nested && inDocument(element, path, at, leaf, test) !== notFound) return place;
    if (place !== index) continue;
    const found = at === path.length - 1 ? tested(element, test) : inside(element, path, at + 1, leaf, test);
    if (found !== notFound) return found;
  }
  return notFound;
}

function tested(value: unknown, test: Test): number {
  spend();
  return test(value) ? direct : notFound;
}

/**
 * Searches below a place that the path names: that place does not count as one on the way to the
 * value, only those further in do.
 */
function inside(element: unknown, path: readonly PathPart[], at: number, leaf: boolean, test: Test): number {
  if (Array.isArray(element)) return inArray(element, path, at, leaf, test);
  return isDocument(element) ? inDocument(element, path, at, leaf, test) : notFound;
}

function atLeaf(array: readonly unknown[], leaf: boolean, test: Test): number {
  if (leaf) {
    for (let place = 0; place < array.length; place += 1) {
      spend();
      if (test(elementOf(array, place))) return place;
    }
  }
  return tested(array, test);
}
