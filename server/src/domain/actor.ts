/** Who calls: a device, and the credential that it proved itself with (the `_id` of a token row, or a name for one that has no row). */
export interface Actor {
  readonly uuid: string;
  readonly credentialId: string;
  /** The hash of the secret that was shown: a root token's row keeps its id when its secret is replaced. */
  readonly hash: string;
  /** The fingerprints of the certificate that was shown: SHA-1 and SHA-256. */
  readonly fingerprints?: readonly string[];
  /** How he proved himself, if not by a Meshblu token. */
  readonly method?: 'access' | 'password' | 'secret' | 'certificate';
  /** Has he roles beside whitelists? */
  readonly principal?: true;
  /** Set if he has still to enrol a second factor: he may do nothing else. It was so when he came; `Sessions.hasToEnrol` says whether it still is. */
  readonly scope?: 'enrolment';
  /** Is he a device, that nobody can ask for a code? */
  readonly unattended?: true;
  /** The group whose uuid in a list stands for him too. */
  readonly tenant?: string;
  /** He came by the credentials of a webhook request: how many further requests what he does may cause. */
  readonly requestsLeft?: number;
}

/**
 * Connections that lose their identity when a call has taken effect: all of a device, or those that hang on one credential of it
 * (`unless`: not those that showed the secret with this hash; `attended`: not devices that nobody can ask for a code).
 */
export type Revocation =
  | { readonly device: string }
  | { readonly uuid: string; readonly credential: string; readonly unless?: string; readonly attended?: true };
