import { RegistryError } from '@rollcall/client/contract';
import type { Clock } from '../../common/clock.ts';
import type { Connection, Connections } from '../connections.ts';
import { revOf } from '../../data/repository/cache.ts';
import { roughBytes } from '../../common/object-size.ts';
import { named, sees } from '../../domain/access.ts';
import { outgoing, type DeviceView } from '../../domain/device-view.ts';
import type { Store } from '../../data/store.ts';
import type { ChangeFeed } from '../../data/feed/change-feed.ts';
import { createClientBuffer } from './client-buffer.ts';
import { createInitialLoads, rowOf, type InitialLoad } from './initial-load.ts';
import { queriesOf, type LiveQuery } from './query.ts';
import { createTable, type LiveTableQuery } from './table.ts';
import { stepsBetween, type WindowStep } from './window.ts';
import type { Change } from '../../data/feed/change.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';

/** The result of a live query, and the number of the event that it stands after. */
export interface LiveResult {
  readonly id: string;
  readonly seq: number;
  readonly rows: DeviceView[];
}

/** The live queries of this node. */
export interface Live {
  /** Fails with `invalid-input`, with `busy` over a limit, or as the store does. What it opened ends with the connection. */
  open(connection: Connection, asked: LiveTableQuery): Promise<LiveResult>;
  /** Fails with `not-found` if this connection has no such query open. */
  read(connection: Connection, id: string): Promise<LiveResult>;
  close(connection: Connection, id: string): void;
  /** Carries out one change of the feed. */
  change(change: Change): void;
  /** Changes may have been missed: every result is read again, and told as a `resync`. */
  resync(): void;
  /** This node may deliver again: what was left untold meanwhile is told. */
  resume(): void;
  /** Queries that are computed now, those included that nobody follows just now. */
  readonly size: number;
  stop(): void;
}

export interface LiveOptions {
  readonly store: Pick<Store, 'collection'>;
  readonly feed: Pick<ChangeFeed, 'newest'>;
  readonly connections: Pick<Connections, 'send'>;
  readonly clock: Pick<Clock, 'after'>;
  /** May this node deliver now? */
  readonly isServing: () => boolean;
  /** A name for a query, another one each time. */
  readonly id: () => string;
  readonly report: (error: unknown) => void;
}

/** Live queries of one connection. */
export const maxPerConnection = 128;
/** Documents that all live queries together may keep, in bytes, roughly. */
const maxBytes = 256 * 1024 * 1024;
/** A result larger than this is not sent as an event: each client reads it for itself. */
const maxEventBytes = 256 * 1024;
/** A query that nobody follows any more is kept for whoever comes back. */
const lingerMs = 30_000;
const maxLingering = 10_000;

const told = (step: WindowStep): object => {
  if (step.type === 'leave') return step;
  const { document, ...where } = step;
  return { ...where, device: outgoing(document) };
};

