import type { Db } from 'mongodb';
import type { Store } from '@rollcall/server/internal/data/store';

/** Proof by the compiler that the driver's own `Db` is a store: it is passed as it is, with no adapter. */
export function asStore(db: Db): Store {
  const port: Store = db;
  return port;
}
