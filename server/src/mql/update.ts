import type { Document } from 'mongodb';
import { bounded, spend } from './effort.ts';
import { codes, DocumentError, UnsupportedOperator } from './errors.ts';
import { sameBytes } from './same-bytes.ts';
import { compileFilter, type Match } from './match.ts';
import { type Modifier, removed, type Run } from './modifiers.ts';
import { type Fields, fieldsOf, isDocument, own, put, typeOf, types } from './types.ts';
import { equalValues } from './values.ts';
import {
  compareNames,
  type FieldsNode,
  mergeNodes,
  parseArrayFilters,
  parseUpdate,
  type Tree,
  type UpdateNode,
} from './update-tree.ts';

export interface UpdateContext {
  /** For `$currentDate`: a date, or milliseconds since 1970. */
  now: Date | number;
  /** Filters for `$[identifier]`. */
  arrayFilters?: readonly Document[];
  /** What the document was found with: needed for the positional `$`. */
  filter?: Document;
  /**
   * The document is an upsert's seed, about to be inserted: `$setOnInsert` applies. Default false.
   */
  insert?: boolean;
  /**
   * Refuse an `$inc` or `$mul` of whole numbers whose result JSON cannot represent exactly. Default
   * false, as in MongoDB.
   */
  exact?: boolean;
}

/**
 * A compiled update. Returns the next document, or the given one itself if MongoDB would count it
 * as not modified.
 */
export type Update = (document: Document, context: Pick<UpdateContext, 'now' | 'filter' | 'insert' | 'exact'>) => Document;

/**
 * The document after an update with operators, or after a replacement (which keeps the `_id`).
 * Never changes its arguments; what stays the same is shared with the given document, and the very
 * same document comes back if nothing is modified.
 *
 * Fails with `DocumentError` where MongoDB would, `UnsupportedOperator` for pipelines. Names that
 * look like array indexes come first in a JavaScript object, so their order is not MongoDB's.
 */
export function applyUpdate(document: Document, update: Document, context: UpdateContext): Document {
  return compileUpdate(update, context.arrayFilters)(document, context);
}

/** Checks an update once, to be applied to many documents. */
export function compileUpdate(update: Document, arrayFilters: readonly Document[] = []): Update {
  if (Array.isArray(update)) throw new UnsupportedOperator('an update pipeline');
  if (!isDocument(update)) throw new DocumentError(codes.failedToParse, 'an update must be a document');
  if (!Object.keys(update)[0]?.startsWith('$')) return replacement(update, arrayFilters);
  const tree = parseUpdate(update);
  const filters = parseArrayFilters(arrayFilters, tree.identifiers);
  let matched: { filter: Document; match: Match } | undefined;
  const apply: Update = (document, { now, filter, insert = false, exact = false }) => {
    const work: Work = { document, filters, now: new Date(now), insert, exact, position: undefined };
    if (tree.positional && filter !== undefined && !insert) {
      if (matched?.filter !== filter) matched = { filter, match: compileFilter(filter) };
      work.position = matched.match.position(document);
    }
    return finish(document, run(tree, work), insert);
  };
  return (document, context) => bounded(() => apply(document, context));
}

function replacement(next: Document, arrayFilters: readonly Document[]): Update {
  const dollar = Object.keys(next).find((name) => name.startsWith('$'));
  if (dollar !== undefined)
    throw new DocumentError(
      codes.dollarPrefixedFieldName,
      `The dollar ($) prefixed field '${dollar}' is not allowed in a replacement`,
    );
  if (arrayFilters.length > 0) throw new DocumentError(codes.failedToParse, 'arrayFilters may not be specified for replacements');
  return (document) => {
    const kept = own(document, '_id');
    const given = own(next, '_id');
    if (kept !== undefined && given !== undefined && !equalValues(kept, given)) throw immutable();
    const id = given === undefined ? kept : given;
    const whole = { ...(id === undefined ? {} : { _id: id }), ...next };
    return sameBytes(document, next) ? document : whole;
  };
}

interface Work extends Run {
  readonly document: Document;
  readonly filters: ReadonlyMap<string, Match>;
  position: number | undefined;
}

