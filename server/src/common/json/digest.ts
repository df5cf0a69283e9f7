import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical.ts';

/** SHA-256 of a text in base64url: 43 characters. */
export const digestOf = (text: string): string => createHash('sha256').update(text).digest('base64url');

/** Hash of all that a request asks for; the order of fields counts for nothing. */
export const requestFingerprint = (asked: unknown): string => digestOf(canonicalJson(asked));
