/**
 * Roughly what a document takes in memory, in bytes: enough to bound caches by, and cheap to find
 * out.
 */
export const roughBytes = (value: unknown): number => {
  if (typeof value === 'string') return 16 + value.length;
  if (typeof value !== 'object' || value === null) return 8;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + roughBytes(item), 24);
  if (ArrayBuffer.isView(value)) return 64 + value.byteLength;
  let sum = 48;
  for (const key in value) sum += 8 + key.length + roughBytes((value as Record<string, unknown>)[key]);
  return sum;
};

/**
 * The same value, with every plain object and array in it frozen. Values of the database's own
 * classes stay as they are.
 */
export const freeze = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null && !Array.isArray(value)) return value;
  for (const key in value) freeze(value[key]);
  return Object.freeze(value);
};
