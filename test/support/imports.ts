import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's folder. */
export const root = fileURLToPath(new URL('../../..', import.meta.url));

/** One import of a source file, or what it passes on: a path from the repository's root for files of ours, else a package's name. */
export interface Import {
  readonly target: string;
  /** Only types: nothing is left of it at run time. */
  readonly isType: boolean;
}

const statement = /^\s*(?:import|export)\s+(type\s+)?(?:([^'";]*?)\s+from\s+)?['"]([^'"]+)['"]/gm;
const dynamic = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

const isTypesOnly = (names: string | undefined): boolean => {
  const [, inside] = /^\{([^}]*)\}$/.exec((names ?? '').trim()) ?? [];
  if (inside === undefined) return false;
  const parts = inside.split(',').filter((part) => part.trim() !== '');
  return parts.length > 0 && parts.every((part) => /^\s*type\s/.test(part));
};

/** The imports of a source text that lies at `path`. */
export const importsOf = (path: string, text: string): readonly Import[] => {
  const resolve = (target: string): string => (target.startsWith('.') ? posix.join(posix.dirname(path), target) : target);
  const fixed = [...text.matchAll(statement)].map(([, type, names, target = '']) => ({
    target: resolve(target),
    isType: type !== undefined || isTypesOnly(names),
  }));
  const late = [...text.matchAll(dynamic)].map(([, target = '']) => ({ target: resolve(target), isType: false }));
  return [...fixed, ...late];
};

/** The TypeScript sources under a folder, by path from the repository's root. */
export const sourcesUnder = (folder: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((name) => posix.join(folder, name.replaceAll('\\', '/')))
      .filter((path) => path.endsWith('.ts') && !path.includes('/node_modules/') && !path.includes('/dist/'))
      .map((path) => [path, readFileSync(join(root, path), 'utf8')]),
  );

/** Files that import each other in a circle, each circle sorted by path: the strongly connected components with more than one file. */
export const importCycles = (sources: ReadonlyMap<string, string>): readonly (readonly string[])[] => {
  const reachable = (from: string): ReadonlySet<string> => {
    const seen = new Set<string>();
    const open = [from];
    for (let path = open.pop(); path !== undefined; path = open.pop()) {
      for (const { target } of importsOf(path, sources.get(path) ?? '')) {
        if (!sources.has(target) || seen.has(target)) continue;
        seen.add(target);
        open.push(target);
      }
    }
    return seen;
  };
  const reached = new Map([...sources.keys()].map((path) => [path, reachable(path)]));
  const cycles = new Map<string, readonly string[]>();
  for (const [path, others] of reached) {
    if (!others.has(path)) continue;
    const members = [...others].filter((other) => reached.get(other)?.has(path) === true).sort();
    cycles.set(members.join('\n'), members);
  }
  return [...cycles.values()];
};
