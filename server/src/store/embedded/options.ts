import type { Document } from 'mongodb';
import type { Promotion } from './bson.ts';
import { refuseArgument } from './errors.ts';

/** Options that change nothing here: one process, every write durable, every read of what is committed. */
const harmless = new Set(['readConcern', 'readPreference', 'writeConcern', 'comment', 'retryWrites', 'noResponse', 'batchSize']);
const promoting = new Set(['promoteLongs', 'promoteValues', 'promoteBuffers', 'useBigInt64', 'bsonRegExp']);

/** Refuses an option that the operation does not know, by its name. One that is undefined is as good as absent. */
export function checkOptions(operation: string, options: Document, known: readonly string[]): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || harmless.has(name) || promoting.has(name) || known.includes(name)) continue;
    if (value === false && (name === 'allowDiskUse' || name === 'tailable' || name === 'bypassDocumentValidation')) continue;
    throw refuseArgument(`the option ${JSON.stringify(name)} of ${operation}`);
  }
}

/** How results are promoted: by the call's own options, else as the database was opened. */
export function promotionOf(options: Document, defaults: Promotion): Promotion {
  const own = Object.entries(options).filter(([name, value]) => promoting.has(name) && value !== undefined);
  return own.length === 0 ? defaults : { ...defaults, ...Object.fromEntries(own) };
}
