import type { Document } from 'mongodb';
import { codes, DocumentError, UnsupportedOperator } from './errors.ts';
import { type Modifier, modifiers } from './modifiers.ts';
import { compileFilter, type Match } from './match.ts';
import { isEmptyAll } from './matches-nothing.ts';
import { type Fields, isDocument } from './types.ts';
import { compareStrings } from './values.ts';

/**
 * The paths of an update as a tree: names inside documents, or choices of an array's elements, and
 * modifiers at the ends.
 */
export type UpdateNode =
  | { kind: 'end'; modifier: Modifier }
  /** The new place of a renamed value: filled when its old place is known to hold one. */
  | { kind: 'rename'; from: readonly string[] }
  /** The old place of a renamed value: takes part in conflicts only. */
  | { kind: 'source' }
  | FieldsNode
  /** Every element (`''`), or those that an array filter chooses by its identifier. */
  | { kind: 'elements'; children: Map<string, UpdateNode> };

export interface FieldsNode {
  kind: 'fields';
  /** In the order in which they are applied and new fields are made. */
  children: Map<string, UpdateNode>;
  /** The child for the positional `$`. */
  positional?: UpdateNode;
}

export interface Tree {
  root: FieldsNode;
  renames: { from: readonly string[]; to: readonly string[] }[];
  /** Identifiers of array filters that paths use. */
  identifiers: Set<string>;
  positional: boolean;
}

/**
 * Reads an update document with operators. Everything is checked here that MongoDB checks before it
 * looks at a document.
 */
export function parseUpdate(update: Document): Tree {
  const tree: Tree = { root: { kind: 'fields', children: new Map() }, renames: [], identifiers: new Set(), positional: false };
  for (const [name, argument] of Object.entries(update)) {
    if (name !== '$rename' && !Object.hasOwn(modifiers, name)) throw unknownModifier(name);
    if (!isDocument(argument)) throw new DocumentError(codes.failedToParse, `Modifiers operate on fields but ${name} has none`);
    for (const [path, value] of Object.entries(argument)) {
      if (name === '$rename') addRename(tree, path, value);
      else addEnd(tree, path, (modifiers[name] as (typeof modifiers)[string])(value, path));
    }
  }
  sortChildren(tree.root);
  return tree;
}

function unknownModifier(name: string): DocumentError {
  if (name === '$pushAll' || name === '$v' || name === '$diff') return new UnsupportedOperator(name);
  return new DocumentError(codes.failedToParse, `Unknown modifier: ${name}`);
}

function addEnd(tree: Tree, path: string, modifier: Modifier): void {
  const steps = parseSteps(path);
  if (steps.filter(({ kind }) => kind === 'positional').length > 1) {
    throw new DocumentError(codes.badValue, `Too many positional (i.e. '$') elements found in path '${path}'`);
  }
  for (const { kind, name } of steps) {
    if (kind === 'positional') tree.positional = true;
    if (kind === 'elements' && name !== '') tree.identifiers.add(name);
  }
  add(tree.root, steps, { kind: 'end', modifier }, path);
}

function addRename(tree: Tree, from: string, to: unknown): void {
  if (typeof to !== 'string') throw new DocumentError(codes.badValue, `The 'to' field for $rename must be a string`);
  if (to.includes('\0'))
    throw new DocumentError(codes.badValue, `The 'to' field for $rename cannot contain an embedded null byte`);
  const source = parseSteps(from);
  const target = parseSteps(to);
  if ([...source, ...target].some(({ kind }) => kind !== 'name'))
    throw new DocumentError(codes.badValue, '$rename may not use dynamic array paths');
  const names = { from: source.map(({ name }) => name), to: target.map(({ name }) => name) };
  add(tree.root, source, { kind: 'source' }, from);
  add(tree.root, target, { kind: 'rename', from: names.from }, to);
  tree.renames.push(names);
}

interface Step {
  kind: 'name' | 'positional' | 'elements';
  name: string;
}

function parseSteps(path: string): Step[] {
  if (path === '') throw new DocumentError(codes.emptyFieldName, 'An empty update path is not valid.');
  const steps = path.split('.').map(parseStep);
  const [first] = steps;
  if (first?.kind !== 'name')
    throw new DocumentError(codes.badValue, `Cannot have a positional element in the first position in path '${path}'`);
  if (first.name.startsWith('$'))
    throw new DocumentError(codes.dollarPrefixedFieldName, `The dollar ($) prefixed field '${first.name}' is not allowed`);
  if (steps.length > 200) throw new DocumentError(codes.overflow, 'an update path has more than 200 parts');
  return steps;
}

function parseStep(name: string): Step {
  if (name === '')
    throw new DocumentError(codes.emptyFieldName, 'The update path contains an empty field name, which is not allowed.');
  if (name === '$') return { kind: 'positional', name };
  if (!name.startsWith('$[')) return { kind: 'name', name };
  if (!name.endsWith(']')) throw new DocumentError(codes.badValue, `Malformed array filter identifier: ${name}`);
  const identifier = name.slice(2, -1);
  if (identifier !== '' && !/^[a-z][a-zA-Z0-9]*$/.test(identifier))
    throw new DocumentError(codes.badValue, `Bad array filter identifier: ${name}`);
  return { kind: 'elements', name: identifier };
}

function conflict(path: string): DocumentError {
  return new DocumentError(codes.conflictingUpdateOperators, `Updating the path '${path}' would create a conflict`);
}

