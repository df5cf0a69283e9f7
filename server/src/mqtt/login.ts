import type { Actor } from '../domain/actor.ts';
import type { CertificateBindings } from '../identity/certificates/bindings.ts';
import type { Trust } from '../identity/certificates/trust-store.ts';
import type { ClientRegistry } from '../identity/enrollment/requests.ts';
import type { NoteLogin } from '../operations/audit/audited-calls.ts';
import type { Authenticate } from '../identity/authenticate.ts';
import type { EffectivePermissions } from '../identity/effective-permissions.ts';
import { loginNameOf, looksLikeUuid } from '../domain/user.ts';
import { canonicalUuid } from '../identity/canonical-uuid.ts';
import type { MqttPrincipal, MqttPrincipals } from '../identity/accounts/mqtt-logins.ts';
import type { Holder } from '../domain/topic-rights.ts';
import type { Repository } from '../data/repository/types.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';

/** The credentials of a connecting MQTT client. */
export interface MqttAttempt {
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** The network address. */
  readonly address: string;
  readonly certificate: ShownCertificate | null;
}

/**
 * A client certificate (DER), followed by the rest of its chain. TLS has proved that the client has
 * its key.
 */
export type ShownCertificate = readonly Uint8Array[];

/** Does the certificate of this identity still permit a login? True without one. */
export type Certified = (identity: MqttIdentity) => Promise<boolean>;

/** The identity of an MQTT client. */
export interface MqttIdentity extends Holder {
  readonly actor: Actor;
  /** Prefix of each topic that it publishes to. */
  readonly prefix: string;
  /** The group that its devices belong to. */
  readonly group?: string;
  /**
   * The account that its retained messages count for: the user of a client record, the group of a
   * token, otherwise itself.
   */
  readonly owner: string;
  /** The client certificate (DER) with its chain. `beside`: a password was given too. */
  readonly certificate?: { readonly chain: readonly Uint8Array[]; readonly beside?: 'password' };
}

/**
 * Identity of a client that another broker has admitted under these names. Null if there is none,
 * or if it has lost access.
 */
export type Recognise = (names: {
  readonly clientId: string;
  readonly username: string | undefined;
}) => Promise<MqttIdentity | null>;

/** Identifies a connecting client. Fails with `LoginRefused`. */
export type MqttLogin = (attempt: MqttAttempt) => Promise<MqttIdentity>;

/**
 * The connection is refused with this CONNACK code (MQTT 3.1.1, section 3.2.2.3):
 * 2 the client id belongs to another principal, 3 unavailable, 4 wrong name or password, 5 not
 * authorised.
 */
export class LoginRefused extends Error {
  override readonly name = 'LoginRefused';
  readonly returnCode: 2 | 3 | 4 | 5;

  constructor(returnCode: 2 | 3 | 4 | 5) {
    super(`the connection is refused with ${returnCode}`);
    this.returnCode = returnCode;
  }
}

/** What the login needs. */
export interface LoginKit {
  readonly authenticate: Authenticate;
  readonly authorities: Pick<EffectivePermissions, 'of' | 'getFresh'>;
  readonly devices: Repository<DeviceDocument>;
  readonly mqttPrincipals: MqttPrincipals;
  readonly noteLogin: NoteLogin;
  readonly trust: Pick<Trust, 'identify' | 'verifier'>;
  readonly pins: Pick<CertificateBindings, 'verifyBinding'>;
  readonly clientRegistry: Pick<ClientRegistry, 'recordAttempt'>;
}

/** The identity of a device, which has no roles. */
const plain = (actor: Actor): MqttIdentity => ({ uuid: actor.uuid, kind: 'device', actor, prefix: '', owner: actor.uuid });

/** The holder of a principal, as far as topics depend on it. */
const holderOf = ({
  kind,
  uuid,
  username,
  owner,
  topicToken,
  serialNumber,
}: MqttPrincipal): Holder & Pick<MqttIdentity, 'group' | 'owner'> => {
  if (kind === 'mqttClient') return { uuid, kind, account: username, owner: owner ?? uuid };
  if (kind !== 'mqttToken') return { uuid, kind: kind === 'user' ? 'user' : 'device', owner: uuid };
  return {
    uuid,
    kind,
    owner: owner ?? uuid,
    ...(topicToken !== undefined && { topicToken }),
    ...(serialNumber !== undefined && { serialNumber }),
    ...(owner !== undefined && { group: owner }),
  };
};

/**
 * Creates the login by the rules of DM-4. The first rule that applies decides. A failure never
 * falls through to the next rule.
 */
