import { MongoClient } from 'mongodb';
import { callers, deviceUuid, groupFilter, randomDeviceOf } from '../population.ts';
import type { DriverJob, Loop } from './jobs.ts';
import { recorded, together } from './loop.ts';

/** As many connections as the registry has. */
const poolSize = 50;

/** Runs the closed loop with the driver alone, with its fastest way to do the same. */
export const runDriver = async ({ uri, operation, concurrency, watches, population, ...span }: DriverJob): Promise<Loop> => {
  const client = await MongoClient.connect(uri, { maxPoolSize: poolSize, writeConcern: { w: 'majority', journal: true } });
  const db = client.db();
  const devices = db.collection('devices');
  const stream = watches ? db.watch() : undefined;
  stream?.on('change', () => undefined);
  stream?.on('error', () => undefined);
  let written = 0;
  const once = async (caller: number): Promise<unknown> => {
    const index = randomDeviceOf(caller % callers, population);
    switch (operation) {
      case 'updateOne':
        return devices.updateOne({ uuid: deviceUuid(index) }, { $set: { value: (written += 1) } });
      case 'find':
        return devices.find(groupFilter(index, population)).toArray();
      case 'findSorted':
        return devices.find(groupFilter(index, population)).sort({ 'meshblu.createdAt': -1, uuid: 1 }).limit(1000).toArray();
    }
  };
  try {
    return await recorded(span, (recorder) =>
      together(concurrency, async (caller) => {
        while (recorder.isRunning()) {
          const beganAt = performance.now();
          await once(caller);
          recorder.completed(beganAt);
        }
      }),
    );
  } finally {
    await stream?.close();
    await client.close();
  }
};
