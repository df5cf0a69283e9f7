import { createHmac } from 'node:crypto';
import { inputHash } from './idempotency-window.ts';
import type { RequestId } from '../../domain/revision.ts';

/** To which request (a keyed hash, so that it cannot be read back) and to which of its sendings a secret was handed out. */
export interface IssuedSecret {
  readonly request: string;
  readonly sending: number;
  /** Short keyed hash of what the request asks for, if that is known. */
  readonly input?: string;
}

/** The mark of a secret that is handed out to this request; undefined if the request has no number. `key`: 32 secret bytes. */
export const issuedTo = (key: Buffer, request: RequestId | null): IssuedSecret | undefined => {
  if (request === null) return undefined;
  const { actor, instance, counter, again, fingerprint } = request;
  const named = createHmac('sha256', key)
    .update(JSON.stringify([actor, instance, counter]))
    .digest('base64url');
  return { request: named, sending: again, ...(fingerprint !== undefined && { input: inputHash(key, fingerprint) }) };
};

/**
 * May the secret of `later` take the place of the stored one? Only that of the same request, handed out to an earlier sending: a repeat puts a
 * fresh secret in the place of the first (ME-11).
 */
export const replaces = (later: IssuedSecret | undefined, earlier: IssuedSecret | undefined): boolean =>
  later !== undefined && earlier?.request === later.request && earlier.sending < later.sending;
