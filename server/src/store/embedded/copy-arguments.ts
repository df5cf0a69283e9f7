import { BSON, type Document } from 'mongodb';
import { decode, encode } from './bson.ts';

/**
 * A caller's filter, update or document as the server would see it, sharing nothing that can change with the caller's objects.
 *
 * Plain values are copied; whatever else BSON knows goes through its bytes, as it does on the way to a server.
 */
export function copyArgument(document: Document): Document {
  const copy = copied(document);
  return copy === unknown ? decode(encode(document)) : (copy as Document);
}

const surrogate = /[\ud800-\udfff]/;
const unknown = Symbol('only BSON knows how to store this');

function copied(value: unknown): unknown {
  // BSON puts U+FFFD in the place of a lone surrogate.
  if (typeof value === 'string') return surrogate.test(value) ? unknown : value;
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  if (value === undefined) return null;
  if (typeof value !== 'object') return unknown;
  if (Array.isArray(value)) return copiedList(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype && !('toBSON' in value) && !('$ref' in value)) return copiedFields(value);
  if (prototype === Date.prototype) return new Date((value as Date).getTime());
  const frozen =
    value instanceof BSON.ObjectId || value instanceof BSON.Long || value instanceof BSON.Int32 || value instanceof BSON.Double;
  return frozen ? value : unknown;
}

function copiedList(list: unknown[]): unknown {
  const copy: unknown[] = [];
  for (const element of list) {
    const one = copied(element);
    if (one === unknown) return unknown;
    copy.push(one);
  }
  return copy;
}

function copiedFields(fields: object): unknown {
  const copy: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    const one = name === '__proto__' ? unknown : copied(value);
    if (one === unknown) return unknown;
    copy[name] = one;
  }
  return copy;
}
