import type { Clock } from '../clock.ts';
import type { Node } from '../node.ts';
import type { DeviceDocument } from '../store/collections.ts';
import type { Store } from '../store/port.ts';
import type { Bulk } from './bulk.ts';
import { held, nodesOf } from './held.ts';

/** Takes nodes that are no more out of the documents, so that nothing stays online by them. */
export interface Reaper {
  /** Takes out every node that does not live. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

/** How often it is looked whether another node has died, in milliseconds. */
const lookMs = 250;
/** A write of a dead node may still arrive late: its documents are looked for again this often, and everything now and then, in looks. */
const againLooks = 20;
const sweepLooks = 240;

/** Opens the reaper; it works by itself. */
export const openReaper = (options: {
  readonly store: Pick<Store, 'collection'>;
  readonly bulk: Bulk;
  readonly node: Pick<Node, 'id' | 'lives' | 'gone' | 'state'>;
  readonly clock: Clock;
  readonly report: (error: unknown) => void;
}): Reaper => {
  const { bulk, node, clock, report } = options;
  const devices = options.store.collection('devices');
  const reaped = new Set<string>();
  let looks = 0;
  let closed = false;

  const without = (isGone: (name: string) => boolean) => (before: DeviceDocument) => {
    const left = nodesOf(before).filter((name) => !isGone(name));
    const writing = { node: node.id, now: clock.now(), reason: 'node lost' };
    return left.length === nodesOf(before).length ? null : held(before, left, writing);
  };

  /** Writes the documents that these nodes are named in, as they are found. */
  const take = async (named: unknown, isGone: (name: string) => boolean): Promise<void> => {
    const found = devices.find({ '_rollcall.presence.nodes': named, '_rollcall.gone': { $exists: false } } as object, {
      promoteLongs: false,
      readConcern: { level: 'majority' },
    });
    let batch: DeviceDocument[] = [];
    for await (const document of found) {
      if (!nodesOf(document).some(isGone)) continue;
      batch.push(document);
      if (batch.length === 500) await bulk.write(batch.splice(0), without(isGone));
    }
    await bulk.write(batch, without(isGone));
  };

  const sweep = (): Promise<void> => take({ $gt: '' }, (name) => name !== node.id && !node.lives(name));

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
    if (looks % sweepLooks === 0) await sweep();
  };

  let working: Promise<void> = Promise.resolve();
  let cancel = (): void => undefined;
  const later = (): void => {
    cancel = clock.after(lookMs, () => {
      working = work()
        .catch(report)
        .then(() => {
          if (!closed) later();
        });
    });
  };
  later();

  return {
    sweep,
    async close() {
      closed = true;
      cancel();
      await working;
    },
  };
};
