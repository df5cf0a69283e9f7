export { openEmbedded, type EmbeddedDb, type EmbeddedOptions, type EmbeddedStore } from './embedded/index.ts';
export { openMongo, type MongoOptions, type MongoStore } from './mongo.ts';
export type { BulkOperation, ChangeStream, Collection, Cursor, Store, WatchOptions } from './port.ts';
