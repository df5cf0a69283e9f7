import type { Document } from 'mongodb';
import type { BulkOperation, Collection } from '../store/port.ts';

interface PendingWrite<T extends Document> {
  readonly id: string;
  readonly operation: BulkOperation<T>;
  resolve(): void;
  reject(error: unknown): void;
}

/** Writes of one batch at most. */
const maxBatch = 500;

/**
 * Groups single writes of one collection into bulk writes. The function returned takes the `_id` of the document and one write of it that may be
 * repeated, and settles when that write is durable.
 *
 * One batch is under way at a time. Writes of the same document stay in order: they never share a batch. A batch that fails is repeated write by
 * write, so that each caller gets the outcome of its own.
 */
export const createGroupedWrites = <T extends Document>(collection: Pick<Collection<T>, 'bulkWrite'>) => {
  let pending: PendingWrite<T>[] = [];
  let isRunning = false;

  const nextBatch = (): readonly PendingWrite<T>[] => {
    const ids = new Set<string>();
    const batch: PendingWrite<T>[] = [];
    const later: PendingWrite<T>[] = [];
    for (const write of pending) {
      const fits = batch.length < maxBatch && !ids.has(write.id);
      ids.add(write.id);
      (fits ? batch : later).push(write);
    }
    pending = later;
    return batch;
  };

  const writeSingly = async ({ operation, resolve, reject }: PendingWrite<T>): Promise<void> => {
    try {
      await collection.bulkWrite([operation]);
      resolve();
    } catch (error) {
      reject(error);
    }
  };

  const run = async (): Promise<void> => {
    while (pending.length > 0) {
      const batch = nextBatch();
      try {
        await collection.bulkWrite(
          batch.map(({ operation }) => operation),
          { ordered: false },
        );
        for (const { resolve } of batch) resolve();
      } catch (error) {
        const [only] = batch;
        if (batch.length === 1) only?.reject(error);
        else await Promise.all(batch.map(writeSingly));
      }
    }
    isRunning = false;
  };

  return (id: string, operation: BulkOperation<T>): Promise<void> =>
    new Promise((resolve, reject) => {
      pending.push({ id, operation, resolve, reject });
      if (isRunning) return;
      isRunning = true;
      // What is written in the same turn of the event loop goes into the same batch.
      setImmediate(() => void run());
    });
};
