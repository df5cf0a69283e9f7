import { BSON } from 'mongodb';

/**
 * Whether two stored values certainly have equal bytes: equal types and equal fields in equal order.
 *
 * False may also mean "not worth finding out"; callers then do what they would do for different values.
 */
export function storedEqual(a: unknown, b: unknown): boolean {
  if (a === b) return a !== 0 || Object.is(a, b);
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((element, at) => storedEqual(element, b[at]));
  const prototype: unknown = Object.getPrototypeOf(a);
  if (prototype !== Object.getPrototypeOf(b)) return false;
  if (prototype === Object.prototype) return sameFields(a as Fields, b as Fields);
  if (a instanceof Date) return a.getTime() === (b as Date).getTime();
  if (a instanceof BSON.Int32 || a instanceof BSON.Double) return Object.is(a.value, (b as BSON.Int32).value);
  if (a instanceof BSON.Long) return a.equals(b as BSON.Long);
  return a instanceof BSON.ObjectId && a.equals(b as BSON.ObjectId);
}

type Fields = Record<string, unknown>;

function sameFields(a: Fields, b: Fields): boolean {
  const names = Object.keys(a);
  const others = Object.keys(b);
  return names.length === others.length && names.every((name, at) => name === others[at] && storedEqual(a[name], b[name]));
}
