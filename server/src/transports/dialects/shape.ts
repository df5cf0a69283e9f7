import { schemaFieldsOf, itemsOf, objectSchemaOf, type Json } from '../../operations/describe/schema.ts';
import { isPlainObject } from '../../common/plain-object.ts';

/** Representation of a value on another wire, with the schema that describes it. */
export interface Shape {
  readonly value: (given: unknown) => unknown;
  readonly schema: (given: Json) => Json;
}

/** The unchanged value. */
export const asItIs: Shape = { value: (given) => given, schema: (given) => given };

/** Applies one shape and then another. */
export const sequence = (one: Shape, other: Shape): Shape => ({
  value: (given) => other.value(one.value(given)),
  schema: (given) => other.schema(one.schema(given)),
});

/** One field's value instead of its object. */
export const only = (field: string, shape: Shape = asItIs): Shape => ({
  value: (given) => shape.value(isPlainObject(given) ? given[field] : undefined),
  schema: (given) => shape.schema(schemaFieldsOf(given).properties[field] ?? {}),
});

/** Applies a shape to each item of a list. */
export const eachOf = (shape: Shape): Shape => ({
  value: (given) => (Array.isArray(given) ? (given as readonly unknown[]).map(shape.value) : []),
  schema: (given) => ({ ...given, type: 'array', items: shape.schema(itemsOf(given)) }),
});

/** Applies shapes to these fields. Other fields are unchanged. */
export const withFields = (shapes: Readonly<Record<string, Shape>>): Shape => {
  const changed = <T>(from: Readonly<Record<string, T>>, change: (shape: Shape, one: T) => T): Record<string, T> =>
    Object.fromEntries(
      Object.entries(from).map(([name, one]) => {
        const shape = Object.hasOwn(shapes, name) ? shapes[name] : undefined;
        return [name, shape === undefined ? one : change(shape, one)];
      }),
    );
  return {
    value: (given) => (isPlainObject(given) ? changed(given, (shape, one) => shape.value(one)) : given),
    schema: (given) => {
      const fields = schemaFieldsOf(given);
      return objectSchemaOf({ ...fields, open: true, properties: changed(fields.properties, (shape, one) => shape.schema(one)) });
    },
  };
};

/** Renames fields. */
export const renamed = (names: Readonly<Record<string, string>>): Shape => {
  const nameOf = (name: string): string => (Object.hasOwn(names, name) ? (names[name] ?? name) : name);
  const moved = <T>(from: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(from).map(([name, one]) => [nameOf(name), one]));
  return {
    value: (given) => (isPlainObject(given) ? moved(given) : given),
    schema: (given) => {
      const { properties, required } = schemaFieldsOf(given);
      return objectSchemaOf({ properties: moved(properties), required: required.map(nameOf), open: true });
    },
  };
};

/** Selects these fields. */
export const picked = (...names: readonly string[]): Shape => ({
  value: (given) =>
    isPlainObject(given) ? Object.fromEntries(names.filter((name) => name in given).map((name) => [name, given[name]])) : given,
  schema: (given) => {
    const { properties, required } = schemaFieldsOf(given);
    const kept = names.flatMap((name) => (properties[name] === undefined ? [] : [[name, properties[name]] as const]));
    return objectSchemaOf({
      properties: Object.fromEntries(kept),
      required: required.filter((name) => names.includes(name)),
      open: false,
    });
  },
});

/** Replaces null by a text. */
export const textForNull: Shape = {
  value: (given) => given ?? '',
  schema: () => ({ type: 'string' }),
};

/** Converts any value to text. */
export const asText: Shape = { value: (given) => String(given), schema: () => ({ type: 'string' }) };

/** A constant value. */
export const always = (value: unknown, schema: Json): Shape => ({ value: () => value, schema: () => schema });
