import { join } from 'node:path';
import { ensureIndexes } from '@rollcall/server/internal/data/indexes';
import type { Store } from '@rollcall/server/internal/data/store';
import { openEmbedded } from '@rollcall/server/store';
import { MongoClient } from 'mongodb';
import {
  callerDocument,
  callers,
  callerUuid,
  deviceDocument,
  deviceUuid,
  inOrder,
  tokenRow,
  type Population,
} from './population.ts';

/** Documents in one insert. */
const batch = 1000;

/** What a store is filled with. */
export interface Filling extends Population {
  /** Devices, from the first on, that get a token and so can log in themselves. */
  readonly withToken: number;
}

const inBatches = async (indexes: readonly number[], insert: (some: readonly number[]) => Promise<unknown>): Promise<void> => {
  for (let begin = 0; begin < indexes.length; begin += batch) await insert(indexes.slice(begin, begin + batch));
};

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** Writes the population, the callers and the tokens into a store that has none of them. */
const fill = async (store: Store, filling: Filling): Promise<void> => {
  await ensureIndexes(store);
  const devices = store.collection('devices');
  const tokens = store.collection('tokens');
  await inBatches(upTo(callers), (some) => devices.insertMany(some.map(callerDocument)));
  await inBatches(upTo(callers), (some) => tokens.insertMany(some.map((index) => tokenRow(callerUuid(index)))));
  await inBatches(upTo(filling.withToken), (some) => tokens.insertMany(some.map((index) => tokenRow(deviceUuid(index)))));
  await inBatches(inOrder(filling), (some) => devices.insertMany(some.map((index) => deviceDocument(index, filling))));
};

/** Fills the embedded store of a data folder. */
export const fillEmbedded = async (dataDir: string, filling: Filling): Promise<void> => {
  const { db, close } = await openEmbedded(join(dataDir, 'rollcall.db'));
  try {
    await fill(db, filling);
  } finally {
    await close();
  }
};

/** Fills the database that a URL names. */
export const fillMongo = async (url: string, filling: Filling): Promise<void> => {
  const client = await MongoClient.connect(url);
  try {
    await fill(client.db(), filling);
  } finally {
    await client.close();
  }
};
