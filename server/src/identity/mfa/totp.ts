import { randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';

/** What every authenticator application understands (AC-5.7). */
const form = { algorithm: 'SHA1', digits: 6, period: 30 } as const;

const secretOf = (seed: Uint8Array): Secret => new Secret({ buffer: Uint8Array.from(seed).buffer });

/** A new seed: 20 random bytes, as long as the hash (RFC 4226, section 4). */
export const newSeed = (): Uint8Array => randomBytes(20);

/** What an authenticator application reads, mostly as a picture: `otpauth://totp/<issuer>:<label>?…`. */
export const uriOf = (seed: Uint8Array, issuer: string, label: string): string =>
  new TOTP({ ...form, issuer, label, secret: secretOf(seed) }).toString();

/**
 * The time step that a code is for, if it is that of `now` (milliseconds) or one beside it; null if it is none of these (RFC 6238, section 5.2).
 * A step later than the last accepted one is for the caller to ask: a code counts once.
 */
export const stepOf = (seed: Uint8Array, shown: string, now: number): number | null => {
  // Authenticator applications show `123 456`.
  const code = shown.replaceAll(/\s/g, '');
  if (!/^[0-9]{6}$/.test(code)) return null;
  const totp = new TOTP({ ...form, secret: secretOf(seed) });
  const delta = totp.validate({ token: code, timestamp: now, window: 1 });
  return delta === null ? null : totp.counter({ timestamp: now }) + delta;
};
