export { openEmbedded, type EmbeddedDb, type EmbeddedOptions, type EmbeddedStore } from './embedded/index.ts';
export { openMongo, type MongoOptions, type MongoStore } from './mongo.ts';
export type { BulkOperation, ChangeStream, Collection, Cursor, Database, WatchOptions } from './port.ts';