/** Opens an empty table of live queries. `change`, `resync` and `resume` have to be called by whoever follows the feed and the node. */
export const openLive = ({ store, feed, connections, clock, isServing, id, report }: LiveOptions): Live => {
  const held = createClientBuffer<LiveQuery>();
  const table = createTable(held, id);
  const loads = createInitialLoads(store, feed);
  /** What each connection has open, and how often. */
  const opened = new Map<Connection, Map<LiveQuery, number>>();
  /** Queries without audience, those that were left first in front. */
  const lingering = new Map<LiveQuery, () => void>();
  const timers = new Set<() => void>();
  let stopped = false;

  const resultOf = ({ id: name, seq, window }: LiveQuery): LiveResult => ({
    id: name,
    seq,
    rows: window.shown.map(({ document }) => outgoing(document)),
  });

  /** Tells the audience; while this node may not, only remembers that there is something to tell. */
  const tell = (query: LiveQuery, steps: readonly WindowStep[]): void => {
    if (steps.length === 0 || query.silent) return;
    if (!isServing()) return void (query.silent = true);
    query.seq += 1;
    if (query.audience.size === 0) return;
    connections.send(query.audience, 'live:changed', { id: query.id, seq: query.seq, steps: steps.map(told) });
  };

  /** Ends a silence: the result as it is now takes the place of the steps that were not told. */
  const speak = (query: LiveQuery): void => {
    if (!query.silent || !query.filled || !isServing()) return;
    query.silent = false;
    query.seq += 1;
    if (query.audience.size === 0) return;
    const { id: name, seq, rows } = resultOf(query);
    const fits = roughBytes(rows) <= maxEventBytes;
    connections.send(query.audience, 'live:changed', { id: name, seq, resync: true, ...(fits && { rows }) });
  };

  /** How a document stands in one query now. A revision that the query knows already is not looked at again. */
  const apply = (query: LiveQuery, document: DeviceDocument, matches: boolean): readonly WindowStep[] => {
    const name = String(document._id);
    const before = query.window.get(name);
    if (before !== undefined && revOf(before.document) >= revOf(document)) return [];
    const stays = matches && document._rollcall?.gone === undefined && sees(query.subject, 'discover.view', document);
    return query.window.apply(name, stays ? rowOf(query, document) : null);
  };

  /** Puts what was read in the place of what there was. */
  const fill = (query: LiveQuery, { rows, frontier, since }: InitialLoad): void => {
    if (query.released) return;
    const { window } = query;
    const before = window.shown;
    window.fill(rows, frontier);
    const wasShort = window.short;
    for (const document of since) apply(query, document, query.group.matches(document));
    query.filled = true;
    table.index(query);
    tell(query, stepsBetween(before, window.shown));
    speak(query);
    if (window.short && !wasShort) again(query);
  };

  const load = (query: LiveQuery): Promise<void> => {
    query.loading ??= loads.load(query, (loaded) => fill(query, loaded)).finally(() => (query.loading = null));
    return query.loading;
  };

  /** Reads a query anew when the load under way, if any, has ended; a failure is tried again, later each time. */
  const again = (query: LiveQuery, failures = 0): void => {
    const start = (): void => {
      if (query.released || stopped) return;
      load(query).catch((error: unknown) => {
        if (failures === 0) report(error);
        again(query, failures + 1);
      });
    };
    const cancel = clock.after(failures === 0 ? 0 : Math.min(30_000, 125 * 2 ** failures), () => {
      timers.delete(cancel);
      start();
    });
    timers.add(cancel);
  };

  const release = (query: LiveQuery): void => {
    lingering.get(query)?.();
    lingering.delete(query);
    table.remove(query);
  };

  const abandon = (query: LiveQuery): void => {
    if (query.audience.size > 0 || query.opening > 0 || query.released || lingering.has(query)) return;
    if (!query.filled || stopped) return release(query);
    lingering.set(
      query,
      clock.after(lingerMs, () => release(query)),
    );
    if (lingering.size > maxLingering) for (const oldest of lingering.keys()) return release(oldest);
  };

  const makeRoom = (): void => {
    for (const query of lingering.keys()) {
      if (held.bytes <= maxBytes) return;
      release(query);
    }
    if (held.bytes > maxBytes) throw new RegistryError('busy', 'The live queries of this node keep too many documents');
  };

  /** What a connection has open; made at its first query, and given back when it leaves. */
  const openedBy = (connection: Connection): Map<LiveQuery, number> => {
    const known = opened.get(connection);
    if (known !== undefined) return known;
    const mine = new Map<LiveQuery, number>();
    opened.set(connection, mine);
    connection.onLeave(() => {
      opened.delete(connection);
      for (const query of mine.keys()) {
        query.audience.delete(connection);
        abandon(query);
      }
    });
    return mine;
  };

  /** Resolves when the result is what the feed has come to. */
  const ready = async (query: LiveQuery): Promise<void> => {
    if (!query.filled || query.silent) await load(query);
  };

  const resync = (): void => {
    loads.broken();
    held.distrust();
    for (const query of table.all()) {
      if (!query.filled) continue;
      query.filled = false;
      query.silent = true;
      again(query);
    }
  };

  return {
    async open(connection, asked) {
      const mine = openedBy(connection);
      const count = [...mine.values()].reduce((sum, times) => sum + times, 0);
      if (count >= maxPerConnection)
        throw new RegistryError('busy', `A connection may have ${maxPerConnection} live queries open`);
      makeRoom();
      const query = table.find(connection.actor, asked);
      lingering.get(query)?.();
      lingering.delete(query);
      query.opening += 1;
      try {
        await ready(query);
        if (opened.get(connection) !== mine) throw new RegistryError('disconnected');
        mine.set(query, (mine.get(query) ?? 0) + 1);
        query.audience.add(connection);
        return resultOf(query);
      } finally {
        query.opening -= 1;
        abandon(query);
      }
    },

    async read(connection, name) {
      const query = table.byId(name);
      if (query === undefined || !query.audience.has(connection)) throw new RegistryError('not-found');
      await ready(query);
      return resultOf(query);
    },

    close(connection, name) {
      const query = table.byId(name);
      const mine = opened.get(connection);
      const times = query === undefined ? undefined : mine?.get(query);
      if (query === undefined || mine === undefined || times === undefined) return;
      if (times > 1) return void mine.set(query, times - 1);
      mine.delete(query);
      query.audience.delete(connection);
      abandon(query);
    },

    change({ collection, type, id: changed, document }) {
      if (collection !== 'devices') return;
      if (document === null) {
        // Another program's change, of which the feed does not say what it has made of the document.
        if (type === 'update' || held.has(String(changed))) resync();
        return;
      }
      const device = document as DeviceDocument;
      loads.note(device);
      const matching = table.matching(device);
      const affected = new Set(held.of(String(changed)));
      if (matching.size > 0 && device._rollcall?.gone === undefined) {
        const subjects = named(device, 'discover.view');
        for (const group of matching) for (const query of queriesOf(group, subjects)) affected.add(query);
      }
      for (const query of affected) {
        const wasShort = query.window.short;
        tell(query, apply(query, device, matching.has(query.group)));
        if (query.window.short && !wasShort) again(query);
      }
    },

    resync,

    resume() {
      for (const query of table.all()) speak(query);
    },

    get size() {
      return [...table.all()].length;
    },

    stop() {
      stopped = true;
      for (const cancel of timers) cancel();
      for (const query of lingering.keys()) release(query);
    },
  };
};
