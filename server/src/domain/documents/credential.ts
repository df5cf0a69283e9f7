import type { Guarded } from './metadata.ts';

/**
 * A secret as it is stored, and the request (keyed hash) and its sending to which it is handed out.
 */
export interface StoredSecret {
  readonly alg: 'sha256-pepper' | 'bcrypt';
  readonly hash: string;
  readonly secretFor?: { request: string; sending: number };
}

/** A credential, current or used up (DM-3). Meshblu tokens are in `tokens`. */
export interface CredentialDocument extends Guarded {
  _id: string;
  uuid: string;
  kind: 'password' | 'secret' | 'access' | 'refresh' | 'certificate' | 'mfaChallenge';
  alg: 'sha256-pepper' | 'bcrypt' | 'none';
  hash?: string;
  /** SHA-256 of an access token, or either fingerprint of a certificate, as colon separated hex. */
  fingerprint?: string;
  /** A certificate that was issued here. */
  pem?: string;
  label: string;
  /** The login that access and refresh tokens belong to. */
  sid?: string;
  createdAt: Date;
  expiresAt?: Date;
  /** Whatever happens, a refresh token of this login is worth nothing after this. */
  absoluteAt?: Date;
  /** A refresh token works once, and so does a challenge. */
  usedAt?: Date;
  /**
   * The encrypted pair that replaced a used refresh token: repeats within the grace period get this
   * pair.
   */
  successor?: string;
  /**
   * Set on an access token of a user who has still to enrol: it allows only enrolment, until
   * `fullUntil` replaces `expiresAt`.
   */
  scope?: 'enrolment';
  fullUntil?: Date;
  /**
   * Of a challenge: the hash that the password fitted, the lifetime of the login that was asked
   * for, and how often a code was tried.
   */
  proof?: string;
  lifetimeMs?: number;
  tries?: number;
  /** When the store may drop the row. */
  purgeAt?: Date;
}
