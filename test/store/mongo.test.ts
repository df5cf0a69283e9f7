import { openMongo } from '@rollcall/server/store';
import { mongodUri } from '../support/mongod.ts';
import { conformance, type Opened } from './conformance.ts';

conformance('MongoDB', async (): Promise<Opened | { skip: string }> => {
  const found = await mongodUri();
  if ('skip' in found) return found;
  const { db, close: disconnect } = await openMongo(found.uri, { database: `conformance_${process.pid}_${Date.now()}` });
  const close = async () => {
    await db.dropDatabase();
    await disconnect();
  };
  return { db, close };
});
