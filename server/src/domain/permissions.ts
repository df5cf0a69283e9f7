import type { ErrorDetail, Permission } from '@rollcall/client/contract';

/** What of a permission decides. */
export type Grant = Pick<Permission, 'resource' | 'operation' | 'context'>;

/** `readWrite` is both. */
export type Verb = 'read' | 'write';

/** What a permission counts for: paths of calls, or topics. */
export type Context = Permission['context'];

/**
 * Permissions in a form in which asking takes time by the length of what is asked, not by their
 * number.
 */
export interface Permissions {
  /**
   * Does one of them cover this path or topic? What is asked may be a filter with wildcards: then
   * it is covered if everything that it matches is. Case counts (AC-5.2).
   */
  allow(context: Context, operation: Verb, requested: string): boolean;
}

/** One level of many resources: which operations end here, and what comes next. */
interface Level {
  readonly next: Map<string, Level>;
  readonly ends: Set<Verb>;
}

const level = (): Level => ({ next: new Map(), ends: new Set() });

const verbs: Readonly<Record<Permission['operation'], readonly Verb[]>> = {
  read: ['read'],
  write: ['write'],
  readWrite: ['read', 'write'],
};

/**
 * Does this subtree cover the levels from `at` on? `#` covers the rest and the level before it; a
 * wildcard never begins with `$`.
 */
const covers = (tree: Level, levels: readonly string[], at: number, operation: Verb): boolean => {
  const name = levels[at];
  const wild = at > 0 || name?.startsWith('$') !== true;
  if (wild && tree.next.get('#')?.ends.has(operation) === true) return true;
  if (name === undefined) return tree.ends.has(operation);
  const own = tree.next.get(name);
  if (own !== undefined && name !== '#' && covers(own, levels, at + 1, operation)) return true;
  const any = wild && name !== '#' && name !== '+' ? tree.next.get('+') : undefined;
  return any !== undefined && covers(any, levels, at + 1, operation);
};

/** Puts permissions into that form. */
export const compilePermissions = (grants: Iterable<Grant>): Permissions => {
  const trees: Readonly<Record<Context, Level>> = { http: level(), mqtt: level() };
  for (const { context, resource, operation } of grants) {
    let tree = trees[context];
    for (const name of resource.split('/')) {
      const next = tree.next.get(name) ?? level();
      tree.next.set(name, next);
      tree = next;
    }
    for (const verb of verbs[operation]) tree.ends.add(verb);
  }
  return { allow: (context, operation, requested) => covers(trees[context], requested.split('/'), 0, operation) };
};

/**
 * The permissions of `wanted` that `held` does not cover in every operation: a holder of `held`
 * cannot grant them.
 */
export const uncovered = (held: Permissions, wanted: readonly Grant[]): readonly Grant[] =>
  wanted.filter(({ context, resource, operation }) => !verbs[operation].every((verb) => held.allow(context, verb, resource)));

/** Everything that can be asked over HTTP: who may do this is an administrator. */
export const isEverything = (held: Permissions): boolean => held.allow('http', 'read', '/#') && held.allow('http', 'write', '/#');

/** What is wrong with a resource; undefined if nothing is (AC-5.2). */
const wrongResource = (context: Context, resource: string): string | undefined => {
  if (context === 'http' && !resource.startsWith('/')) return 'a path begins with /';
  if (resource.includes('\0')) return 'a NUL cannot be part of it';
  const levels = resource.split('/');
  const misplaced = levels.some((name, at) => name.includes('#') && (name !== '#' || at < levels.length - 1));
  if (misplaced) return '# stands alone, as the last level';
  return levels.some((name) => name.includes('+') && name !== '+') ? '+ stands alone in its level' : undefined;
};

/** What is wrong with the resources of these permissions, under this path of the input. */
export const resourceProblems = (grants: readonly Grant[], path: string): readonly ErrorDetail[] =>
  grants.flatMap(({ context, resource }, index) => {
    const message = wrongResource(context, resource);
    return message === undefined ? [] : [{ path: `${path}/${index}/resource`, rule: 'resource', message }];
  });

/** A value that may stand in a path: one level, no wildcard, no way up. */
const isLevel = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value !== '.' && value !== '..' && !/[/+#]/.test(value);

const templates = new Map<string, readonly string[]>();

/** The levels of a row's path. There are as many as rows. */
const levelsOf = (template: string): readonly string[] => {
  const levels = templates.get(template) ?? template.split('/').slice(1);
  templates.set(template, levels);
  return levels;
};

/**
 * The path of a call: `:name` stands for the input's field. Undefined if a field cannot stand in a
 * path.
 */
export const resourceOf = (template: string, input: Readonly<Record<string, unknown>>): string | undefined => {
  let path = '';
  for (const name of levelsOf(template)) {
    const level = name.startsWith(':') ? input[name.slice(1)] : name;
    if (!isLevel(level)) return undefined;
    path += `/${level}`;
  }
  return path;
};

/**
 * The devices that these permissions allow to read, by the path `/devices/<uuid>`: all of them, or
 * those with these uuids. It applies the rule of `cover`, for a store filter.
 */
export const readableDevices = (grants: readonly Grant[]): 'all' | readonly string[] => {
  const uuids: string[] = [];
  for (const { context, resource, operation } of grants) {
    const [root, area = '', uuid = '', rest, ...more] = resource.split('/');
    if (context !== 'http' || operation === 'write' || root !== '') continue;
    if (area === '#') return 'all';
    const ends = rest === undefined || (rest === '#' && more.length === 0);
    if ((area !== 'devices' && area !== '+') || !ends) continue;
    if (uuid === '#' || uuid === '+') return 'all';
    uuids.push(uuid);
  }
  return uuids;
};
