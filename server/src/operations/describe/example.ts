import { alternativesOf, schemaFieldsOf, itemsOf, type Json } from './schema.ts';

/** Example values by field name, more telling than the type alone. */
const named: Readonly<Record<string, unknown>> = {
  id: '3f0d5c1e-8a64-4b0b-9d57-1f6f0e5c2a11',
  uuid: '3f0d5c1e-8a64-4b0b-9d57-1f6f0e5c2a11',
  roleId: '0c9a8f42-6f0e-4d2b-8f0d-5d6a2b7c9e10',
  permissionId: '7b1f3a52-2c4d-4e1a-b6c8-9a0d1e2f3b44',
  subscriberUuid: '3f0d5c1e-8a64-4b0b-9d57-1f6f0e5c2a11',
  emitterUuid: 'a1b2c3d4-5e6f-4a7b-8c9d-0e1f2a3b4c5d',
  fromUuid: 'a1b2c3d4-5e6f-4a7b-8c9d-0e1f2a3b4c5d',
  username: 'anna',
  usernames: ['anna', 'bert'],
  password: 'a good password',
  newPassword: 'a better password',
  label: 'phone',
  name: 'operator',
  token: '0123456789abcdef0123456789abcdef01234567',
  fingerprint: 'AA:BB:CC:DD',
  resource: '/api/users/#',
  mqttPublishPrefix: 'plant/',
  update: { $set: { on: true } },
  topic: 'state',
  code: 'forbidden',
};

/** An example text for this schema. */
const text = ({ format, minLength }: Json): string => {
  if (format === 'date-time') return '2026-01-31T12:00:00.000Z';
  return 'text'.padEnd(typeof minLength === 'number' ? minLength : 0, '.');
};

const number = ({ minimum, exclusiveMinimum }: Json): number =>
  typeof minimum === 'number' ? minimum : typeof exclusiveMinimum === 'number' ? exclusiveMinimum + 1 : 1;

const first = (values: unknown): unknown => (Array.isArray(values) ? (values as readonly unknown[])[0] : undefined);

/**
 * A deterministic example value for a schema.
 * Taken from the schema itself, from the field's name, or from the type, in this order.
 */
export const exampleOf = (given: Json, name = ''): unknown => {
  const stated = first(given['examples']) ?? given['default'] ?? given['const'] ?? first(given['enum']);
  if (stated !== undefined) return stated;
  if (given['allOf'] === undefined && given['properties'] === undefined && Object.hasOwn(named, name)) return named[name];
  const [schema = given] = alternativesOf(given);
  if (schema !== given) return exampleOf(schema, name);
  const { properties, open } = schemaFieldsOf(schema);
  if (schema['type'] === 'object' || schema['allOf'] !== undefined || Object.keys(properties).length > 0) {
    const fields = Object.entries(properties).map(([key, value]) => [key, exampleOf(value, key)]);
    return fields.length === 0 && open ? { type: 'lamp', on: true } : Object.fromEntries(fields);
  }
  switch (schema['type']) {
    case 'array':
      return schema['maxItems'] === 0 ? [] : [exampleOf(itemsOf(schema), name.replace(/s$/, ''))];
    case 'boolean':
      return true;
    case 'integer':
    case 'number':
      return number(schema);
    case 'null':
      return null;
    case 'string':
      return text(schema);
    default:
      return 'anything';
  }
};
