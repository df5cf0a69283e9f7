import { every, type Clock } from '../../common/clock.ts';
import type { Node } from '../../data/cluster/node.ts';
import type { Store } from '../../data/store.ts';
import type { Bulk } from './bulk-writer.ts';
import { withNodes, nodesOf } from '../../domain/presence.ts';
import { notDeleted } from '../../domain/tombstone.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';

/** Takes nodes that are no more out of the documents, and this node where it holds no socket, so that nothing stays online by them. */
export interface Reaper {
  /** Takes out every node that does not live. */
  sweep(): Promise<void>;
  /** Changes may have been missed, and with them devices that are shown as online by this node and are gone: looks for them soon, and again. */
  recheck(): void;
  close(): Promise<void>;
}

/** How often it is looked whether another node has died, in milliseconds. */
const lookMs = 250;
/** A write of a dead node may still arrive late: its documents are looked for again this often, and everything now and then, in looks. */
const againLooks = 20;
/** For how long this node is looked for in documents of devices that it does not hold, in looks: a new primary may not show all at first. */
const recheckLooks = 60;
const sweepLooks = 240;

/** Opens the reaper; it works by itself. */
export const openReaper = (options: {
  readonly store: Pick<Store, 'collection'>;
  readonly bulk: Bulk;
  readonly node: Pick<Node, 'id' | 'lives' | 'gone' | 'state'>;
  /** Does this node hold a socket of the device? */
  readonly holds: (uuid: string) => boolean;
  readonly clock: Clock;
  readonly report: (error: unknown) => void;
}): Reaper => {
  const { bulk, node, holds, clock, report } = options;
  const devices = options.store.collection('devices');
  const reaped = new Set<string>();
  let looks = 0;
  let recheckedAt = Number.NEGATIVE_INFINITY;

  type IsGone = (name: string, uuid: string) => boolean;

  const without = (isGone: IsGone) => (before: DeviceDocument) => {
    const left = nodesOf(before).filter((name) => !isGone(name, before.uuid));
    const reason = nodesOf(before).some((name) => name !== node.id && !left.includes(name)) ? 'node lost' : 'disconnected';
    return left.length === nodesOf(before).length ? null : withNodes(before, left, { node: node.id, now: clock.now(), reason });
  };

  /** Writes the documents that these nodes are named in, as they are found. */
  const take = async (named: unknown, isGone: IsGone): Promise<void> => {
    const found = devices.find({ '_rollcall.presence.nodes': named, ...notDeleted } as object, {
      promoteLongs: false,
      readConcern: { level: 'majority' },
    });
    let batch: DeviceDocument[] = [];
    for await (const document of found) {
      if (!nodesOf(document).some((name) => isGone(name, document.uuid))) continue;
      batch.push(document);
      if (batch.length === 500) await bulk.write(batch.splice(0), without(isGone));
    }
    await bulk.write(batch, without(isGone));
  };

  const isLeft: IsGone = (name, uuid) => name === node.id && !holds(uuid);
  const sweep = (): Promise<void> =>
    take({ $gt: '' }, (name, uuid) => isLeft(name, uuid) || (name !== node.id && !node.lives(name)));

  const work = async (): Promise<void> => {
    looks += 1;
    if (node.state !== 'serving') return;
    const gone = node.gone();
    for (const id of reaped) if (!gone.includes(id)) reaped.delete(id);
    for (const id of gone) {
      if (reaped.has(id) && looks % againLooks !== 0) continue;
      await take(id, (name) => name === id && !node.lives(id));
      reaped.add(id);
    }
    if (looks % sweepLooks === 0) return sweep();
    const since = looks - recheckedAt;
    if (since === 1 || (since <= recheckLooks && since % againLooks === 0)) await take(node.id, isLeft);
  };

  let working: Promise<void> = Promise.resolve();
  const stop = every(clock, lookMs, () => (working = work().catch(report)));

  return {
    sweep,
    recheck: () => void (recheckedAt = looks),
    async close() {
      stop();
      await working;
    },
  };
};
