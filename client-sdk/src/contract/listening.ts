/** What a connection can listen to of a device (MS-1.11, MS-2.17). */
export const listeningTypes = ['broadcast', 'sent', 'received', 'config', 'data', 'firehose'] as const;

/** The types of stored subscriptions, old ones and those of version 2 (MS-6.1). */
export const subscriptionTypes = [
  'broadcast',
  'config',
  'received',
  'sent',
  'broadcast.sent',
  'broadcast.received',
  'configure.sent',
  'configure.received',
  'message.sent',
  'message.received',
  'unregister.sent',
  'unregister.received',
] as const;
