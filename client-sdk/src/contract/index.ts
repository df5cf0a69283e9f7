export * from './errors.ts';
export * from './operation.ts';
export * from './models.ts';
export * from './listening.ts';
export * from './publications.ts';
export * as meshblu from './meshblu/index.ts';
export * as documents from './documents.ts';
export * as webhooks from './webhooks.ts';
export * as live from './live.ts';
