import { randomUUID } from 'node:crypto';
import type { HookFailure } from './webhooks.ts';
import type { Store } from '../../data/store.ts';

/** How many failures of one device are kept. */
const maxKept = 100;

/** Keeps the last failed requests of each device's webhooks, for its owner to read. */
export const webhookFailures = (store: Store): ((failure: HookFailure) => Promise<void>) => {
  const rows = store.collection('webhook-failures');
  return async (failure) => {
    await rows.insertOne({ _id: randomUUID(), ...failure });
    const old = await rows.find({ uuid: failure.uuid }).sort({ at: -1 }).skip(maxKept).toArray();
    for (const { _id } of old) await rows.deleteOne({ _id });
  };
};
