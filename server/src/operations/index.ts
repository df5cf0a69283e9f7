import type { Implementation } from '../implement.ts';
import { devices } from './devices.ts';
import { documents } from './documents.ts';
import { feed } from './feed.ts';
import { identity } from './identity.ts';
import { live } from './live.ts';
import { messages } from './messages.ts';
import { subscriptions } from './subscriptions.ts';
import { tokens } from './tokens.ts';
import { webhooks } from './webhooks.ts';

/** What carries out each row of the contract. A row without a handler does not compile. */
export const handlers: Implementation = {
  meshblu: { ...identity, ...devices, ...tokens, ...messages, ...subscriptions },
  documents,
  feed,
  webhooks,
  live,
};