function run({ root, renames }: Tree, work: Work): Document {
  const moved = renames.filter(({ from }) => valueAt(work.document, from) !== undefined);
  for (const { to } of moved) refuseArraysOnTheWay(work.document, to);
  const next = applyNode(root, work.document, '', work) as Document;
  return moved.reduce((document, { from }) => withoutPath(document, from), next);
}

const immutable = () =>
  new DocumentError(codes.immutableField, "Performing an update on the path '_id' would modify the immutable field '_id'");

function finish(before: Document, after: Document, insert: boolean): Document {
  if (after === before) return before;
  const old = own(before, '_id');
  const id = own(after, '_id');
  if (old !== undefined && old !== id && (id === undefined || !sameBytes(old, id))) throw immutable();
  if (!insert || id === undefined) return after;
  if (typeOf(id) === types.array || typeOf(id) === types.regex)
    throw new DocumentError(codes.invalidId, "The '_id' value cannot be of this type");
  return Object.keys(after)[0] === '_id' ? after : { _id: id, ...after };
}

/**
 * The next value at the place of a node: the current value if nothing changes, `removed`, or
 * `undefined` if none is made.
 */
function applyNode(node: UpdateNode, current: unknown, path: string, work: Work): unknown {
  spend();
  switch (node.kind) {
    case 'end':
      return applyModifier(node.modifier, current, work);
    case 'rename': {
      const moved = valueAt(work.document, node.from);
      return moved === undefined ? current : moved;
    }
    case 'source':
      return current;
    case 'fields':
      return applyFields(node, current, path, work);
    case 'elements':
      return applyElements(node.children, current, path, work);
  }
}

function applyModifier(modifier: Modifier, current: unknown, work: Work): unknown {
  if (modifier.onInsert === true && !work.insert) return current;
  if (current === undefined && !modifier.creates) return undefined;
  return modifier.apply(current, work);
}

