import { RegistryError } from '@rollcall/client/contract';
import type { Connection } from '../connections.ts';

/** A live way to a caller, identified or not: it has no permission, and gets only what it was promised. */
export interface Subscriber {
  /** The id of its connection. */
  readonly id: string;
  send(event: string, data: unknown): void;
  /** Calls `release` when the caller is gone; at once if it is gone already. */
  onLeave(release: () => void): void;
}

/** Callers of this node that wait to be told of one object, such as a stranger of the answer to his request. */
export interface PendingCallers {
  /** Until it leaves, this caller is told of pushes whose `awaited` is this name. Fails with `busy` if it waits for too much. */
  add(name: string, caller: Subscriber): void;
  /** Tells all that wait for this name, but not `told`, who have it already. */
  notify(name: string, event: string, data: unknown, told: readonly Connection[]): void;
}

/** How many names one caller may wait for. */
const maxOfCaller = 16;

/** An empty table. */
export const createPendingCallers = (): PendingCallers => {
  const byName = new Map<string, Set<Subscriber>>();
  const names = new Map<string, Set<string>>();

  const leave = (caller: Subscriber): void => {
    for (const name of names.get(caller.id) ?? []) {
      const callers = byName.get(name);
      callers?.delete(caller);
      if (callers?.size === 0) byName.delete(name);
    }
    names.delete(caller.id);
  };

  return {
    add(name, caller) {
      const known = names.get(caller.id);
      const own = known ?? new Set();
      if (!own.has(name) && own.size >= maxOfCaller) throw new RegistryError('busy');
      names.set(caller.id, own.add(name));
      byName.set(name, (byName.get(name) ?? new Set<Subscriber>()).add(caller));
      if (known === undefined) caller.onLeave(() => leave(caller));
    },
    notify(name, event, data, told) {
      const ids = new Set(told.map(({ id }) => id));
      for (const caller of byName.get(name) ?? []) if (!ids.has(caller.id)) caller.send(event, data);
    },
  };
};
