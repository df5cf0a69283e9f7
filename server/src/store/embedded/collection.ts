import type { Document } from 'mongodb';
import type { BulkOperation, Collection, Cursor, FindOptions } from '../port.ts';
import { bulkWrite, insertMany } from './bulk.ts';
import { countDocuments, find, findOne } from './find.ts';
import { findOneAnd } from './find-one-and.ts';
import { createIndex } from './create-index.ts';
import type { Engine } from './engine.ts';
import { incomingDocument } from './incoming-documents.ts';
import { checkOptions } from './options.ts';
import { deleting, replacing, updating } from './single-writes.ts';
import { insertOne } from './writer.ts';

/** One collection of the embedded store. It comes into being with its first document or index, as in MongoDB. */
export function collection<T extends Document>(engine: Engine, name: string): Collection<T> {
  const write = engine.turns.write;
  return {
    find: (filter = {}, options: FindOptions = {}) => find(engine, name, filter, options) as Cursor<T>,
    findOne: async (filter, options = {}) => (await findOne(engine, name, filter, options)) as T | null,
    countDocuments: (filter = {}, options = {}) => countDocuments(engine, name, filter, options),
    async insertOne(document, options: Document = {}) {
      checkOptions('insertOne', options, []);
      const next = incomingDocument(document);
      await write(insertOne(engine, name, next));
      return { acknowledged: true, insertedId: (document as Document)['_id'] as unknown };
    },
    insertMany: (documents, options = {}) => insertMany(engine, name, documents, options),
    replaceOne: (filter, next, options = {}) => replacing(engine, name, filter, next, options),
    updateOne: (filter, update, options = {}) => updating(engine, name, filter, update, options, 1),
    updateMany: (filter, update, options = {}) => updating(engine, name, filter, update, options, Infinity),
    deleteOne: (filter, options: Document = {}) => deleting(engine, name, filter, options, 1),
    deleteMany: (filter, options: Document = {}) => deleting(engine, name, filter, options, Infinity),
    ...findOneAnd<T>(engine, name),
    bulkWrite: (operations: BulkOperation<T>[], options = {}) => bulkWrite(engine, name, operations, options),
    createIndex: (keys, options = {}) => createIndex(engine, name, keys, options),
  };
}
