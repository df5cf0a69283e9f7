import type { RegistrationRequest } from '@rollcall/client/contract';
import type { RegistrationDocument } from './documents/registration.ts';

/** A request to become a user, as those see it who may; and who asked. */
export const requestView = (request: RegistrationDocument): RegistrationRequest => ({
  timestamp: request.timestamp.toISOString(),
  username: request.username,
  credentialType: request.credentialType,
  roles: request.roles,
  context: request.context,
  permissions: request.permissions,
  granted: request.granted,
});

/** The name under which the caller waits for the decision on a request (see `Waiting`). */
export const awaitedName = ({ _id }: Pick<RegistrationDocument, '_id'>): string => `registration:${_id}`;
