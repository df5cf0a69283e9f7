import type { PasswordPolicy } from '@rollcall/client/contract';
import type { CertificateReference } from '@rollcall/client/contract';
import { createAccessTokens } from './tokens/jwt.ts';
import { isAdministrator } from '../domain/user.ts';
import { createAdministrators } from './accounts/administrators.ts';
import { createEffectivePermissions, type EffectivePermissions } from './effective-permissions.ts';
import { createCertificateBindings, type CertificateBindings } from './certificates/bindings.ts';
import { createTrust, type Trust } from './certificates/trust-store.ts';
import { createClientRegistry, type ClientRegistry } from './enrollment/requests.ts';
import { openRegistrationWindow } from './enrollment/registration-window.ts';
import type { ChangeFeed } from '../data/feed/change-feed.ts';
import type { IdempotentIds } from '../data/repository/idempotent-ids.ts';
import { createRepository } from '../data/repository/repository.ts';
import { bootstrap, type FirstPassword } from './accounts/bootstrap.ts';
import { createGroups, type Groups } from './accounts/groups.ts';
import { createPrincipals, type Principals } from './accounts/principals.ts';
import type { Actor } from '../domain/actor.ts';
import type { KeyRing } from './keys/key-ring.ts';
import { createLockout } from './passwords/lockout.ts';
import type { Log } from '../common/log.ts';
import { createPasswordLogins, type PasswordLogins } from './passwords/password-login.ts';
import { createMqttClients, type MqttClients } from './accounts/client-records.ts';
import { createChallenges } from './mfa/challenges.ts';
import { createMfa, type Mfa } from './mfa/mfa.ts';
import { checkSeeds, createSeeds } from './mfa/seeds.ts';
import { createMqttPrincipals, type MqttPrincipals } from './accounts/mqtt-logins.ts';
import { createMqttSecrets, type MqttSecrets } from './passwords/mqtt-secrets.ts';
import { createPasswords, passwordId, type Passwords } from './passwords/passwords.ts';
import { createLoginSessions, type LoginSessions } from './tokens/login-sessions.ts';
import type { TokenList } from './tokens/token-list.ts';
import type { BcryptPool } from './passwords/bcrypt-pool.ts';
import type { Store } from '../data/store.ts';
import { withWriteListener, type UserLists } from './tokens/token-list-cache.ts';
import type { DeviceTokens } from './tokens/device-tokens.ts';
import { createUsers, type Users } from './accounts/users.ts';
import type { RepositoryOptions, Repository } from '../data/repository/types.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';
import type { CredentialDocument } from '../domain/documents/credential.ts';
import type { PrincipalDocument } from '../domain/documents/principal.ts';
import type { RoleDocument } from '../domain/documents/role.ts';

/** The settings that this room reads. Each is described in `app/config.ts`. */
export interface IdentitySettings {
  readonly dataDir: string;
  readonly adminPassword: string | undefined;
  readonly passwordPolicy: PasswordPolicy;
  readonly refreshGraceMs: number;
  readonly mfa: boolean;
  readonly mfaIssuer: string;
  readonly mfaMaxWrongCodes: number;
  readonly mfaBanMs: number;
}

/** What this room gives to those above it: principals, credentials and roles, and what works with them. */
export interface Identity {
  readonly principals: Repository<PrincipalDocument>;
  readonly credentials: Repository<CredentialDocument>;
  readonly roles: Repository<RoleDocument>;
  readonly effectivePermissions: EffectivePermissions;
  readonly users: Users;
  readonly groups: Groups;
  readonly logins: PasswordLogins;
  readonly mfa: Mfa;
  readonly passwords: Passwords;
  readonly sessions: LoginSessions;
  readonly mqttSecrets: MqttSecrets;
  readonly mqttPrincipals: MqttPrincipals;
  readonly mqttClients: MqttClients;
  readonly certificateBindings: CertificateBindings;
  readonly trust: Trust;
  readonly clientRegistry: ClientRegistry;
  /** The group of whoever has none of his own. */
  readonly rootGroup: string;
  /** Forgets the password of the first administrator that was made at the first start, if it is his that was changed. */
  readonly firstPasswordChanged: (uuid: string) => Promise<void>;
}

/** Principals, credentials and roles of a registry, and what works with them. */
export interface OpenIdentity {
  readonly services: Identity;
  readonly firstPassword: FirstPassword | null;
  /** Those of these actors who may still be here with what they showed. */
  live(actors: readonly Actor[]): Promise<ReadonlySet<Actor>>;
}

