export * from './errors.ts';
export * from './operation.ts';
export * as meshblu from './meshblu/index.ts';
