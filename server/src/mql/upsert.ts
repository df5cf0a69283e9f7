import type { Document } from 'mongodb';
import { codes, DocumentError } from './errors.ts';
import { compileFilter } from './match.ts';
import { isNever } from './matches-nothing.ts';
import { isDocument, own, put } from './types.ts';
import { compareStrings, equalValues } from './values.ts';

/**
 * The document that an upsert begins with when nothing matched: the fields that the filter says are
 * equal to something, by path in the order of their bytes, `_id` first. For a replacement only the
 * `_id` counts (`idOnly`).
 *
 * Fails with `DocumentError` where two conditions name the same field.
 */
export function upsertSeed(filter: Document, idOnly = false): Document {
  // What is nested without end, or no filter at all, is refused there.
  compileFilter(filter);
  const found: Found = { equalities: new Map(), idOnly };
  if (!isNever(filter)) collect(filter, found);
  const paths = [...found.equalities.keys()].sort(compareStrings);
  const seed: Document = {};
  for (const path of paths) place(seed, path.split('.'), found.equalities.get(path));
  return Object.hasOwn(seed, '_id') ? { _id: seed['_id'] as unknown, ...seed } : seed;
}

interface Found {
  equalities: Map<string, unknown>;
  idOnly: boolean;
}

function collect(filter: Document, found: Found): void {
  for (const [name, value] of Object.entries(filter)) {
    if (!name.startsWith('$')) collectAt(name, value, found);
    if (!Array.isArray(value)) continue;
    if (name === '$and') for (const part of value as Document[]) collect(part, found);
    if (name === '$or') {
      const [first, ...others] = (value as Document[]).filter((part) => !isNever(part));
      if (first !== undefined && others.length === 0) collect(first, found);
    }
  }
}

function collectAt(path: string, condition: unknown, found: Found): void {
  if (!isDocument(condition) || !(Object.keys(condition)[0] ?? '').startsWith('$')) return add(path, condition, found);
  for (const [operator, argument] of Object.entries(condition)) {
    if (operator === '$eq') add(path, argument, found);
    if (operator === '$in' && Array.isArray(argument) && isSingle(argument)) add(path, argument[0], found);
    if (operator === '$all' && Array.isArray(argument)) {
      for (const value of argument as unknown[]) if (!isElemMatch(value)) add(path, value, found);
    }
  }
}

function isSingle(values: readonly unknown[]): boolean {
  return values.length > 0 && values.every((value) => equalValues(value, values[0]));
}

function isElemMatch(value: unknown): boolean {
  return isDocument(value) && Object.keys(value)[0] === '$elemMatch';
}

function add(path: string, value: unknown, { equalities, idOnly }: Found): void {
  if (idOnly && path.split('.')[0] !== '_id') return;
  if (idOnly && path !== '_id')
    throw new DocumentError(codes.notExactValueField, `field at '_id' must be exactly specified, found '${path}'`);
  for (const other of equalities.keys()) {
    const both = [other, path].sort((a, b) => a.length - b.length) as [string, string];
    if (both[0] === both[1] || both[1].startsWith(`${both[0]}.`)) {
      throw new DocumentError(codes.notSingleValueField, `cannot infer query fields to set, path '${both[1]}' is matched twice`);
    }
  }
  equalities.set(path, value === undefined ? null : value);
}

function place(document: Record<string, unknown>, [name, ...rest]: readonly string[], value: unknown): void {
  if (name === undefined) return;
  if (rest.length === 0) return put(document, name, value);
  const inner = own(document, name);
  const next: Record<string, unknown> = isDocument(inner) ? inner : {};
  if (next !== inner) put(document, name, next);
  place(next, rest, value);
}
