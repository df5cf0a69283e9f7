import type { Node } from './node.ts';

/**
 * Revokes a credential, a session or a principal so that it has no effect on any node once this resolves.
 *
 * `end` writes the revocation and returns false if there was nothing left to revoke.
 * That may have been read from a stale primary, and only the barrier proves that this node is not cut off.
 * So `end` is called once more after the barrier.
 * Fails as `end` and the barrier do; a retry waits again.
 */
export const revokeEverywhere = async (node: Pick<Node, 'barrier'>, end: () => Promise<boolean>): Promise<void> => {
  const found = await end();
  await node.barrier();
  if (!found && (await end())) await node.barrier();
};
