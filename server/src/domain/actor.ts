/**
 * Who calls: a device, and the credential that it proved itself with (the `_id` of a token row, or
 * a name for one that has no row).
 */
export interface Actor {
  readonly uuid: string;
  readonly credentialId: string;
  /**
   * The hash of the secret that was shown: a root token's row keeps its id when its secret is
   * replaced.
   */
  readonly hash: string;
  /** The fingerprints of the certificate that was shown: SHA-1 and SHA-256. */
  readonly fingerprints?: readonly string[];
  /** How the actor authenticated, if not by a Meshblu token. */
  readonly method?: 'access' | 'password' | 'secret' | 'certificate';
  /** Set if the actor has a principal: roles count beside whitelists. */
  readonly principal?: true;
  /**
   * Set if the actor had still to enrol a second factor at login, and may do nothing else.
   * `Sessions.hasToEnrol` gives the present state.
   */
  readonly scope?: 'enrolment';
  /** Set for an unattended device, which cannot be asked for a code. */
  readonly unattended?: true;
  /** The uuid of the actor's group: a whitelist entry for the group also counts for the actor. */
  readonly tenant?: string;
  /**
   * Set if the actor used the credentials of a webhook request: how many further requests these
   * calls may cause.
   */
  readonly requestsLeft?: number;
}

/**
 * The connections that a call revokes when it has taken effect: all of a device, or those
 * authenticated by one of its credentials (`unless`: except those that showed the secret with this
 * hash; `attended`: except unattended devices).
 */
export type Revocation =
  | { readonly device: string }
  | { readonly uuid: string; readonly credential: string; readonly unless?: string; readonly attended?: true };
