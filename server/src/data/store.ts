import type { Collections } from '../domain/documents/index.ts';
import type * as port from '../store/port.ts';

/** The registry's store: the collections of `domain/documents`. */
export type Store = port.Database<Collections>;