function add(root: FieldsNode, steps: readonly Step[], end: UpdateNode, path: string): void {
  let node: UpdateNode = root;
  steps.forEach((step, at) => {
    const following = steps[at + 1];
    const next: UpdateNode = following === undefined ? end : emptyNode(following);
    const found = childAt(node, step, path);
    if (found === undefined) setChild(node, step, next);
    else if (following === undefined || found.kind !== next.kind) throw conflict(path);
    node = found ?? next;
  });
}

function emptyNode(step: Step): UpdateNode {
  return step.kind === 'elements' ? { kind: 'elements', children: new Map() } : { kind: 'fields', children: new Map() };
}

function childAt(node: UpdateNode, { kind, name }: Step, path: string): UpdateNode | undefined {
  if (node.kind === 'elements') return node.children.get(name);
  if (node.kind !== 'fields') throw conflict(path);
  return kind === 'positional' ? node.positional : node.children.get(name);
}

function setChild(node: UpdateNode, { kind, name }: Step, child: UpdateNode): void {
  if (node.kind === 'fields' && kind === 'positional') node.positional = child;
  else if (node.kind === 'fields' || node.kind === 'elements') node.children.set(name, child);
}

function sortChildren(node: UpdateNode): void {
  if (node.kind !== 'fields' && node.kind !== 'elements') return;
  node.children = new Map([...node.children].sort(([a], [b]) => compareNames(a, b)));
  for (const child of node.children.values()) sortChildren(child);
  if (node.kind === 'fields' && node.positional !== undefined) sortChildren(node.positional);
}

const digits = /^\d+$/;

/** Numbers by value, all other names by their bytes. */
export function compareNames(a: string, b: string): number {
  if (!digits.test(a) || !digits.test(b)) return compareStrings(a, b);
  const x = BigInt(a);
  const y = BigInt(b);
  return x < y ? -1 : x > y ? 1 : compareStrings(a, b);
}

/** Two subtrees that turn out to mean the same element. */
export function mergeNodes(a: UpdateNode, b: UpdateNode, path: string): UpdateNode {
  if (a.kind === 'fields' && b.kind === 'fields') {
    const merged: FieldsNode = { kind: 'fields', children: mergeChildren(a.children, b.children, path) };
    const positional =
      a.positional && b.positional ? mergeNodes(a.positional, b.positional, path) : (a.positional ?? b.positional);
    if (positional !== undefined) merged.positional = positional;
    return merged;
  }
  if (a.kind === 'elements' && b.kind === 'elements')
    return { kind: 'elements', children: mergeChildren(a.children, b.children, path) };
  throw conflict(path);
}

function mergeChildren(
  a: ReadonlyMap<string, UpdateNode>,
  b: ReadonlyMap<string, UpdateNode>,
  path: string,
): Map<string, UpdateNode> {
  const merged = new Map(a);
  for (const [name, node] of b) {
    const other = merged.get(name);
    merged.set(name, other === undefined ? node : mergeNodes(other, node, `${path}.${name}`));
  }
  return new Map([...merged].sort(([x], [y]) => compareNames(x, y)));
}

/** Array filters by identifier, each a filter on `{ identifier: element }`. */
export function parseArrayFilters(filters: readonly Document[], used: ReadonlySet<string>): Map<string, Match> {
  const found = new Map<string, Match>();
  for (const filter of filters) {
    const match = compileFilter(filter);
    const identifier = identifierOf(filter);
    if (found.has(identifier))
      throw new DocumentError(
        codes.failedToParse,
        `Found multiple array filters with the same top-level field name ${identifier}`,
      );
    if (!used.has(identifier))
      throw new DocumentError(codes.failedToParse, `The array filter for identifier '${identifier}' was not used in the update`);
    found.set(identifier, match);
  }
  for (const identifier of used) {
    if (!found.has(identifier)) throw new DocumentError(codes.badValue, `No array filter found for identifier '${identifier}'`);
  }
  return found;
}

function identifierOf(filter: unknown): string {
  const names = new Set(isDocument(filter) ? topNames(filter) : []);
  const [identifier, ...others] = names;
  if (identifier === undefined)
    throw new DocumentError(codes.failedToParse, 'Cannot use an expression without a top-level field name in arrayFilters');
  if (others.length > 0)
    throw new DocumentError(codes.failedToParse, `Expected a single top-level field name, found '${[...names].join("' and '")}'`);
  if (!/^[a-z][a-zA-Z0-9]*$/.test(identifier))
    throw new DocumentError(
      codes.badValue,
      `The top-level field name must be an alphanumeric string beginning with a lowercase letter, found '${identifier}'`,
    );
  return identifier;
}

function topNames(filter: Fields): string[] {
  return Object.entries(filter).flatMap(([name, value]) => {
    if (!name.startsWith('$')) return hasName(value) ? [name.split('.')[0] as string] : [];
    return Array.isArray(value) ? (value as unknown[]).flatMap((part) => (isDocument(part) ? topNames(part) : [])) : [];
  });
}

/** An empty `$all` has forgotten its name, and so has its negation. */
function hasName(condition: unknown): boolean {
  if (!isDocument(condition) || !Object.keys(condition)[0]?.startsWith('$')) return true;
  return Object.entries(condition).some(([operator, argument]) =>
    operator === '$not' ? hasName(argument) : !isEmptyAll(operator, argument),
  );
}