function applyFields(node: FieldsNode, current: unknown, path: string, work: Work): unknown {
  let next = current;
  for (const [name, child] of childrenOf(node, path, work)) next = applyChild(next, current, name, child, join(path, name), work);
  return next;
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function childrenOf({ children, positional }: FieldsNode, path: string, { position }: Work): Iterable<[string, UpdateNode]> {
  if (positional === undefined) return children;
  if (position === undefined)
    throw new DocumentError(codes.badValue, 'The positional operator did not find the match needed from the query.');
  const name = String(position);
  const named = children.get(name);
  const merged = named === undefined ? positional : mergeNodes(named, positional, join(path, name));
  return [...children]
    .filter(([other]) => other !== name)
    .concat([[name, merged]])
    .sort(([a], [b]) => compareNames(a, b));
}

/** `next` is the container so far: `current` until something in it changes, then a copy. */
function applyChild(next: unknown, current: unknown, name: string, child: UpdateNode, path: string, work: Work): unknown {
  if (Array.isArray(next)) return applyAtIndex(next, current, name, child, path, work);
  if (next !== undefined && !isDocument(next)) return refuseInside(child, next, name, path, work);
  const before = next === undefined ? undefined : own(next, name);
  const after = applyNode(child, before, path, work);
  if (Object.is(after, before) || (after === removed && before === undefined)) return next;
  const copy: Record<string, unknown> =
    next !== current ? (next as Record<string, unknown>) : { ...(next === undefined ? {} : fieldsOf(next)) };
  if (after === removed) delete copy[name];
  else put(copy, name, after);
  return copy;
}

/** Most elements that an index beyond an array's end may add here; MongoDB allows 1,500,000. */
const maxPadding = 20_000;

function applyAtIndex(next: unknown[], current: unknown, name: string, child: UpdateNode, path: string, work: Work): unknown {
  if (!/^\d+$/.test(name)) return refuseInside(child, next, name, path, work);
  const index = Number(name);
  const before = index < next.length ? (next[index] ?? null) : undefined;
  const after = applyNode(child, before, path, work);
  if (Object.is(after, before) || (after === removed && before === undefined)) return next;
  if (index - next.length > maxPadding)
    throw new UnsupportedOperator(`an index of more than ${maxPadding} beyond the end of an array`);
  spend(Math.max(0, index - next.length));
  const copy = next !== current ? next : next.slice();
  while (copy.length < index) copy.push(null);
  copy[index] = after === removed ? null : after;
  return copy;
}

/**
 * A field inside a value that has none. What only ever takes away may find nothing there; all else
 * is an error.
 */
function refuseInside(child: UpdateNode, value: unknown, name: string, path: string, work: Work): unknown {
  switch (child.kind) {
    case 'end': {
      const { modifier } = child;
      if (modifier.tolerant || (modifier.onInsert === true && !work.insert)) return value;
      throw notViable(path, name);
    }
    case 'source':
      return value;
    case 'rename':
      if (valueAt(work.document, child.from) === undefined) return value;
      throw notViable(path, name);
    case 'elements':
      throw new DocumentError(codes.badValue, `The path '${path}' must exist in the document in order to apply array updates.`);
    case 'fields':
      for (const [inner, node] of childrenOf(child, path, work)) refuseInside(node, value, name, join(path, inner), work);
      return value;
  }
}

function notViable(path: string, name: string): DocumentError {
  return new DocumentError(
    codes.pathNotViable,
    `Cannot create field '${name}' of '${path}' in an element that is not a document`,
    path,
  );
}

function applyElements(children: ReadonlyMap<string, UpdateNode>, current: unknown, path: string, work: Work): unknown {
  if (current === undefined)
    throw new DocumentError(codes.badValue, `The path '${path}' must exist in the document in order to apply array updates.`);
  if (!Array.isArray(current))
    throw new DocumentError(codes.badValue, `Cannot apply array updates to non-array element '${path}'`);
  let next: unknown[] = current;
  (current as unknown[]).forEach((element, index) => {
    spend(children.size);
    const place = `${path}.${index}`;
    const before = element ?? null;
    const chosen = [...children].filter(([identifier]) => isChosen(identifier, before, work)).map(([, child]) => child);
    if (chosen.length === 0) return;
    const after = applyNode(
      chosen.reduce((a, b) => mergeNodes(a, b, place)),
      before,
      place,
      work,
    );
    if (Object.is(after, before)) return;
    if (next === current) next = (current as unknown[]).slice();
    next[index] = after === removed ? null : after;
  });
  return next;
}

function isChosen(identifier: string, element: unknown, { filters }: Work): boolean {
  return identifier === '' || (filters.get(identifier) as Match)({ [identifier]: element });
}

/**
 * The value to be renamed, undefined if there is none. It may neither lie inside an array nor
 * inside a value without fields.
 */
function valueAt(document: Fields, path: readonly string[]): unknown {
  let current: unknown = document;
  let inArray = false;
  for (const name of path) {
    if (current === undefined) return undefined;
    const isPlace = Array.isArray(current) && /^\d+$/.test(name);
    if (!isPlace && !isDocument(current)) throw notViable(path.join('.'), name);
    inArray ||= isPlace;
    current = isPlace ? (current as unknown[])[Number(name)] : own(current as Fields, name);
  }
  if (inArray && current !== undefined) throw inArrayError('source', path);
  return current;
}

function refuseArraysOnTheWay(document: Fields, path: readonly string[]): void {
  let current: unknown = document;
  for (const name of path) {
    if (Array.isArray(current)) throw inArrayError('destination', path);
    if (!isDocument(current)) return;
    current = own(current, name);
  }
}

function inArrayError(end: string, path: readonly string[]): DocumentError {
  return new DocumentError(codes.badValue, `The ${end} field of $rename cannot be an array element: '${path.join('.')}'`);
}

function withoutPath(document: Fields, [name, ...rest]: readonly string[]): Document {
  const copy: Record<string, unknown> = { ...fieldsOf(document) };
  if (name === undefined) return copy;
  if (rest.length === 0) delete copy[name];
  else put(copy, name, withoutPath(copy[name] as Fields, rest));
  return copy;
}
