import { RegistryError } from '@rollcall/client/contract';
import type { Clock } from '../../common/clock.ts';
import type { Node } from '../../data/cluster/node.ts';
import { createBulk } from './bulk-writer.ts';
import { withNodes, nodesOf } from '../../domain/presence.ts';
import { openReaper } from './reaper.ts';
import type { Store } from '../../data/store.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';

/** Which devices have a socket on this node, and what of that is written down (ME-8). */
export interface Presence {
  /**
   * This socket shows its device as online until the function returned is called. `provenAt` tells when it last gave a sign of life, in
   * milliseconds since 1970.
   */
  track(uuid: string, provenAt: () => number): () => void;
  /** Takes note of a device's document as it came by the feed: makes it what this node knows, and tells who has come or gone. */
  check(document: DeviceDocument): void;
  /** Changes may have been missed, or this node was given up by the others for a while: looks at every device that it holds, or is said to hold. */
  recheck(): void;
  /** When the device of this document last gave a sign of life, in milliseconds since 1970, as far as this node can tell; undefined if it is off line. */
  lastSeenAt(document: DeviceDocument): number | undefined;
  /** Takes nodes that are no more out of every document. */
  sweep(): Promise<void>;
  /** Writes what is left to write, as if every socket had gone. */
  close(): Promise<void>;
}

/** Differences are collected for this long before they are written, and after a failure for longer, in milliseconds. */
const collectMs = 20;
const againMs = 500;

/** Keeps presence right by comparing what is wanted with what is stored, never by counting events. */
export const openPresence = (options: {
  readonly store: Pick<Store, 'collection'>;
  readonly devices: Repository<DeviceDocument>;
  readonly node: Pick<Node, 'id' | 'lives' | 'gone' | 'seenAt' | 'state' | 'check'>;
  readonly clock: Clock;
  readonly report: (error: unknown) => void;
  /** Called when a device has come on line or gone off, by the node that wrote it. */
  readonly announce: (uuid: string, online: boolean) => void;
}): Presence => {
  const { store, devices, node, clock, report, announce } = options;
  const sockets = new Map<string, Set<() => number>>();
  let differing = new Set<string>();
  let cancel: (() => void) | undefined;
  let writing: Promise<void> = Promise.resolve();
  let closed = false;

  /** Has this revision made the device come or go, and was it this node that wrote it? */
  const announceIfMine = ({ uuid, online, _rollcall: hidden }: DeviceDocument): void => {
    if (hidden?.node === node.id && hidden.presence?.at === hidden.rev) announce(uuid, online === true);
  };

  const bulk = createBulk({
    store,
    devices,
    clock,
    available: () => node.check(),
    // Otherwise the feed tells; it will not be listened to any more.
    written: (documents) => closed && documents.forEach(announceIfMine),
  });
  const reaper = openReaper({ store, bulk, node, holds: (uuid) => sockets.has(uuid), clock, report });

  const wanted = (before: DeviceDocument): DeviceDocument | null => {
    const isHere = sockets.has(before.uuid);
    const others = nodesOf(before).filter((name) => name !== node.id);
    // A device that no socket shows as online is whatever was written last.
    if (!isHere && others.length === nodesOf(before).length) return null;
    const reason = isHere ? 'connected' : 'disconnected';
    return withNodes(before, isHere ? [...others, node.id] : others, { node: node.id, now: clock.now(), reason });
  };

  const flush = (): Promise<void> => {
    cancel?.();
    cancel = undefined;
    const batch = differing;
    differing = new Set();
    writing = writing
      .then(() => bulk.writeAll([...batch], wanted))
      .catch((error: unknown) => {
        if (!(error instanceof RegistryError && error.code === 'unavailable')) report(error);
        if (closed) return;
        for (const uuid of batch) later(uuid, againMs);
      });
    return writing;
  };

  const later = (uuid: string, ms = collectMs): void => {
    differing.add(uuid);
    cancel ??= clock.after(ms, () => void flush());
  };

  const isWrong = (document: DeviceDocument): boolean =>
    sockets.has(document.uuid)
      ? !nodesOf(document).includes(node.id) || document['online'] !== true
      : nodesOf(document).includes(node.id);

  return {
    track(uuid, provenAt) {
      const proof = (): number => provenAt();
      const there = sockets.get(uuid);
      if (there === undefined) {
        sockets.set(uuid, new Set([proof]));
        later(uuid);
      } else there.add(proof);
      return () => {
        const left = sockets.get(uuid);
        if (left?.delete(proof) !== true || left.size > 0) return;
        sockets.delete(uuid);
        if (closed) differing.add(uuid);
        else later(uuid);
      };
    },

    check(document) {
      if (closed) return;
      announceIfMine(document);
      if (isWrong(document)) later(document.uuid);
    },

    recheck() {
      for (const uuid of sockets.keys()) later(uuid);
      reaper.recheck();
    },

    lastSeenAt(document) {
      const here = sockets.get(document.uuid);
      let newest = 0;
      for (const proof of here ?? []) newest = Math.max(newest, proof());
      for (const name of nodesOf(document)) if (name !== node.id) newest = Math.max(newest, node.seenAt(name) ?? 0);
      return newest > 0 ? newest : undefined;
    },

    sweep: () => reaper.sweep(),

    async close() {
      closed = true;
      await reaper.close();
      for (const uuid of sockets.keys()) differing.add(uuid);
      sockets.clear();
      await flush();
    },
  };
};
