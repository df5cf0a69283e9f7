import type { Row } from '@rollcall/client/contract';
import { gateOf, type Gate } from '../domain/access.ts';

/** A route that matches a request. */
export interface Routed {
  readonly gate: Gate;
  /** Path parameters by name. */
  readonly params: Readonly<Record<string, string>>;
}

/** Finds the route of a method and a path without query; null if there is none. */
export type RouteTable = (method: string, path: string) => Routed | null;

const levelsOf = (path: string): readonly string[] =>
  (path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path).split('/');

const decoded = (level: string): string | undefined => {
  try {
    return decodeURIComponent(level);
  } catch {
    return undefined;
  }
};

interface Template {
  readonly levels: readonly string[];
  readonly gate: Gate;
}

const paramsOf = ({ levels }: Template, asked: readonly string[]): Readonly<Record<string, string>> | undefined => {
  if (levels.length !== asked.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, level] of levels.entries()) {
    const value = decoded(asked[index] ?? '');
    if (value === undefined || (level.startsWith(':') ? value === '' : level !== asked[index])) return undefined;
    if (level.startsWith(':')) params[level.slice(1)] = value;
  }
  return params;
};

/**
 * Sort key of a template: fixed levels precede parameters, from the left, as in the HTTP server.
 */
const kinds = ({ levels }: Template): string => levels.map((level) => (level.startsWith(':') ? '1' : '0')).join('');

/** Compiles the route table of these operations. */
export const compileRouteTable = (operations: ReadonlyMap<string, { readonly row: Row }>): RouteTable => {
  const byMethod = new Map<string, Template[]>();
  for (const { row } of operations.values()) {
    for (const route of row.http) {
      const [method = '', path = ''] = route.split(' ');
      byMethod.set(method, [...(byMethod.get(method) ?? []), { levels: path.split('/'), gate: gateOf(row, route) }]);
    }
  }
  for (const templates of byMethod.values()) templates.sort((one, other) => kinds(one).localeCompare(kinds(other)));
  return (method, path) => {
    const asked = levelsOf(path);
    for (const template of byMethod.get(method === 'HEAD' ? 'GET' : method) ?? []) {
      const params = paramsOf(template, asked);
      if (params !== undefined) return { gate: template.gate, params };
    }
    return null;
  };
};
