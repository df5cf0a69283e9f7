import type { Document } from 'mongodb';
import type { Engine } from './engine.ts';
import { selectionOf } from './reader.ts';
import { remove } from './writer.ts';

/** Removes what TTL indexes say has expired. Resolves when it is gone. */
export async function sweep(engine: Engine): Promise<void> {
  for (const { name, indexes } of engine.catalog.all()) {
    for (const { parts, expireAfterSeconds, partialFilterExpression } of indexes) {
      if (expireAfterSeconds === undefined) continue;
      const [path] = parts[0] as [string, unknown];
      const expired: Document = { [path]: { $lt: new Date(engine.now() - expireAfterSeconds * 1000) } };
      const filter = partialFilterExpression === undefined ? expired : { $and: [expired, partialFilterExpression] };
      await engine.turns.write(remove(engine, name, selectionOf(filter)));
    }
  }
}
