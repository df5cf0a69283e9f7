import type { Actor, Ending } from './implement.ts';

/** A live connection of an identified device, on any transport. */
export interface Connection {
  readonly actor: Actor;
  /**
   * Strips the connection of its identity at once, tells it and closes it. `told`: an event that it gets first.
   *
   * What is returned, if anything, settles when nothing that it asked for can be written any more.
   */
  end(told?: Told): Promise<unknown> | undefined;
  /** Sends an event; `extras` only to clients that asked for them. */
  deliver(event: string, data: unknown, extras: Readonly<Record<string, unknown>>): void;
}

/** An event that a connection is told, and its argument. */
export interface Told {
  readonly event: string;
  readonly data: unknown;
}

/** This node's live connections: by device, and by the credential that each hangs on. */
export interface Connections {
  /** Adds a connection that has proved who it is; the function returned takes it out. */
  add(connection: Connection): () => void;
  /** The connections of a device. */
  of(uuid: string): Iterable<Connection>;
  all(): Iterable<Connection>;
  /** Ends those that hang on what ended; resolves when nothing of theirs can be written any more. */
  end(ending: Ending, told?: Told): Promise<void>;
  /** The same, but for `last`, which is still to be answered: true if it is among them. */
  endOthers(ending: Ending, last: Connection | undefined): boolean;
  /** Ends all of them. */
  endAll(): void;
  /** How many endings were carried out; whoever proves himself while it changes has to do so again. */
  readonly endings: number;
  readonly size: number;
}

const hangsOn = ({ actor }: Connection, ending: Ending): boolean =>
  'device' in ending
    ? actor.uuid === ending.device
    : actor.credentialId === ending.credential && (ending.unless === undefined || actor.hash !== ending.unless);

type Index = Map<string, Set<Connection>>;

const put = (index: Index, key: string, connection: Connection): void => {
  index.set(key, (index.get(key) ?? new Set()).add(connection));
};

const take = (index: Index, key: string, connection: Connection): boolean => {
  const set = index.get(key);
  const taken = set?.delete(connection) ?? false;
  if (set?.size === 0) index.delete(key);
  return taken;
};

/** Ends these connections at once; resolves when nothing of theirs can be written any more. */
const settled = async (ended: readonly Connection[], told?: Told): Promise<void> => {
  await Promise.all(ended.map((connection) => connection.end(told)));
};

/** An empty table of connections. */
export const openConnections = (): Connections => {
  const byDevice: Index = new Map();
  let size = 0;
  let endings = 0;

  const affected = (ending: Ending): Iterable<Connection> => {
    if ('device' in ending) return byDevice.get(ending.device) ?? [];
    return byDevice.get(ending.uuid) ?? [];
  };

  return {
    add(connection) {
      const { uuid } = connection.actor;
      put(byDevice, uuid, connection);
      size += 1;
      return () => {
        if (!take(byDevice, uuid, connection)) return;
        size -= 1;
      };
    },
    *all() {
      for (const siblings of byDevice.values()) yield* siblings;
    },
    of: (uuid) => byDevice.get(uuid) ?? [],
    async end(ending, told) {
      endings += 1;
      await settled(
        [...affected(ending)].filter((connection) => hangsOn(connection, ending)),
        told,
      );
    },
    endOthers(ending, last) {
      endings += 1;
      const ended = [...affected(ending)].filter((connection) => hangsOn(connection, ending));
      void settled(ended.filter((connection) => connection !== last));
      return last !== undefined && ended.includes(last);
    },
    endAll() {
      for (const siblings of [...byDevice.values()]) for (const connection of [...siblings]) void connection.end();
    },
    get endings() {
      return endings;
    },
    get size() {
      return size;
    },
  };
};
