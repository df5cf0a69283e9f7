import Type from 'typebox';

/**
 * Why a client cannot be brought up to date event by event.
 *
 * - `too-old`: the position is further back than the window reaches.
 * - `too-new`: the position is ahead of this node's feed and was not reached in time.
 * - `other-feed`: the position is none of this feed (a restored or another store; a restarted registry without MongoDB), or no position.
 * - `hole`: the node itself may have missed changes.
 * - `too-much`: more was missed than can be sent in a reasonable time.
 * - `unknown`: of one of the events it is no longer known whether it was permitted at its time.
 */
export const resyncReasons = ['too-old', 'too-new', 'other-feed', 'hole', 'too-much', 'unknown'] as const;

/** Why a client cannot be brought up to date event by event. */
export const ResyncReason = Type.Enum([...resyncReasons]);
