import { MongoClient, type Db, type MongoClientOptions } from 'mongodb';

/** Options that a caller may set besides those in the URL. */
export interface MongoOptions {
  /** Database of the registry. Default: the one in the URL, else `rollcall`. */
  database?: string;
  /** Connections for ordinary work. Default 50. */
  maxPoolSize?: number;
  /** How long to look for a server before an operation fails, in milliseconds. Default 15,000. */
  serverSelectionTimeoutMS?: number;
}

export interface MongoStore {
  /** Ordinary work. */
  db: Db;
  client: MongoClient;
  /** The database on a separate small client, for authentication and the change stream: a full pool does not delay them. */
  reserved: Db;
  close(): Promise<void>;
}

/** Time limits of RL-4, in milliseconds. The sockets' one is for the ordinary client only: a stream is idle for long. */
const timeouts = { connectTimeoutMS: 3000, heartbeatFrequencyMS: 2000, waitQueueTimeoutMS: 2000 };
const socketTimeoutMS = 10_000;
const reservedPoolSize = 8;

/**
 * Connects to a MongoDB replica set: writes are acknowledged by the majority and journalled, reads come from the primary.
 *
 * A server that is no replica set is refused: it has no change streams, and no majority. 64-bit integers stay `Long`.
 */
export async function openMongo(url: string, options: MongoOptions = {}): Promise<MongoStore> {
  const { maxPoolSize = 50, serverSelectionTimeoutMS = 15_000 } = options;
  const settings: MongoClientOptions = {
    ...timeouts,
    serverSelectionTimeoutMS,
    writeConcern: { w: 'majority', journal: true },
    readConcern: { level: 'majority' },
    readPreference: 'primary',
    promoteLongs: false,
    retryWrites: true,
    appName: 'rollcall',
  };
  const client = new MongoClient(url, { ...settings, maxPoolSize, socketTimeoutMS });
  const reserved = new MongoClient(url, { ...settings, maxPoolSize: reservedPoolSize });
  const close = async () => {
    await Promise.all([client.close(), reserved.close()]);
  };
  try {
    await Promise.all([client.connect(), reserved.connect()]);
    await refuseStandalone(client);
  } catch (error) {
    await close();
    throw error;
  }
  const database = options.database ?? databaseIn(url);
  return { db: client.db(database), client, reserved: reserved.db(database), close };
}

async function refuseStandalone(client: MongoClient): Promise<void> {
  const { setName, msg } = await client.db('admin').command({ hello: 1 });
  if (typeof setName === 'string' || msg === 'isdbgrid') return;
  throw new Error(
    'ROLLCALL_MONGODB_URL names a MongoDB server that is not part of a replica set; start it with --replSet and initiate the set',
  );
}

/** The database named in a connection string, or `rollcall`. */
function databaseIn(url: string): string {
  const path = /^mongodb(?:\+srv)?:\/\/[^/]*\/([^?]*)/.exec(url)?.[1];
  return path ? decodeURIComponent(path) : 'rollcall';
}
