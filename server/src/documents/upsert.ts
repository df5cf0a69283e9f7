import type { Document } from 'mongodb';
import { codes, DocumentError } from './errors.ts';
import { isDocument, own, put } from './types.ts';
import { compareStrings, equalValues } from './values.ts';

/**
 * The document that an upsert begins with when nothing matched: the fields that the filter says are equal to something,
 * by path in the order of their bytes, `_id` first. Fails with `DocumentError` where two conditions name the same field.
 */
export function upsertSeed(filter: Document): Document {
  const equalities = new Map<string, unknown>();
  collect(filter, equalities);
  const paths = [...equalities.keys()].sort(compareStrings);
  const seed: Document = {};
  for (const path of paths) place(seed, path.split('.'), equalities.get(path));
  return Object.hasOwn(seed, '_id') ? { _id: seed['_id'] as unknown, ...seed } : seed;
}

function collect(filter: Document, equalities: Map<string, unknown>): void {
  for (const [name, value] of Object.entries(filter)) {
    if (!name.startsWith('$')) collectAt(name, value, equalities);
    else if (Array.isArray(value) && (name === '$and' || (name === '$or' && value.length === 1))) {
      for (const part of value as Document[]) collect(part, equalities);
    }
  }
}

function collectAt(path: string, condition: unknown, equalities: Map<string, unknown>): void {
  if (!isDocument(condition) || !(Object.keys(condition)[0] ?? '').startsWith('$')) return add(path, condition, equalities);
  for (const [operator, argument] of Object.entries(condition)) {
    if (operator === '$eq') add(path, argument, equalities);
    if (operator === '$in' && Array.isArray(argument) && isSingle(argument)) add(path, argument[0], equalities);
    if (operator === '$all' && Array.isArray(argument)) {
      for (const value of argument as unknown[]) if (!isElemMatch(value)) add(path, value, equalities);
    }
  }
}

function isSingle(values: readonly unknown[]): boolean {
  return values.length > 0 && values.every((value) => equalValues(value, values[0]));
}

function isElemMatch(value: unknown): boolean {
  return isDocument(value) && Object.keys(value)[0] === '$elemMatch';
}

function add(path: string, value: unknown, equalities: Map<string, unknown>): void {
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
