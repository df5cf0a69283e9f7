export * from './identity.ts';
export * from './devices.ts';
export * from './tokens.ts';
export * from './messages.ts';
export * from './subscriptions.ts';
