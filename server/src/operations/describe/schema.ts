/** A JSON object, most often a JSON Schema. */
export type Json = Readonly<Record<string, unknown>>;

/** The fields that an object schema declares. */
export interface SchemaFields {
  readonly properties: Readonly<Record<string, Json>>;
  readonly required: readonly string[];
  /** Whether further fields of any name are allowed. */
  readonly open: boolean;
}

/** Whether a value is a JSON object. */
export const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

const listOf = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.filter(isJson) : []);

/** The fields of an object schema, or of all parts of an `allOf`. */
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

/** Creates an object schema with these fields. */
export const objectSchemaOf = ({ properties, required, open }: SchemaFields): Json => ({
  type: 'object',
  ...(required.length > 0 && { required }),
  properties,
  ...(!open && { additionalProperties: false }),
});

/** The alternatives of a schema (`anyOf`), or the schema itself if it has none. */
export const alternativesOf = (schema: Json): readonly Json[] => {
  const alternatives = listOf(schema['anyOf']);
  return alternatives.length > 0 ? alternatives : [schema];
};

/** The schema of a list's items; an empty schema if there is none. */
export const itemsOf = (schema: Json): Json => (isJson(schema['items']) ? schema['items'] : {});
