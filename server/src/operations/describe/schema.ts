/** JSON, most often a JSON Schema. */
export type Json = Readonly<Record<string, unknown>>;

/** What an object schema says of its fields. */
export interface SchemaFields {
  readonly properties: Readonly<Record<string, Json>>;
  readonly required: readonly string[];
  /** May it have further fields of any name? */
  readonly open: boolean;
}

/** Is it an object, as schemas are? */
export const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

const listOf = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.filter(isJson) : []);

/** The fields of an object schema, or of several that all hold (`allOf`). */
export const schemaFieldsOf = (given: unknown): SchemaFields => {
  const schema = isJson(given) ? given : {};
  const parts = listOf(schema['allOf']);
  if (parts.length > 0) {
    const all = parts.map(schemaFieldsOf);
    return {
      properties: Object.assign({}, ...all.map(({ properties }) => properties)) as Readonly<Record<string, Json>>,
      required: [...new Set(all.flatMap(({ required }) => required))],
      open: all.some(({ open }) => open),
    };
  }
  const properties = isJson(schema['properties']) ? (schema['properties'] as Readonly<Record<string, Json>>) : {};
  const required = Array.isArray(schema['required']) ? (schema['required'] as readonly string[]) : [];
  return { properties, required, open: schema['patternProperties'] !== undefined };
};

/** An object schema with these fields. */
export const objectSchemaOf = ({ properties, required, open }: SchemaFields): Json => ({
  type: 'object',
  ...(required.length > 0 && { required }),
  properties,
  ...(!open && { additionalProperties: false }),
});

/** The alternatives of a schema (`anyOf`); itself if it has none. */
export const alternativesOf = (schema: Json): readonly Json[] => {
  const alternatives = listOf(schema['anyOf']);
  return alternatives.length > 0 ? alternatives : [schema];
};

/** The schema of a list's items; of anything if there is none. */
export const itemsOf = (schema: Json): Json => (isJson(schema['items']) ? schema['items'] : {});
