import type { publications, Row } from '@rollcall/client/contract';
import type { Static } from 'typebox';
import type { EffectivePermissions } from '../../identity/effective-permissions.ts';
import type { Connection, Connections, EventMetadata } from '../connections.ts';
import { decide, gateOf, named, type Gate } from '../../domain/access.ts';
import type { LaggingConnections } from '../resume/lagging-connections.ts';
import type { PendingCallers } from './pending-callers.ts';
import type { Repository, GuardedName } from '../../data/repository/types.ts';
import type { Change } from '../../data/feed/change.ts';
import type { Guarded } from '../../domain/documents/metadata.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';
import type { Collections } from '../../domain/documents/index.ts';

type Publications = typeof publications;

/** What a change means: the body of the event, and what decides who gets it. */
export interface Pushed<B = unknown> {
  readonly body: B;
  /** The input with which the row's operation would be called to read the object. */
  readonly input: Readonly<Record<string, unknown>>;
  /** A device whose own connections get it, whether or not they could make that call. */
  readonly owner?: string;
  /** Whoever waits for this (see `Waiting`) gets it too, identified or not. */
  readonly awaited?: string;
}

/** One event that the server makes of changes in one collection. */
export interface Push {
  readonly collection: GuardedName;
  readonly event: string;
  readonly gate: Gate;
  of(document: Guarded, removed: boolean): Pushed | null;
}

/**
 * Declares a push. To add one: its event with the body's schema in the contract's `publications`, and a row in `push-table.ts`; client types,
 * documents, delivery on every node and replay after a drop follow.
 *
 * `reads` is the operation that reads the object: whoever might call it, at the moment of the delivery, with the `input` that `of` gives is told;
 * if nothing but who he is decides about that (`self`), only the `owner`. `of` looks at the document after a change that clients may see (`shown` of the door's revision); null: nothing is told. `removed`: the
 * document is gone by this change. It is pure and reads no store.
 */
export const definePush = <N extends GuardedName, E extends keyof Publications>(row: {
  readonly collection: N;
  readonly event: E;
  readonly reads: Row;
  of(document: Collections[N], removed: boolean): Pushed<Static<Publications[E]['payload']>> | null;
}): Push => ({
  collection: row.collection,
  event: row.event,
  gate: gateOf(row.reads),
  of: (document, removed) => row.of(document as Collections[N], removed),
});

/** A push that is due. */
export interface MatchingPush {
  readonly push: Push;
  readonly pushed: Pushed;
  readonly extras: EventMetadata;
}

/** Tells connections of this node of changes that they may read (ME-4). */
export interface Pushes {
  /** What a change has to be told of. */
  matching(change: Change): readonly MatchingPush[];
  /** Hands it to whoever may have it now and is up to date. */
  deliver(due: readonly MatchingPush[]): Promise<void>;
  /** Sends it to one that was not there, if it may have it now; answers how many events that were. */
  replay(connection: Connection, due: readonly MatchingPush[]): Promise<number>;
}

/** The rows of a table by the collection that they look at. */
const byCollectionOf = (table: readonly Push[]): ReadonlyMap<string, readonly Push[]> => {
  const rows = new Map<string, readonly Push[]>();
  for (const one of table) rows.set(one.collection, [...(rows.get(one.collection) ?? []), one]);
  return rows;
};

/** What a change has to be told of, by the rows of this table. */
export const matchingPushes = (table: readonly Push[]): Pushes['matching'] => {
  const byCollection = byCollectionOf(table);
  return ({ collection, document, cursor }) => {
    const rows = document === null ? undefined : byCollection.get(collection);
    if (rows === undefined) return [];
    const { _id, _rollcall: hidden } = document as Guarded;
    if (hidden === undefined || hidden.shown !== hidden.rev) return [];
    return rows.flatMap((one) => {
      const pushed = one.of(document as Guarded, hidden.gone !== undefined);
      const extras = { id: `${one.event}:${String(_id)}:${hidden.rev}`, cursor };
      return pushed === null ? [] : [{ push: one, pushed, extras }];
    });
  };
};

/** Where in the history whoever has roles finds the pushes that he missed. */
export const pushTopic = '\0pushes';

/** Where in the history a change is kept for those who come back: with the pushes, and with its owner's device. */
export const topicsBy =
  (due: Pushes['matching']) =>
  (change: Change): readonly string[] =>
    due(change).flatMap(({ push: { gate }, pushed: { owner } }) => [
      ...('permission' in gate || 'target' in gate ? [pushTopic] : []),
      ...(owner === undefined ? [] : [owner]),
    ]);

/** Opens the pushes of a table. */
export const createPushes = (options: {
  /** See `dueBy`. */
  readonly due: Pushes['matching'];
  readonly connections: Connections;
  readonly devices: Pick<Repository<DeviceDocument>, 'get'>;
  readonly authorities: Pick<EffectivePermissions, 'of'>;
  readonly waiting: PendingCallers;
  /** Connections that new deliveries pass by. */
  readonly behind: Pick<LaggingConnections, 'has'>;
  /** Fails while this node may not deliver. */
  readonly available: () => void;
}): Pushes => {
  const { due: matching, connections, devices, authorities, waiting, behind, available } = options;

  const targetOf = ({ push: { gate }, pushed: { input } }: MatchingPush): Promise<DeviceDocument | null> =>
    'target' in gate ? devices.get(String(input[gate.target])) : Promise.resolve(null);

  /** May this device have it? Roles are asked for whoever has some. */
  const permits = async ({ actor }: Connection, { push: { gate }, pushed }: MatchingPush, target: DeviceDocument | null) => {
    if (actor.uuid === pushed.owner) return true;
    if (!('permission' in gate) && !('target' in gate)) return false;
    const authority = actor.principal === true ? await authorities.of(actor.uuid) : undefined;
    if (authority === null) return false;
    const { uuid, tenant } = actor;
    const subject = { uuid, tenant, ...(authority !== undefined && { permissions: authority.permissions }) };
    return decide(subject, gate, target, pushed.input).allowed;
  };

  /** The connections that can come into question, each once. */
  const candidates = function* ({ push: { gate }, pushed }: MatchingPush, target: DeviceDocument | null): Iterable<Connection> {
    if (pushed.owner !== undefined) yield* connections.of(pushed.owner);
    const whom = target !== null && 'target' in gate ? named(target, gate.whitelist) : new Set<string>();
    if (whom === null) yield* connections.all();
    else for (const uuid of whom) yield* connections.of(uuid);
    yield* connections.withRoles();
  };

  const audience = async (due: MatchingPush): Promise<readonly Connection[]> => {
    const target = await targetOf(due);
    const decided = new Map<string, boolean>();
    const to: Connection[] = [];
    for (const connection of new Set(candidates(due, target))) {
      const { uuid } = connection.actor;
      const known = decided.get(uuid);
      const permitted = known ?? (await permits(connection, due, target));
      if (known === undefined) decided.set(uuid, permitted);
      if (permitted && !behind.has(connection)) to.push(connection);
    }
    return to;
  };

  return {
    matching,
    async deliver(all) {
      for (const one of all) {
        const { push: row, pushed, extras } = one;
        const to = await audience(one);
        available();
        connections.send(to, row.event, pushed.body, extras);
        if (pushed.awaited !== undefined) waiting.notify(pushed.awaited, row.event, pushed.body, to);
      }
    },
    async replay(connection, all) {
      let sent = 0;
      for (const one of all) {
        if (!(await permits(connection, one, await targetOf(one)))) continue;
        connections.send([connection], one.push.event, one.pushed.body, one.extras);
        sent += 1;
      }
      return sent;
    },
  };
};
