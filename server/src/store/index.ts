export type { Collections } from './collections.ts';
export type { Store } from './port.ts';
