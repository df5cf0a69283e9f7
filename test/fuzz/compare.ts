import { Binary, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp } from 'mongodb';
import { isKnownId, isRecent } from './values.ts';

/**
 * A value as text that tells everything of it: types, order of fields, every bit of a number.
 *
 * What the stores make up themselves is left out: ids of inserted documents and the present time.
 */
export function textOf(value: unknown): string {
  if (value === undefined) return 'undefined';
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') return `number ${Object.is(value, -0) ? '-0' : value}`;
  if (Array.isArray(value)) return `[${value.map(textOf).join(', ')}]`;
  return typeof value === 'object' ? objectText(value) : typeof value;
}

function objectText(value: object): string {
  if (value instanceof Int32) return `int ${value.value}`;
  if (value instanceof Double) return `double ${Object.is(value.value, -0) ? '-0' : value.value}`;
  if (value instanceof Timestamp) return isRecent(value.t * 1000) ? 'timestamp now' : `timestamp ${value.t} ${value.i}`;
  if (value instanceof Long) return `long ${value.toString()}`;
  if (value instanceof Decimal128) return `decimal ${value.toString()}`;
  if (value instanceof ObjectId) return isKnownId(value) ? `id ${value.toHexString()}` : 'id made';
  if (value instanceof Date) return isRecent(value.getTime()) ? 'date now' : `date ${value.getTime()}`;
  if (value instanceof Binary) return `binary ${value.sub_type} ${value.toString('hex')}`;
  if (value instanceof MinKey) return 'MinKey';
  if (value instanceof MaxKey) return 'MaxKey';
  const fields = Object.entries(value).map(([name, inner]) => `${JSON.stringify(name)}: ${textOf(inner)}`);
  return `{ ${fields.join(', ')} }`;
}
