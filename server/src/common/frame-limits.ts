/** Operations whose input is a message to devices: only they may be as long as the setting says. */
export const messageOperations: ReadonlySet<string> = new Set(['message', 'messageAck']);

/** Longest input of all other operations, in bytes. */
export const maxInputBytes = 131_072;

/**
 * Longest input that is read at all, in bytes. What is between the longest message and this is
 * answered with `too-large`; beyond, the transport is closed.
 */
export const maxFrameBytesOf = (messageBytes: number): number => Math.max(maxInputBytes, 2 * messageBytes);
