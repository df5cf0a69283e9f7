import type { ResumeToken } from 'mongodb';

/**
 * A position in the change feed as text: cluster time (seconds and counter) and the event's index within it.
 * Its hex digits have a fixed width, so that positions compare as strings.
 * It is equal on every node and, unlike a resume token, reveals nothing of the document.
 */
export type Position = string;

/** The position before every change. */
export const START: Position = '';

/** The two halves of a BSON timestamp, in whichever of the driver's classes it comes. */
export interface TimestampLike {
  readonly high: number;
  readonly low: number;
}

const hex = (value: number, digits: number): string => (value >>> 0).toString(16).padStart(digits, '0');

/** The position of the event with this index among those of one cluster time. */
export const positionAt = (time: TimestampLike, index: number): Position => hex(time.high, 8) + hex(time.low, 8) + hex(index, 4);

/** The feed's time at a position, in milliseconds since 1970; 0 for the start. */
export const timeAt = (position: Position): number => (position === START ? 0 : Number.parseInt(position.slice(0, 8), 16) * 1000);

/**
 * The last position that a resume token covers, or null if its form is unknown. A token's `_data` begins with the type byte 0x82 and the
 * cluster time in big-endian order (MongoDB's KeyString format); what follows, if anything, names one event of that time.
 */
export const positionOfToken = (token: ResumeToken): Position | null => {
  const data = (token as { readonly _data?: unknown } | null | undefined)?._data;
  return typeof data === 'string' && /^82[0-9a-f]{16}/i.test(data) ? `${data.slice(2, 18).toLowerCase()}ffff` : null;
};
