import { RegistryError } from '@rollcall/client/contract';

/** How deep a device document may be (RL-4). */
export const maxStoredDepth = 16;

const refuse = (path: string, rule: string, message: string): never => {
  throw new RegistryError('invalid-input', undefined, { details: [{ path, rule, message }] });
};

/**
 * A client's JSON value as it is stored: a leading `$` of a key becomes U+FF04, as Meshblu stores
 * it (MS-2.5).
 *
 * Keys with dots inside a value cannot be addressed afterwards and are refused, as is what is
 * nested too deeply.
 */
export const storedValue = (value: unknown, path: string, depth = 1): unknown => {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > maxStoredDepth) return refuse(path, 'maxDepth', `nested deeper than ${maxStoredDepth} levels`);
  if (Array.isArray(value)) return value.map((entry, index) => storedValue(entry, `${path}/${index}`, depth + 1));
  const out: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    const at = `${path}/${key}`;
    out[storedKey(key, at)] = storedValue(inner, at, depth + 1);
  }
  return out;
};

/** A key inside a document as it is stored. */
export const storedKey = (key: string, path: string): string => {
  if (key === '' || key === '__proto__' || key.includes('\0')) return refuse(path, 'forbiddenKey', 'this key cannot be stored');
  if (key.includes('.')) return refuse(path, 'dottedKey', 'a key inside a value may not have a dot');
  return key.startsWith('$') ? `\uFF04${key.slice(1)}` : key;
};
