import type { Implementation } from '../handler.ts';
import { audit } from './audit.ts';
import { auth } from './auth.ts';
import { certificates } from './certificates.ts';
import { clientRegistry } from './client-registry.ts';
import { devices } from './devices.ts';
import { documents } from './documents.ts';
import { feed } from './feed.ts';
import { identity } from './identity.ts';
import { live } from './live.ts';
import { maintenance } from './maintenance.ts';
import { messages } from './messages.ts';
import { mfa } from './mfa.ts';
import { passwordPolicy } from './password-policy.ts';
import { mqttClientHandlers } from './mqtt-clients.ts';
import { mqttTokenHandlers } from './mqtt-tokens.ts';
import { permissions } from './permissions.ts';
import { roles } from './roles.ts';
import { session } from './session.ts';
import { subscriptions } from './subscriptions.ts';
import { tokens } from './tokens.ts';
import { users } from './users.ts';
import { webhooks } from './webhooks.ts';

/** The handlers of all rows of the contract. A row without a handler does not compile. */
export const handlers: Implementation = {
  meshblu: { ...identity, ...devices, ...tokens, ...messages, ...subscriptions },
  documents,
  feed,
  webhooks,
  live,
  users,
  roles,
  permissions,
  mfa,
  passwordPolicy,
  session,
  auth,
  audit,
  certificates,
  mqttTokens: mqttTokenHandlers,
  clientRegistry,
  mqttClients: mqttClientHandlers,
  maintenance,
};
