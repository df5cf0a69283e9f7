import { looksLikeJwt } from './tokens/jwt.ts';
import type { Actor } from '../domain/actor.ts';
import type { EffectivePermissions } from './effective-permissions.ts';
import { looksLikeUuid, standingOf } from '../domain/user.ts';
import { lowerUuid } from './canonical-uuid.ts';
import type { PasswordLogins } from './passwords/password-login.ts';
import { passwordId } from './passwords/passwords.ts';
import type { LoginSessions } from './tokens/login-sessions.ts';
import type { DeviceTokens } from './tokens/device-tokens.ts';
import type { Repository } from '../data/repository/types.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';
import type { PrincipalDocument } from '../domain/documents/principal.ts';

/** What somebody shows to prove who he is. Values are as they came: any type. */
export interface Credentials {
  /** A device, or with `basic` the name of a user; missing: the token says itself whose it is. */
  readonly uuid: unknown;
  readonly token: unknown;
  /** Did it come as HTTP Basic, where a user may show his name and password? */
  readonly basic?: boolean;
  /**
   * Can whoever asks hold somebody to what enrolling takes (the pipeline does)? Otherwise the token of a login that has still to enrol proves
   * nothing.
   */
  readonly enrolling?: boolean;
  /**
   * Is the other end a device, that nobody can ask for a code? Then a user's password is enough, whatever second factor he has (AC-5.7: MQTT).
   */
  readonly unattended?: boolean;
  /** Has the user shown his certificate beside the password (AC-5.5)? */
  readonly beside?: 'certificate';
  /** The network address that it came from. */
  readonly address?: string;
}

/** Who an attempt is, null if it proves nothing. Fails with `banned` after too many wrong passwords. All transports ask here. */
export type Authenticate = (attempt: Credentials) => Promise<Actor | null>;

const isText = (value: unknown, most: number): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= most;

/** What can prove who somebody is. */
export interface CredentialVerifiers {
  readonly devices: Repository<DeviceDocument>;
  readonly tokens: DeviceTokens;
  readonly sessions: Pick<LoginSessions, 'verify'>;
  readonly authorities: EffectivePermissions;
  readonly logins: PasswordLogins;
  readonly byLoginName: (loginName: string) => Promise<PrincipalDocument | null>;
}

/**
 * One resolver: the first rule that applies decides, and nothing falls through after a failure (DM-4).
 *
 * An access token; with Basic and a name, that user's password or access token; else uuid and token of a device (MS-5.4). Types are checked before anything is hashed.
 */
export const createAuthenticator = ({
  devices,
  tokens,
  sessions,
  authorities,
  logins,
  byLoginName,
}: CredentialVerifiers): Authenticate => {
  const byAccessToken = async (token: string, uuid: string | undefined): Promise<Actor | null> => {
    const actor = await sessions.verify(token);
    return uuid === undefined || actor?.uuid === uuid || actor?.uuid === lowerUuid(uuid) ? actor : null;
  };

  /** The device that is meant: case does not matter, but an exact uuid of an old database comes first. */
  const deviceOf = async (uuid: string): Promise<DeviceDocument | null> => {
    const exact = (await devices.get(uuid)) ?? (await devices.getFresh(uuid));
    const lower = exact === null ? lowerUuid(uuid) : undefined;
    return lower === undefined ? exact : deviceOf(lower);
  };

  const byDevice = async (device: DeviceDocument, token: string): Promise<Actor | null> => {
    const actor = await tokens.verify(device, token);
    if (actor === null || device._rollcall?.principal !== true) return actor;
    const authority = (await authorities.of(device.uuid)) ?? (await authorities.getFresh(device.uuid));
    return authority === null ? null : { ...actor, ...standingOf(authority.principal) };
  };

  const byName = async (name: string, secret: string, attempt: Credentials): Promise<Actor | null> => {
    const { address = '', unattended = false, beside } = attempt;
    const found = await logins.checkAgain(name, secret, address, beside);
    // A password alone is not enough for whoever has, or must have, a second factor.
    if (found === null || (found.missingFactor !== null && !unattended)) return null;
    const { principal, hash } = found.missingFactor === null ? found : found.passwordMatch;
    const { _id: uuid } = principal;
    const actor = { uuid, credentialId: passwordId(uuid), hash, method: 'password', ...standingOf(principal) } as const;
    return unattended ? { ...actor, unattended } : actor;
  };

  const resolve = async (attempt: Credentials): Promise<Actor | null> => {
    const { uuid, token, basic = false } = attempt;
    if (!isText(token, 1024)) return null;
    if (!isText(uuid, 256)) return null;
    const named = basic && !looksLikeUuid(uuid) ? await byLoginName(uuid) : null;
    if (looksLikeJwt(token)) return byAccessToken(token, named?._id ?? uuid);
    if (named !== null) return byName(uuid, token, attempt);
    const device = await deviceOf(uuid);
    if (device !== null) return byDevice(device, token);
    return basic && !looksLikeUuid(uuid) ? byName(uuid, token, attempt) : null;
  };

  const unlessEnrolling = async (found: Promise<Actor | null>): Promise<Actor | null> => {
    const actor = await found;
    return actor?.scope === undefined ? actor : null;
  };

  return (attempt) => {
    // A login's token alone is what comes most often.
    const { uuid, token, enrolling = false } = attempt;
    const found = uuid === undefined && isText(token, 1024) ? sessions.verify(token) : resolve(attempt);
    return enrolling ? found : unlessEnrolling(found);
  };
};
