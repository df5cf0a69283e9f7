import type { Actor, Revocation } from '../domain/actor.ts';

/** A live connection of an identified device, on any transport. It is another one after each identification. */
export interface Connection {
  readonly actor: Actor;
  /** The device that it is a connection of, if that is not the actor: one that the actor speaks for. */
  readonly device?: string;
  /** Unique on this node. */
  readonly id: string;
  /** Does its client understand extras: a second argument `{ id, cursor }` of events? */
  readonly takesMetadata: boolean;
  readonly fanOut: FanOut;
  /**
   * Strips the connection of its identity at once, tells it and closes it. `told`: an event that it gets first.
   *
   * What is returned, if anything, settles when nothing that it asked for can be written any more.
   */
  end(told?: ServerEvent): Promise<unknown> | undefined;
  /** Bytes that wait for the other end to read them; not told by all transports. */
  readonly pending?: () => number;
  /** Calls `release` when the connection leaves: for what it holds elsewhere. */
  onLeave(release: () => void): void;
}

/** The way out to the connections of one server: one event to many of them is encoded once. */
export interface FanOut {
  /** `data` goes to all; `extras` as a second argument to those that understand them. In order with what was sent before. */
  send(to: readonly Connection[], event: string, data: unknown, extras?: EventMetadata): void;
}

/** What our clients get beside an event: its id, and the place of the feed after which to resume. */
export interface EventMetadata {
  readonly id?: string;
  readonly cursor?: string;
}

/** An event that a connection is told, and its argument. */
export interface ServerEvent {
  readonly event: string;
  readonly data: unknown;
}

/** This node's live connections: by device, and by the credential that each hangs on. */
export interface Connections {
  /** Sends an event to these connections, each once; not to those who have still to enrol a second factor. */
  send(to: Iterable<Connection>, event: string, data: unknown, extras?: EventMetadata): void;
  /** Adds a connection that has proved who it is; the function returned takes it out. */
  add(connection: Connection): () => void;
  /** Calls `ended` once when what this actor proved himself with ends; the function returned takes that back. */
  watch(actor: Actor, ended: () => void): () => void;
  /** Those that hang on this credential may have events from now on: their user has enrolled his second factor. */
  enableEvents(uuid: string, credential: string): void;
  /** The connections of a device. */
  of(uuid: string): Iterable<Connection>;
  all(): Iterable<Connection>;
  /** The connections of those who have roles beside whitelists. */
  withRoles(): Iterable<Connection>;
  /** Ends those that hang on what ended; resolves when nothing of theirs can be written any more. */
  revoke(ending: Revocation, told?: ServerEvent): Promise<void>;
  /**
   * Ends the connections that rest on what was revoked, except `last`, which is still to be answered.
   * `isLastAmong` says whether `last` would end too. `settled` resolves when nothing that the others asked for can be written any more.
   */
  revokeOthers(
    ending: Revocation,
    last: Connection | undefined,
  ): { readonly isLastAmong: boolean; readonly settled: Promise<void> };
  /** Ends all of them. */
  endAll(): void;
  /** How many endings were carried out, and how often somebody was freed; whoever proves himself while it changes has to do so again. */
  readonly revocations: number;
  readonly size: number;
}

const hangsOn = ({ actor }: { readonly actor: Actor }, ending: Revocation): boolean =>
  'device' in ending
    ? actor.uuid === ending.device
    : actor.credentialId === ending.credential &&
      (ending.unless === undefined || actor.hash !== ending.unless) &&
      (ending.attended !== true || actor.unattended !== true);

type Index<T> = Map<string, Set<T>>;

const put = <T>(index: Index<T>, key: string, one: T): void => {
  index.set(key, (index.get(key) ?? new Set<T>()).add(one));
};

const take = <T>(index: Index<T>, key: string, one: T): boolean => {
  const set = index.get(key);
  const taken = set?.delete(one) ?? false;
  if (set?.size === 0) index.delete(key);
  return taken;
};

/** Ends these connections at once; resolves when nothing of theirs can be written any more. */
const settled = async (ended: readonly Connection[], told?: ServerEvent): Promise<void> => {
  await Promise.all(ended.map((connection) => connection.end(told)));
};

/** An empty table of connections. */
export const createConnections = (): Connections => {
  const byDevice: Index<Connection> = new Map();
  const watched: Index<{ readonly actor: Actor; readonly ended: () => void }> = new Map();
  /** Of those who had still to enrol, the ones who have. */
  const freed = new WeakSet<Connection>();
  const withRoles = new Set<Connection>();
  let size = 0;
  let endings = 0;

  /** Ends what hangs on it beside connections; answers the connections that hang on it. */
  const affected = (ending: Revocation): readonly Connection[] => {
    endings += 1;
    const uuid = 'device' in ending ? ending.device : ending.uuid;
    for (const watch of [...(watched.get(uuid) ?? [])]) {
      if (hangsOn(watch, ending) && take(watched, uuid, watch)) watch.ended();
    }
    return [...(byDevice.get(uuid) ?? [])].filter((connection) => hangsOn(connection, ending));
  };

  return {
    send(to, event, data, extras) {
      const outlets = new Map<FanOut, Connection[]>();
      for (const connection of new Set(to)) {
        if (connection.actor.scope !== undefined && !freed.has(connection)) continue;
        const group = outlets.get(connection.fanOut);
        if (group === undefined) outlets.set(connection.fanOut, [connection]);
        else group.push(connection);
      }
      for (const [outlet, group] of outlets) outlet.send(group, event, data, extras);
    },
    add(connection) {
      const uuid = connection.device ?? connection.actor.uuid;
      put(byDevice, uuid, connection);
      size += 1;
      if (connection.actor.principal === true) withRoles.add(connection);
      return () => {
        if (!take(byDevice, uuid, connection)) return;
        size -= 1;
        withRoles.delete(connection);
      };
    },
    *all() {
      for (const siblings of byDevice.values()) yield* siblings;
    },
    of: (uuid) => byDevice.get(uuid) ?? [],
    withRoles: () => withRoles,
    revoke: (ending, told) => settled(affected(ending), told),
    revokeOthers(ending, last) {
      const ended = affected(ending);
      return {
        isLastAmong: last !== undefined && ended.includes(last),
        settled: settled(ended.filter((connection) => connection !== last)),
      };
    },
    enableEvents(uuid, credential) {
      // Whoever is proving himself at this moment looks again.
      endings += 1;
      for (const connection of byDevice.get(uuid) ?? []) if (hangsOn(connection, { uuid, credential })) freed.add(connection);
    },
    watch(actor, ended) {
      const watch = { actor, ended };
      put(watched, actor.uuid, watch);
      return () => take(watched, actor.uuid, watch);
    },
    endAll() {
      for (const siblings of [...byDevice.values()]) for (const connection of [...siblings]) void connection.end();
    },
    get revocations() {
      return endings;
    },
    get size() {
      return size;
    },
  };
};
