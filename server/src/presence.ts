import { change } from './domain/device.ts';
import type { Documents, Revision } from './door.ts';
import type { DeviceDocument } from './store/collections.ts';
import type { Store } from './store/port.ts';

/** Which devices have a socket on this node, and what of that is written down. */
export interface Presence {
  /** This socket shows its device as online until the function returned is called. */
  hold(uuid: string): () => void;
  /** Makes the stored presence of a device what this node knows, if it holds a socket of it and the document does not say so. */
  check(document: DeviceDocument): void;
  /** Takes nodes that are no more out of every document. */
  reap(isAlive: (node: string) => boolean): Promise<void>;
  /** Writes what is left to write, as if every socket had gone. */
  close(): Promise<void>;
}

/** Differences are collected for this long before they are written. */
const collectMs = 20;

const nodesOf = (document: DeviceDocument): readonly string[] => document._rollcall?.presence?.nodes ?? [];

/** The document with these nodes holding it: `online` while there are any (decisions, section 8). Null if that is what it says. */
const held = (
  before: DeviceDocument,
  nodes: readonly string[],
  now: number,
  reason: string,
  node: string,
): Revision<DeviceDocument> | null => {
  const online = nodes.length > 0;
  const same = nodesOf(before).length === nodes.length && nodesOf(before).every((node) => nodes.includes(node));
  if (same && before['online'] === online) return null;
  const since = before['online'] === online ? (before._rollcall?.presence?.since ?? now) : now;
  const seen = change(before, (document) => ({ ...document, online }), before.uuid, new Date(now));
  const next = seen?.next ?? before;
  return {
    next: { ...next, _rollcall: { rev: 0, shown: 0, ...before._rollcall, node, presence: { nodes: [...nodes], since, reason } } },
    shown: seen !== null,
  };
};

/** Keeps presence right by comparing what is wanted with what is stored, never by counting events. */
export const openPresence = (options: {
  readonly store: Store;
  readonly devices: Documents<DeviceDocument>;
  readonly node: string;
  readonly now: () => number;
  readonly report: (error: unknown) => void;
  /** Called when a device has come on line or gone off, by the node that wrote it. */
  readonly announce: (uuid: string, online: boolean) => void;
}): Presence => {
  const { store, devices, node, now, report, announce } = options;
  const sockets = new Map<string, number>();
  const differing = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  let closed = false;

  /** Makes these nodes the ones that hold the device, and tells if it came or went with that. */
  const revise = async (
    uuid: string,
    nodesAfter: (before: DeviceDocument) => readonly string[],
    reason: () => string,
  ): Promise<void> => {
    let shown = false;
    const { document, outcome } = await devices.revise(uuid, null, (before) => {
      const revision = before === null ? null : held(before, nodesAfter(before), now(), reason(), node);
      shown = revision?.shown ?? false;
      return revision;
    });
    if (outcome === 'changed' && shown) announce(uuid, document['online'] === true);
  };

  const write = (uuid: string): Promise<void> =>
    revise(
      uuid,
      (before) => {
        const others = nodesOf(before).filter((name) => name !== node);
        return sockets.has(uuid) ? [...others, node] : others;
      },
      () => (sockets.has(uuid) ? 'connected' : 'disconnected'),
    );

  const flush = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    const batch = [...differing];
    differing.clear();
    writing = writing.then(async () => {
      const outcomes = await Promise.allSettled(batch.map(write));
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome.status === 'fulfilled') continue;
        report(outcome.reason);
        if (!closed) later(batch[index] ?? '', 500);
      }
    });
    return writing;
  };

  const later = (uuid: string, ms = collectMs): void => {
    differing.add(uuid);
    timer ??= setTimeout(() => void flush(), ms);
  };

  return {
    hold(uuid) {
      sockets.set(uuid, (sockets.get(uuid) ?? 0) + 1);
      later(uuid);
      let released = false;
      return () => {
        if (released) return;
        released = true;
        const left = (sockets.get(uuid) ?? 1) - 1;
        if (left > 0) sockets.set(uuid, left);
        else sockets.delete(uuid);
        if (!closed) later(uuid);
        else differing.add(uuid);
      };
    },
    check(document) {
      if (!closed && sockets.has(document.uuid) && !nodesOf(document).includes(node)) later(document.uuid);
    },
    async reap(isAlive) {
      const left = store.collection('devices').find({ '_rollcall.presence.nodes.0': { $exists: true } }, { promoteLongs: false });
      for await (const document of left) {
        const gone = nodesOf(document).filter((name) => name !== node && !isAlive(name));
        if (gone.length === 0) continue;
        await revise(
          document.uuid,
          (before) => nodesOf(before).filter((name) => !gone.includes(name)),
          () => 'node lost',
        );
      }
    },
    async close() {
      closed = true;
      sockets.clear();
      await flush();
    },
  };
};
