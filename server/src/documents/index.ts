export { compareValues } from './values.ts';
export { compileFilter, type Match } from './match.ts';
export { applyUpdate, type UpdateContext } from './update.ts';
export { compileProjection } from './project.ts';
