export type { Collections } from './collections.ts';
export { openEmbedded, type EmbeddedDb, type EmbeddedOptions, type EmbeddedStore } from './embedded/index.ts';
export type { Store } from './port.ts';
