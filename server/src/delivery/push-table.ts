import { clientRegistry, roles, users } from '@rollcall/client/contract';
import { awaitedName, requestView } from '../domain/registration.ts';
import { push, type Push } from './pushes.ts';

/** Every push, one row each (access control reference, section 7); `push` says how to add one. */
export const pushTable: readonly Push[] = [
  push({
    collection: 'principals',
    event: 'users:changed',
    reads: users.get,
    of: ({ _id: id, kind, state }, removed) =>
      kind === 'user' && (removed || state !== 'creating') ? { input: { id }, body: { id, removed } } : null,
  }),
  push({
    collection: 'roles',
    event: 'roles:changed',
    reads: roles.get,
    of: ({ _id: id }, removed) => ({ input: { id }, body: { id, removed } }),
  }),
  push({
    collection: 'registrations',
    event: 'clientRegistry:requested',
    reads: clientRegistry.list,
    of: (request, removed) =>
      removed || request.granted ? null : { input: {}, body: requestView(request), awaited: awaitedName(request) },
  }),
  push({
    collection: 'registrations',
    event: 'clientRegistry:granted',
    reads: clientRegistry.list,
    of: (request, removed) =>
      removed || !request.granted ? null : { input: {}, body: { username: request.username }, awaited: awaitedName(request) },
  }),
];
