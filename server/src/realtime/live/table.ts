import { compileFilter, DocumentError, type Match } from '../../mql/index.ts';
import { evaluate } from '../../domain/evaluate.ts';
import type { Who } from '../../domain/access.ts';
import { readQuery, readSort } from '../../domain/device-query.ts';
import { coversOf } from './filter-subsumption.ts';
import { createFilterIndex } from './filter-index.ts';
import type { ClientBuffer } from './client-buffer.ts';
import { orderBy } from './order.ts';
import type { FilterGroup, LiveQuery } from './query.ts';
import { createWindow } from './window.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';

/** What a client asks for: `live:open`'s input. */
export interface LiveTableQuery {
  readonly filter: Readonly<Record<string, unknown>>;
  readonly sort?: Readonly<Record<string, 1 | -1>>;
  readonly limit?: number;
}

/** The live queries of this node: equal ones of one subject are one, and equal filters are compiled and indexed once. */
export interface Table {
  /** Fails with `invalid-input` for a filter or sort that `devices` would refuse. */
  find(subject: Who, asked: LiveTableQuery): LiveQuery;
  byId(id: string): LiveQuery | undefined;
  all(): Iterable<LiveQuery>;
  /** From now on a change can be a candidate for it. */
  index(query: LiveQuery): void;
  remove(query: LiveQuery): void;
  /** The filters that match a document. */
  matching(document: DeviceDocument): ReadonlySet<FilterGroup>;
}

export const maxRows = 1_000;

/** As searches: the newest first (ME-6). */
const defaultSort = { 'meshblu.createdAt': -1 } as const;

/** Filters with the same conditions in another order are the same. */
const nameOf = (filter: LiveTableQuery['filter']): string =>
  JSON.stringify(Object.entries(filter).sort(([one], [other]) => (one < other ? -1 : 1)));

/** A document that needs too many elementary tests does not match: a change that others made cannot be refused. */
const withinEffort = (match: Match): Match => {
  const bounded = (document: Parameters<Match>[0]): boolean => {
    try {
      return match(document);
    } catch (error) {
      if (error instanceof DocumentError) return false;
      throw error;
    }
  };
  return Object.assign(bounded, { position: match.position });
};

const groupOf = (key: string, filter: LiveTableQuery['filter']): FilterGroup => {
  const read = readQuery(filter);
  const matches = withinEffort(evaluate(() => compileFilter(read)));
  return { key, filter: read, matches, bySubject: new Map(), users: 0 };
};

/** The names by which a list can mean who asks. */
const namesOf = ({ subject: { uuid, tenant } }: LiveQuery): readonly string[] => (tenant === undefined ? [uuid] : [uuid, tenant]);

/** An empty table. `id` makes the name of a query. */
export const createTable = (held: ClientBuffer<LiveQuery>, id: () => string): Table => {
  const byKey = new Map<string, LiveQuery>();
  const byId = new Map<string, LiveQuery>();
  const groups = new Map<string, FilterGroup>();
  const filters = createFilterIndex<FilterGroup>();

  const groupFor = (filter: LiveTableQuery['filter']): FilterGroup => {
    const key = nameOf(filter);
    const known = groups.get(key);
    if (known !== undefined) return known;
    const group = groupOf(key, filter);
    groups.set(key, group);
    filters.add(group, coversOf(group.filter));
    return group;
  };

  return {
    find({ uuid, tenant }, { filter, sort = defaultSort, limit = maxRows }) {
      const key = JSON.stringify([uuid, tenant, nameOf(filter), Object.entries(sort), limit]);
      const known = byKey.get(key);
      if (known !== undefined) return known;
      const order = orderBy(readSort(sort));
      const group = groupFor(filter);
      group.users += 1;
      const window = createWindow(limit, {
        keep(row) {
          const document = held.keep(row.id, row.document, query);
          return document === row.document ? row : { ...row, document };
        },
        drop: (dropped) => held.drop(dropped, query),
      });
      const query: LiveQuery = {
        id: id(),
        key,
        subject: { uuid, tenant },
        group,
        order,
        limit,
        window,
        audience: new Set(),
        opening: 0,
        seq: 0,
        filled: false,
        silent: false,
        loading: null,
        released: false,
      };
      byKey.set(key, query);
      byId.set(query.id, query);
      return query;
    },
    byId: (name) => byId.get(name),
    all: () => byId.values(),
    index(query) {
      const { bySubject } = query.group;
      for (const name of namesOf(query)) bySubject.set(name, (bySubject.get(name) ?? new Set()).add(query));
    },
    remove(query) {
      const { group } = query;
      query.released = true;
      byKey.delete(query.key);
      byId.delete(query.id);
      query.window.clear();
      for (const name of namesOf(query)) {
        const queries = group.bySubject.get(name);
        queries?.delete(query);
        if (queries?.size === 0) group.bySubject.delete(name);
      }
      group.users -= 1;
      if (group.users > 0) return;
      groups.delete(group.key);
      filters.remove(group);
    },
    matching(document) {
      const found = new Set<FilterGroup>();
      for (const group of filters.candidates(document)) if (group.matches(document)) found.add(group);
      return found;
    },
  };
};
