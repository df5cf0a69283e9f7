import { MongoBulkWriteError, MongoInvalidArgumentError, MongoServerError, type Document } from 'mongodb';

/** An error as the driver throws it for a server's answer. Codes are MongoDB's; callers branch on 11000 and 286 only. */
export function serverError(code: number, message: string, details: Document = {}): MongoServerError {
  return new MongoServerError({ message, errmsg: message, code, ...details });
}

/** What the engine does not cover is refused by its name, never ignored. */
export function refuseArgument(what: string): MongoInvalidArgumentError {
  return new MongoInvalidArgumentError(`The embedded store does not support ${what}`);
}

/** Code 11000, with the fields of the index and the values that were there already. */
export function duplicateKey(namespace: string, index: string, keyPattern: Document, keyValue: Document): MongoServerError {
  const values = Object.entries(keyValue).map(([path, value]) => `${path}: ${JSON.stringify(value) ?? 'undefined'}`);
  const message = `E11000 duplicate key error collection: ${namespace} index: ${index} dup key: { ${values.join(', ')} }`;
  return serverError(11000, message, { keyPattern, keyValue });
}

/** One failed operation of a bulk, at its index in the caller's list. */
export interface BulkFailure {
  index: number;
  code: number;
  errmsg: string;
  err: MongoServerError;
}

/** What a bulk did, with the field names of the driver's result. */
export interface BulkOutcome {
  ok: number;
  insertedCount: number;
  matchedCount: number;
  modifiedCount: number;
  deletedCount: number;
  upsertedCount: number;
  insertedIds: Record<number, unknown>;
  upsertedIds: Record<number, unknown>;
}

type BulkErrorConstructor = new (summary: Document, result: BulkOutcome) => MongoBulkWriteError;

/** A bulk that had failures: the first one's message and code, what took effect, all failures. */
export function bulkError(failures: BulkFailure[], outcome: BulkOutcome): MongoBulkWriteError {
  const [first] = failures;
  const summary = { message: first?.errmsg ?? 'write operation failed', code: first?.code ?? 0, writeErrors: failures };
  // The driver's types demand its own result class, which it does not export; its error reads these fields only.
  return new (MongoBulkWriteError as unknown as BulkErrorConstructor)(summary, outcome);
}
