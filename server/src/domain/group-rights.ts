import type { Subject } from './access.ts';
import { resourceOf } from './permissions.ts';

/** The paths of which a role has to allow writing one, for making or taking over the group with this name. */
export const groupPaths = (uuid: string, name: string): readonly string[] =>
  [resourceOf('/groups/:name', { name }), resourceOf('/api/users/:uuid', { uuid })].filter((path) => path !== undefined);

/**
 * May this subject make a group with this name, or take one over? A role has to allow writing `/groups/<name>`, or
 * `/api/users/<uuid>` of the group itself, which administrators of users have.
 */
export const mayNameGroup = ({ uuid: caller, as, permissions }: Subject, uuid: string, name: string): boolean =>
  (as === undefined || as.uuid === caller) &&
  groupPaths(uuid, name).some((path) => permissions?.cover('http', 'write', path) === true);
