import type { Document } from 'mongodb';
import { compileStoredFilter } from './evaluate.ts';
import { isNumber } from '../../mql/index.ts';
import { isPlain, type Predicates } from './predicates.ts';

/**
 * Whether every document that matches the filter also matches a partial index's expression, as far as is easily seen.
 *
 * A doubt counts as no: the index is then not used, which costs time and never a document.
 */
export function implies(predicates: Predicates, expression: Document): boolean {
  return Object.entries(expression).every(([path, condition]) => {
    if (path === '$and' && Array.isArray(condition)) return condition.every((part) => implies(predicates, part as Document));
    const demand = path.startsWith('$') ? undefined : predicates.paths.get(path);
    if (demand === undefined) return false;
    if (onlyExists(condition))
      return demand.exists || demand.lower.length + demand.upper.length > 0 || demand.points.some(withoutNull);
    return demand.points.some((points) => points.every((point) => holds(path, condition, point)));
  });
}

function withoutNull(points: unknown[]): boolean {
  return !points.includes(null);
}

function onlyExists(condition: unknown): boolean {
  if (!isPlain(condition) || Object.keys(condition).join() !== '$exists') return false;
  const wanted: unknown = condition['$exists'];
  return isNumber(wanted) ? Number(wanted) !== 0 : wanted === true;
}

/** A document whose field equals the point, or has an element that does, meets the condition if the bare point does. */
function holds(path: string, condition: unknown, point: unknown): boolean {
  if (point === null) return false;
  const name = path.split('.').join('_');
  return Boolean(compileStoredFilter({ [name]: condition })({ [name]: point }));
}