export const createLogin = (kit: LoginKit) => {
  const { authenticate, authorities, devices, mqttPrincipals, noteLogin, trust, pins, clientRegistry } = kit;

  const prefixOf = async (uuid: string): Promise<string> => {
    const authority = (await authorities.of(uuid)) ?? (await authorities.getFresh(uuid));
    if (authority === null) throw new LoginRefused(5);
    return authority.principal.mqttPublishPrefix;
  };

  const identityOf = async (actor: Actor, principal: MqttPrincipal): Promise<MqttIdentity> => ({
    ...holderOf(principal),
    actor,
    prefix: await prefixOf(actor.uuid),
  });

  /** Logs in with a token or a client record, by its secret. */
  const bySecret = async (principal: MqttPrincipal, secret: string, address: string): Promise<MqttIdentity> => {
    const actor = await mqttPrincipals.verify(principal, secret, address);
    await noteLogin('login:secret', actor, { target: principal.uuid, address });
    if (actor === null) throw new LoginRefused(4);
    if (principal.state !== 'active') throw new LoginRefused(5);
    return identityOf(actor, principal);
  };

  const byToken = async (uuid: string, token: string, address: string): Promise<MqttIdentity> => {
    const actor = await authenticate({ uuid, token, address });
    if (actor === null) throw new LoginRefused(4);
    if (actor.principal !== true) return plain(actor);
    return { uuid: actor.uuid, kind: 'user', actor, prefix: await prefixOf(actor.uuid), owner: actor.uuid };
  };

  /**
   * The user of this certificate, and the name in it.
   * Null if no trusted authority issued it, or if the user may not log in with it.
   * `beside`: the user has to give a password too.
   */
  const certified = async (chain: ShownCertificate, beside?: 'password', verifier = trust.verifier()) => {
    const [certificate] = chain;
    // TLS may have used an earlier trust store.
    if (certificate === undefined || !(await verifier)(chain)) return null;
    const identified = trust.identify(certificate);
    const actor = await pins.verifyBinding(identified, beside);
    return actor === null ? null : { username: identified.username, actor };
  };

  /**
   * Logs a user in by a certificate alone. It has to come from a trusted authority, and a user name
   * has to be the certificate's.
   */
  const byCertificate = async (shown: ShownCertificate, username: string, address: string): Promise<MqttIdentity> => {
    const proved = await certified(shown);
    const isNamed = username === '' || (proved !== null && loginNameOf(proved.username) === loginNameOf(username));
    const found = isNamed ? proved : null;
    await noteLogin('login:certificate', found?.actor ?? null, { address });
    if (found === null) throw new LoginRefused(5);
    const { actor } = found;
    return {
      uuid: actor.uuid,
      kind: 'user',
      actor,
      prefix: await prefixOf(actor.uuid),
      owner: actor.uuid,
      certificate: { chain: shown },
    };
  };

  /**
   * May this user log in with the certificate together with a password? False for a certificate
   * without a name.
   */
  const isHis = async (shown: ShownCertificate, username: string): Promise<boolean> => {
    try {
      const found = await certified(shown, 'password');
      return found !== null && loginNameOf(found.username) === loginNameOf(username);
    } catch {
      return false;
    }
  };

  const login: MqttLogin = async ({ clientId, username, password, address, certificate }) => {
    if (certificate !== null && password === undefined) return byCertificate(certificate, username ?? '', address);
    if (username === undefined || password === undefined) throw new LoginRefused(4);
    if (looksLikeUuid(username)) return byToken(username, password, address);
    const record = clientId === '' ? null : await mqttPrincipals.byClientId(clientId);
    if (record !== null) {
      // The account has to own the client id.
      if (loginNameOf(record.username) !== loginNameOf(username)) throw new LoginRefused(4);
      return bySecret(record, password, address);
    }
    const named = await mqttPrincipals.byLoginName(username);
    if (named?.kind === 'mqttToken') return bySecret(named, password, address);
    // An older database may have devices with other ids.
    if (named === null && (await devices.get(username)) !== null) return byToken(username, password, address);
    const shown = { uuid: username, token: password, basic: true, unattended: true, address };
    const chain = certificate !== null && (await isHis(certificate, username)) ? certificate : undefined;
    const actor = await authenticate({ ...shown, ...(chain !== undefined && { beside: 'certificate' }) });
    if (actor !== null && named !== null) {
      const identity = await identityOf(actor, named);
      return chain === undefined ? identity : { ...identity, certificate: { chain, beside: 'password' } };
    }
    if (named === null) await clientRegistry.recordAttempt({ username, password, source: 'mqtt' });
    throw new LoginRefused(4);
  };

  /** The identity of a session's absent client. Null if it has lost access. */
  const identify = async (uuid: string): Promise<MqttIdentity | null> => {
    const device = await devices.getFresh(uuid);
    if (device === null) return null;
    const actor: Actor = { uuid, credentialId: '', hash: '' };
    if (device._rollcall?.principal !== true) return plain(actor);
    const principal = await mqttPrincipals.byUuid(uuid);
    return principal?.state === 'active' ? identityOf({ ...actor, ...principal.standing }, principal) : null;
  };

  /** Recognises a client by its names, read as `login` reads them. */
  const recognise: Recognise = async ({ clientId, username }) => {
    if (username === undefined) return null;
    const bare = (uuid: string): Actor => ({ uuid, credentialId: '', hash: '' });
    const byUuid = async (): Promise<MqttIdentity | null> => {
      const meant = await canonicalUuid(devices, username);
      const device = (await devices.get(meant)) ?? (looksLikeUuid(meant) ? await devices.getFresh(meant) : null);
      if (device === null) return null;
      const { uuid } = device;
      if (device._rollcall?.principal !== true) return plain(bare(uuid));
      return { uuid, kind: 'user', actor: { ...bare(uuid), principal: true }, prefix: await prefixOf(uuid), owner: uuid };
    };
    if (looksLikeUuid(username)) return byUuid();
    const record = clientId === '' ? null : await mqttPrincipals.byClientId(clientId);
    if (record !== null && loginNameOf(record.username) !== loginNameOf(username)) return null;
    const principal = record ?? (await mqttPrincipals.byLoginName(username));
    if (principal === null) return byUuid();
    return principal.state === 'active' ? identityOf({ ...bare(principal.uuid), ...principal.standing }, principal) : null;
  };

  /** Creates a check that reads the trust store once for many identities. */
  const certifier = (): Certified => {
    const verifier = trust.verifier();
    verifier.catch(() => undefined);
    return async ({ actor, certificate }) => {
      if (certificate === undefined) return true;
      const found = await certified(certificate.chain, certificate.beside, verifier);
      return found?.actor.uuid === actor.uuid;
    };
  };

  return { login, identify, recognise, certifier };
};
