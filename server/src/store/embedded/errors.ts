import {
  BulkWriteResult,
  MongoBulkWriteError,
  MongoInvalidArgumentError,
  MongoServerError,
  WriteError,
  type Document,
} from 'mongodb';

/** An error as the driver throws it for a server's answer. Codes are MongoDB's; callers branch on 11000 and 286 only. */
export function serverError(code: number, message: string, details: Document = {}): MongoServerError {
  return new MongoServerError({ message, errmsg: message, code, ...details });
}

/** What the engine does not cover is refused by its name, never ignored. */
export function refused(what: string): MongoInvalidArgumentError {
  return new MongoInvalidArgumentError(`The embedded store does not support ${what}`);
}

/** Code 11000, with the fields of the index and the values that were there already. */
export function duplicateKey(namespace: string, index: string, keyPattern: Document, keyValue: Document): MongoServerError {
  const values = Object.entries(keyValue).map(([path, value]) => `${path}: ${JSON.stringify(value) ?? 'undefined'}`);
  const message = `E11000 duplicate key error collection: ${namespace} index: ${index} dup key: { ${values.join(', ')} }`;
  return serverError(11000, message, { keyPattern, keyValue });
}

/** Counts of a bulk, by the names that the server uses. */
export interface BulkCounts {
  nInserted: number;
  nMatched: number;
  nModified: number;
  nRemoved: number;
  upserted: { index: number; _id: unknown }[];
  insertedIds: { index: number; _id: unknown }[];
  writeErrors: WriteError[];
}

type ResultConstructor = new (raw: Document, ordered: boolean) => BulkWriteResult;

/** The driver's own result object, so that getters and derived maps are its own. Its constructor is not in its public types. */
export function bulkResult(counts: BulkCounts, ordered: boolean): BulkWriteResult {
  const raw = { ok: 1, writeConcernErrors: [], nUpserted: counts.upserted.length, ...counts };
  return new (BulkWriteResult as unknown as ResultConstructor)(raw, ordered);
}

/** One failed operation of a bulk, at its index in the caller's list. */
export function writeError(error: MongoServerError, index: number, operation: Document): WriteError {
  const { keyPattern, keyValue } = error;
  const errInfo = keyPattern === undefined ? undefined : { keyPattern, keyValue };
  return new WriteError({ index, code: Number(error.code), errmsg: error.message, errInfo: errInfo ?? {}, op: operation });
}

/** A bulk that had failures: the first one's message and code, the counts of what took effect, all failures. */
export function bulkError(counts: BulkCounts, ordered: boolean): MongoBulkWriteError {
  const [first] = counts.writeErrors;
  const summary = { message: first?.errmsg ?? 'write operation failed', code: first?.code ?? 0, writeErrors: counts.writeErrors };
  return new MongoBulkWriteError(summary, bulkResult(counts, ordered));
}
