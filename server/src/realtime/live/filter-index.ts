import type { Document } from 'mongodb';
import { entriesOf, keyTextOf } from '../../store/embedded/index-keys.ts';
import type { FilterSubsumption, Need } from './filter-subsumption.ts';

/** Filters by what they need of a document, so that a change asks only those that it may concern. */
export interface FilterIndex<F> {
  /** Adds a filter under the cover that shares its places with the fewest others. */
  add(filter: F, covers: readonly FilterSubsumption[]): void;
  remove(filter: F): void;
  /** Every filter that may match the document, each once. */
  candidates(document: Document): ReadonlySet<F>;
}

/** What is asked of one property of a document. */
interface Branch<F> {
  /** Filters that need the property to be there. */
  readonly present: Set<F>;
  /** By path below the property, then by the key of the value there. */
  readonly equal: Map<string, Map<string, Set<F>>>;
}

const propertyOf = (path: string): string => {
  const dot = path.indexOf('.');
  return dot < 0 ? path : path.slice(0, dot);
};

/** A filter that is asked whenever a property is there weighs as many others. */
const presenceWeight = 64;

/** An empty index. */
export const createFilterIndex = <F>(): FilterIndex<F> => {
  const branches = new Map<string, Branch<F>>();
  const anything = new Set<F>();
  const places = new Map<F, FilterSubsumption>();

  const branchOf = (path: string): Branch<F> => {
    const property = propertyOf(path);
    const branch = branches.get(property) ?? { present: new Set(), equal: new Map() };
    branches.set(property, branch);
    return branch;
  };

  const sizeOf = ({ path, keys }: Need): number => {
    const branch = branches.get(propertyOf(path));
    if (keys === null) return presenceWeight + (branch?.present.size ?? 0);
    const values = branch?.equal.get(path);
    return keys.reduce((sum, key) => sum + (values?.get(key)?.size ?? 0), keys.length);
  };

  const costOf = (cover: FilterSubsumption): number => cover.reduce((sum, need) => sum + sizeOf(need), 0);

  const put = (filter: F, { path, keys }: Need): void => {
    const { present, equal } = branchOf(path);
    if (keys === null) return void present.add(filter);
    const values = equal.get(path) ?? new Map<string, Set<F>>();
    equal.set(path, values);
    for (const key of keys) values.set(key, (values.get(key) ?? new Set()).add(filter));
  };

  const take = (filter: F, { path, keys }: Need): void => {
    const { present, equal } = branchOf(path);
    if (keys === null) present.delete(filter);
    const values = equal.get(path);
    for (const key of keys ?? []) {
      const filters = values?.get(key);
      filters?.delete(filter);
      if (filters?.size === 0) values?.delete(key);
    }
    if (values?.size === 0) equal.delete(path);
    if (present.size === 0 && equal.size === 0) branches.delete(propertyOf(path));
  };

  return {
    add(filter, covers) {
      let best: FilterSubsumption | undefined;
      let least = Infinity;
      for (const cover of covers) {
        const cost = costOf(cover);
        if (cost >= least) continue;
        best = cover;
        least = cost;
      }
      if (best === undefined) return void anything.add(filter);
      places.set(filter, best);
      for (const need of best) put(filter, need);
    },
    remove(filter) {
      anything.delete(filter);
      for (const need of places.get(filter) ?? []) take(filter, need);
      places.delete(filter);
    },
    candidates(document) {
      const found = new Set(anything);
      for (const property of Object.keys(document)) {
        const branch = branches.get(property);
        if (branch === undefined) continue;
        for (const filter of branch.present) found.add(filter);
        for (const [path, values] of branch.equal) {
          for (const { key } of entriesOf(document, [[path, 1]]).list) {
            for (const filter of values.get(keyTextOf(key)) ?? []) found.add(filter);
          }
        }
      }
      return found;
    },
  };
};