/** Opens access control; at the first start of a registry its first administrator is made. */
export const createIdentity = async (options: {
  readonly store: Store;
  readonly doors: Omit<RepositoryOptions<'devices'>, 'collection' | 'key'>;
  readonly devices: Repository<DeviceDocument>;
  readonly tokens: DeviceTokens;
  readonly lists: { readonly tokens: UserLists<TokenList>; readonly certificates: UserLists<readonly CertificateReference[]> };
  readonly ids: IdempotentIds;
  readonly keys: KeyRing;
  readonly feed: ChangeFeed;
  readonly slowHash: BcryptPool;
  readonly pepper: string;
  readonly config: IdentitySettings;
  readonly log: Log;
  readonly now: () => number;
}): Promise<OpenIdentity> => {
  const { store, doors, devices, tokens, lists, ids, keys, pepper, config, log, now } = options;
  const principals = createRepository({ ...doors, collection: 'principals', key: '_id' });
  const credentials = withWriteListener(createRepository({ ...doors, collection: 'credentials', key: '_id' }), ({ uuid }) => {
    lists.tokens.drop(uuid);
    lists.certificates.drop(uuid);
  });
  const roles = createRepository({ ...doors, collection: 'roles', key: '_id' });
  const records = createRepository({ ...doors, collection: 'registry', key: '_id' });
  const effectivePermissions = createEffectivePermissions({ principals, roles, now });
  const passwords = createPasswords({ credentials, slowHash: options.slowHash, pepper, now });
  const administrators = createAdministrators(records);
  const accessTokens = createAccessTokens(await keys.key('jwt'));
  const sessions = createLoginSessions({
    store,
    credentials,
    accessTokens,
    authorities: effectivePermissions,
    tokens,
    ids,
    lists: lists.tokens,
    pepper,
    key: await keys.key('refresh'),
    graceMs: config.refreshGraceMs,
    now,
  });
  const mqttSecrets = createMqttSecrets({
    credentials,
    passwords,
    lockout: createLockout(() => doors.clock.monotonic()),
    pepper,
    key: await keys.key('request-window'),
    now,
  });
  const mqttPrincipals = createMqttPrincipals({ store, principals, mqttSecrets, node: doors.node, now });
  const certificateBindings = createCertificateBindings({
    store,
    credentials,
    byLoginName: (loginName) => identities.byLoginName(loginName),
    principalOf: (uuid) => principals.get(uuid),
    ids,
    lists: lists.certificates,
    now,
  });
  const certificates = createRepository({ ...doors, collection: 'certificates', key: '_id' });
  const trust = createTrust({ store, certificates, keys, feed: options.feed, ids, now });
  const identities: Principals = createPrincipals({
    store,
    principals,
    roles,
    records,
    devices,
    passwords,
    mqttSecrets,
    pins: certificateBindings,
    sessions,
    tokens,
    ids,
    now,
  });
  const users = createUsers({
    identities,
    principals,
    roles,
    authorities: effectivePermissions,
    administrators,
    sessions,
    pins: certificateBindings,
    ids,
  });
  const lockout = createLockout(() => doors.clock.monotonic());
  const clientRegistry = createClientRegistry({
    store,
    registrations: createRepository({ ...doors, collection: 'registrations', key: '_id' }),
    principals,
    byLoginName: identities.byLoginName,
    window: openRegistrationWindow({ records, feed: options.feed, clock: doors.clock }),
    passwords,
    pins: certificateBindings,
    lockout,
    feed: options.feed,
    ids,
    policy: config.passwordPolicy,
    key: await keys.key('registrations'),
    now,
  });
  const logins = createPasswordLogins({
    byLoginName: users.byLoginName,
    hashOf: async (uuid) => (await credentials.getFresh(passwordId(uuid)))?.hash,
    isAdministrator: async (principal) => isAdministrator(principal, await effectivePermissions.rolesOf(principal)),
    passwords,
    lockout,
    canEnrol: config.mfa,
    key: await keys.key('basic'),
    now,
  });
  const seeds = createSeeds(await keys.key('mfa-seeds'));
  await checkSeeds(store, seeds, log);
  const mfa = createMfa({
    principals,
    challenges: createChallenges({ credentials, pepper, now }),
    logins,
    seeds,
    canEnrol: config.mfa,
    issuer: config.mfaIssuer,
    rules: { most: config.mfaMaxWrongCodes, banMs: config.mfaBanMs },
    pepper,
    key: await keys.key('request-window'),
    now,
    time: () => doors.feed.time(),
  });
  const { rootGroup, firstPassword, passwordChanged } = await bootstrap({
    ...config,
    roles,
    users,
    administrators,
    passwords,
    ids,
    now,
  });

  return {
    services: {
      principals,
      credentials,
      roles,
      effectivePermissions,
      users,
      groups: createGroups({ store, devices, tokens, users, now }),
      logins,
      mfa,
      passwords,
      sessions,
      mqttSecrets,
      mqttPrincipals,
      mqttClients: createMqttClients({ store, principals, now }),
      certificateBindings,
      trust,
      clientRegistry,
      rootGroup,
      firstPasswordChanged: passwordChanged,
    },
    firstPassword,
    async live(actors) {
      const shown = actors.filter(({ method }) => method !== undefined && method !== 'certificate');
      const certified = actors.filter(({ method }) => method === 'certificate');
      const byToken = await tokens.live(actors.filter(({ method }) => method === undefined));
      const live = new Set(shown.length === 0 ? [] : await sessions.live(shown));
      if (certified.length > 0) for (const actor of await certificateBindings.live(certified)) live.add(actor);
      for (const actor of byToken) {
        if (actor.principal !== true || (await effectivePermissions.of(actor.uuid)) !== null) live.add(actor);
      }
      return live;
    },
  };
};
