import { createHmac } from 'node:crypto';
import { inputHash } from './idempotency-window.ts';
import type { RequestId } from '../../domain/revision.ts';

/** The request and the attempt that a one-time secret was issued to. The request is stored as a keyed hash, which cannot be read back. */
export interface IssuedSecret {
  readonly request: string;
  readonly sending: number;
  /** Short keyed hash of what the request asks for, if that is known. */
  readonly input?: string;
}

/** Marks a secret as issued to this request; undefined if the request has no number. `key`: 32 secret bytes. */
export const issuedTo = (key: Buffer, request: RequestId | null): IssuedSecret | undefined => {
  if (request === null) return undefined;
  const { actor, instance, counter, again, fingerprint } = request;
  const named = createHmac('sha256', key)
    .update(JSON.stringify([actor, instance, counter]))
    .digest('base64url');
  return { request: named, sending: again, ...(fingerprint !== undefined && { input: inputHash(key, fingerprint) }) };
};

/**
 * Whether the secret of `later` may replace the stored one.
 * It may if the stored one was issued to an earlier attempt of this request: a retry gets a fresh secret (ME-11).
 */
export const replaces = (later: IssuedSecret | undefined, earlier: IssuedSecret | undefined): boolean =>
  later !== undefined && earlier?.request === later.request && earlier.sending < later.sending;
