import type { Document } from 'mongodb';
import { codes, DocumentError, UnsupportedOperator } from './errors.ts';
import { isTrue } from './operators.ts';
import { type Fields, fieldsOf, isDocument, isNumber, put } from './types.ts';

/** The names of a projection as a tree; `true` ends a path. */
type Names = Map<string, Names | true>;

/**
 * Compiles a projection of fields to keep (1, true) or to leave out (0, false); `_id` is kept
 * unless it is left out by name.
 *
 * Arrays on a path are projected element by element. Fails with `DocumentError` where MongoDB
 * would, and with `UnsupportedOperator` for everything but 0 and 1: `$slice`, `$elemMatch`, the
 * positional `$`, expressions.
 */
export function compileProjection(projection: Document): (document: Document) => Document {
  const entries = Object.entries(projection).map(([path, value]) => [path, isKept(path, value)] as const);
  if (entries.length === 0) return (document) => document;
  const others = entries.filter(([path]) => path !== '_id');
  const [first] = others.length > 0 ? others : entries;
  const keeping = first?.[1] === true;
  if (others.some(([, kept]) => kept !== keeping))
    throw new DocumentError(31254, 'Cannot mix inclusion and exclusion in a projection');
  const id = entries.find(([path]) => path === '_id')?.[1];
  const names: Names = new Map();
  for (const [path] of others) add(names, path.split('.'), path);
  if (keeping ? id !== false && !names.has('_id') : id === false) names.set('_id', true);
  return (document) => (keeping ? keep(document, names) : leaveOut(document, names)) as Document;
}

function isKept(path: string, value: unknown): boolean {
  if (path === '' || path.split('.').includes(''))
    throw new DocumentError(codes.badValue, `the projection path '${path}' has an empty part`);
  if (path.includes('$')) throw new UnsupportedOperator(`the projection path '${path}'`);
  if (typeof value === 'boolean') return value;
  if (!isNumber(value)) throw new UnsupportedOperator(`a projection of '${path}' by something else than 0 or 1`);
  return isTrue(value);
}

function add(names: Names, [name = '', ...rest]: readonly string[], path: string): void {
  const found = names.get(name);
  if (found === true || (found !== undefined && rest.length === 0)) throw new DocumentError(31249, `Path collision at ${path}`);
  if (rest.length === 0) {
    names.set(name, true);
    return;
  }
  const inner: Names = found ?? new Map<string, Names | true>();
  names.set(name, inner);
  add(inner, rest, path);
}

/** `undefined` for what has no fields: it is not part of the result. */
function keep(value: unknown, names: Names): unknown {
  if (Array.isArray(value))
    return value.map((element: unknown) => keep(element, names)).filter((element) => element !== undefined);
  return isDocument(value)
    ? fields(value, names, (inner, node) => (node === undefined ? undefined : node === true ? inner : keep(inner, node)))
    : undefined;
}

function leaveOut(value: unknown, names: Names): unknown {
  if (Array.isArray(value)) return value.map((element: unknown) => leaveOut(element, names));
  if (!isDocument(value)) return value;
  return fields(value, names, (inner, node) => (node === undefined ? inner : node === true ? undefined : leaveOut(inner, node)));
}

function fields(document: Fields, names: Names, choose: (value: unknown, node: Names | true | undefined) => unknown): Document {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fieldsOf(document))) {
    const chosen = choose(value === undefined ? null : value, names.get(name));
    if (chosen !== undefined) put(result, name, chosen);
  }
  return result;
}
