import type { Guarded } from './metadata.ts';

/**
 * A certificate that a user may show: its SHA-1 or SHA-256 fingerprint, upper-case hex with colons.
 */
export interface CertificateBinding {
  fingerprint: string;
  createdAt: Date;
  expiresAt?: Date;
  /** The certificate itself, if it was issued here. */
  pem?: string;
}

/** A certificate that client certificates are verified against (AC-5.11). */
export interface CertificateDocument extends Guarded {
  _id: string;
  /** Its SHA-256 fingerprint, lower-case hex; unique, and given up by one that was removed. */
  fingerprint?: string;
  pem: string;
  /** False for the registry's own authority. */
  removable: boolean;
  addedAt: Date;
}
