import type { Node } from './node.ts';

/**
 * Ends a credential, a session or a principal so that nothing of it happens on any node once this resolves.
 *
 * `end` writes that it is over and returns false if it found nothing left to end. That may have been read from a primary
 * which the others had already left, and only the barrier proves that this node is not cut off; so it is asked once more after it.
 * Fails as `end` and the barrier do; whoever repeats waits again.
 */
export const revokeEverywhere = async (node: Pick<Node, 'barrier'>, end: () => Promise<boolean>): Promise<void> => {
  const found = await end();
  await node.barrier();
  if (!found && (await end())) await node.barrier();
};
