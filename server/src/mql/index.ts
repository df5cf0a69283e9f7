export { codes, DocumentError, UnsupportedOperator } from './errors.ts';
export { encodeKey } from './sortable-key.ts';
export { compileFilter, type Match } from './match.ts';
export { type BsonType, isNumber, nameOf, typeOf, types } from './types.ts';
export { compareValues, equalValues, rankOf } from './values.ts';
export { applyUpdate, compileUpdate, type Update, type UpdateContext } from './update.ts';
export { upsertSeed } from './upsert.ts';
export { compileProjection } from './project.ts';
