import {
  Binary,
  BSONRegExp,
  Code,
  DBRef,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
  BSONSymbol,
} from 'mongodb';

/** BSON type numbers, as `$type` names them. */
export const types = {
  double: 1,
  string: 2,
  object: 3,
  array: 4,
  binData: 5,
  objectId: 7,
  bool: 8,
  date: 9,
  null: 10,
  regex: 11,
  javascript: 13,
  symbol: 14,
  javascriptWithScope: 15,
  int: 16,
  timestamp: 17,
  long: 18,
  decimal: 19,
  minKey: -1,
  maxKey: 127,
} as const;

export type BsonType = (typeof types)[keyof typeof types];

const names = new Map<number, string>(Object.entries(types).map(([name, type]) => [type, name]));

/** The name that `$type` knows a type by. */
export function nameOf(type: BsonType): string {
  return names.get(type) ?? String(type);
}

const classes = new Map<object | null, BsonType>([
  [Object.prototype, types.object],
  [null, types.object],
  [Date.prototype, types.date],
  [RegExp.prototype, types.regex],
  [BSONRegExp.prototype, types.regex],
  [ObjectId.prototype, types.objectId],
  [Binary.prototype, types.binData],
  [Uint8Array.prototype, types.binData],
  [Buffer.prototype, types.binData],
  [Double.prototype, types.double],
  [Int32.prototype, types.int],
  [Long.prototype, types.long],
  [Decimal128.prototype, types.decimal],
  [Timestamp.prototype, types.timestamp],
  [MinKey.prototype, types.minKey],
  [MaxKey.prototype, types.maxKey],
  [BSONSymbol.prototype, types.symbol],
  [DBRef.prototype, types.object],
]);

/**
 * The BSON type that the driver stores a value as.
 *
 * A plain number is an int if it is a whole number of 32 bits and not -0, else a double; a bigint
 * is a long; `undefined` is stored as null. A class that BSON does not know counts as an object.
 */
export function typeOf(value: unknown): BsonType {
  switch (typeof value) {
    case 'string':
      return types.string;
    case 'number':
      return (value | 0) === value && !Object.is(value, -0) ? types.int : types.double;
    case 'boolean':
      return types.bool;
    case 'undefined':
      return types.null;
    case 'bigint':
      return types.long;
    case 'object':
      return value === null ? types.null : Array.isArray(value) ? types.array : classOf(value);
    default:
      return types.javascript;
  }
}

function classOf(value: object): BsonType {
  const known = classes.get(Object.getPrototypeOf(value) as object | null);
  if (known !== undefined) return known;
  if (value instanceof Code) return value.scope === null ? types.javascript : types.javascriptWithScope;
  return types.object;
}

/** A value with named fields. */
export type Fields = Readonly<Record<string, unknown>>;

/** Whether a value is a document (not an array). */
export function isDocument(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && classOf(value) === types.object;
}

export function isNumber(value: unknown): boolean {
  const type = typeOf(value);
  return type === types.int || type === types.double || type === types.long || type === types.decimal;
}

/**
 * A document with the fields it is stored with: a database reference has `$ref`, `$id` and perhaps
 * `$db`.
 */
export function fieldsOf(document: Fields): Fields {
  return Object.getPrototypeOf(document) === DBRef.prototype ? expanded(document as unknown as DBRef) : document;
}

function expanded({ collection, oid, db, fields }: DBRef): Fields {
  return { $ref: collection, $id: oid, ...(db === undefined ? {} : { $db: db }), ...fields };
}

/**
 * The value of an own field; undefined if there is none. A field that holds `undefined` reads as
 * null, as it is stored.
 */
export function own(document: Fields, name: string): unknown {
  const fields = fieldsOf(document);
  if (!Object.hasOwn(fields, name)) return undefined;
  const value = fields[name];
  return value === undefined ? null : value;
}

/** Sets an own field, also one called `__proto__`. */
export function put(document: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') {
    Object.defineProperty(document, name, { value, enumerable: true, configurable: true, writable: true });
  } else {
    document[name] = value;
  }
}
