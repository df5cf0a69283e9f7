import { encodeKey } from '../../mql/index.ts';
import { isPlainObject } from '../../common/plain-object.ts';
import { keyTextOf } from '../../store/embedded/index-keys.ts';

/**
 * Something that every document that matches a filter has: at this path one of these values (as keys, in the store's order), or,
 * without values, anything at all in the property that the path begins with.
 */
export interface Need {
  readonly path: string;
  readonly keys: readonly string[] | null;
}

/** Needs of which every matching document meets at least one. */
export type FilterSubsumption = readonly Need[];

/** A value as a key: equal values have equal ones. */
export const keyOf = (value: unknown): string => keyTextOf(encodeKey(value));

/** A number in a path may mean a place in an array as well as a name. */
const hasPlace = (path: string): boolean => /(^|\.)\d+(\.|$)/.test(path);

const isScalar = (value: unknown): boolean =>
  typeof value === 'string' ||
  typeof value === 'boolean' ||
  (typeof value === 'number' && !Number.isNaN(value)) ||
  value instanceof Date;

/** Nothing is what a missing property equals, too. */
const isNothing = (value: unknown): boolean => value === null || value === undefined;

const present = (path: string): Need => ({ path, keys: null });

const equal = (path: string, values: readonly unknown[]): Need | null => {
  if (values.some(isNothing)) return null;
  return values.every(isScalar) && !hasPlace(path) ? { path, keys: [...new Set(values.map(keyOf))] } : present(path);
};

/** What one operator at a path needs; null if it may match where there is nothing. */
const needOf = (path: string, operator: string, value: unknown): Need | null => {
  switch (operator) {
    case '$eq':
      return equal(path, [value]);
    case '$in':
      return Array.isArray(value) ? equal(path, value) : null;
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return isNothing(value) ? null : present(path);
    case '$exists':
      return value === true ? present(path) : null;
    case '$size':
    case '$elemMatch':
      return present(path);
    default:
      return null;
  }
};

const conditionsOf = (path: string, condition: unknown): FilterSubsumption[] => {
  const operators = isPlainObject(condition) && !(condition instanceof Date) ? Object.entries(condition) : [];
  if (!operators.some(([name]) => name.startsWith('$'))) {
    const need = equal(path, [condition]);
    return need === null ? [] : [[need]];
  }
  return operators.flatMap(([name, value]) => {
    const need = needOf(path, name, value);
    return need === null ? [] : [[need]];
  });
};

/** The best of some covers: values rather than presence, few rather than many. */
const narrowest = (covers: readonly FilterSubsumption[]): FilterSubsumption | undefined =>
  covers.toSorted((one, other) => widthOf(one) - widthOf(other))[0];

/** How much a cover lets through, if values are spread evenly. */
const widthOf = (cover: FilterSubsumption): number =>
  cover.reduce((sum, { keys }) => sum + (keys === null ? 1_000 : keys.length), 0);

/** What a read filter needs: each of these covers holds for every document that matches. None: the filter can match anything. */
export const coversOf = (filter: Readonly<Record<string, unknown>>): readonly FilterSubsumption[] =>
  Object.entries(filter).flatMap(([name, value]) => {
    if (!name.startsWith('$')) return conditionsOf(name, value);
    const branches = (Array.isArray(value) ? value : []) as readonly Readonly<Record<string, unknown>>[];
    if (name === '$and') return branches.flatMap(coversOf);
    if (name !== '$or') return [];
    const best = branches.map((branch) => narrowest(coversOf(branch)));
    return best.every((cover) => cover !== undefined) ? [best.flat()] : [];
  });
