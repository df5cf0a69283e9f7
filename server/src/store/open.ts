import { join } from 'node:path';
import { openEmbedded } from './embedded/index.ts';
import { openMongo } from './mongo.ts';
import type { CollectionMap, Database } from './port.ts';

/** An open store, and whether this process is its only user. */
export interface OpenStore<C extends CollectionMap<C>> {
  readonly store: Database<C>;
  /** The store on separate connections, for the feed and the leases: ordinary work does not delay them. */
  readonly reserved: Database<C>;
  /** True on the embedded store: there is one process, and no other node. */
  readonly alone: boolean;
  close(): Promise<void>;
}

/** Opens MongoDB if there is a URL, else the embedded store in the data folder (`:memory:` keeps nothing). */
export const openStore = async <C extends CollectionMap<C>>(options: {
  readonly mongodbUrl: string | undefined;
  readonly dataDir: string;
  readonly acceptLoss: boolean;
}): Promise<OpenStore<C>> => {
  if (options.mongodbUrl !== undefined) {
    const { db, reserved, close } = await openMongo(options.mongodbUrl);
    return { store: db, reserved, alone: false, close };
  }
  const path = options.dataDir === ':memory:' ? ':memory:' : join(options.dataDir, 'rollcall.db');
  const { db, close } = await openEmbedded(path, { promoteLongs: false, acceptLoss: options.acceptLoss });
  return { store: db, reserved: db, alone: true, close };
};
