export * from './errors.ts';
export * from './operation.ts';
export * from './models.ts';
export * from './publications.ts';
export * as meshblu from './meshblu/index.ts';
export * as documents from './documents.ts';
