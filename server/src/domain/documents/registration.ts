import type { Permission } from '@rollcall/client/contract';
import type { Guarded } from './metadata.ts';

/** A request to become a user (AC-5.8). Once it is granted, its `_id` is the user's uuid. */
export interface RegistrationDocument extends Guarded {
  _id: string;
  username: string;
  /** Unique, and given up by one that is no more. */
  loginName?: string;
  credentialType: 'password' | 'certificate';
  passwordHash?: string;
  /** The key that a certificate is asked for: SubjectPublicKeyInfo, DER as base64. */
  publicKey?: string;
  /** What was wished for: names of roles, and permissions. */
  roles: string[];
  permissions: Omit<Permission, 'id'>[];
  context: string;
  source: 'rest' | 'socket' | 'mqtt';
  timestamp: Date;
  /** By the feed's clock. */
  expiresAt: Date;
  granted: boolean;
  /** The numbered call (keyed hash) that was answered with the grant. */
  fetchedBy?: string;
}

/**
 * One of a kind: who the administrators are; whether a creation of several was decided; when
 * strangers may ask to become users.
 */
export interface RecordOfRegistry extends Guarded {
  _id: string;
  uuids: string[];
  state?: 'open' | 'decided' | 'abandoned';
  /**
   * Since when strangers may ask to become users (milliseconds of the feed's clock), and for how
   * long, in milliseconds.
   */
  window?: { openedAt: number; ms: number };
}
