import { isPlainObject } from '../plain-object.ts';

/**
 * A value as JSON text in which the order of fields counts for nothing. Dates are their ISO text;
 * what is undefined is left out.
 */
export const canonicalJson = (value: unknown): string => {
  if (value instanceof Date) return JSON.stringify(value.toISOString());
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isPlainObject(value)) return JSON.stringify(value) ?? 'null';
  const fields = Object.keys(value).filter((name) => value[name] !== undefined);
  return `{${fields
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name])}`)
    .join(',')}}`;
};
