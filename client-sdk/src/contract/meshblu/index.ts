export * from './identity.ts';
export * from './devices.ts';
export * from './tokens.ts';
