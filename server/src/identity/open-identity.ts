import type { PasswordPolicy } from '@rollcall/client/contract';
import type { CertificateReference } from '@rollcall/client/contract';
import { openAccessTokens } from './tokens/jwt.ts';
import { isAdministrator } from '../domain/user.ts';
import { openAdministrators } from './accounts/administrators.ts';
import { openAuthorities, type Authorities } from './effective-permissions.ts';
import { openPins, type Pins } from './certificates/bindings.ts';
import { openTrust, type Trust } from './certificates/trust-store.ts';
import { openClientRegistry, type ClientRegistry } from './enrollment/requests.ts';
import { openRegistrationWindow } from './enrollment/registration-window.ts';
import type { Feed } from '../data/feed/change-feed.ts';
import type { DerivedIds } from '../data/repository/idempotent-ids.ts';
import { openDoor } from '../data/repository/repository.ts';
import { firstStart, type FirstPassword } from './accounts/bootstrap.ts';
import { openGroups, type Groups } from './accounts/groups.ts';
import { openIdentities, type Identities } from './accounts/principals.ts';
import type { Actor } from '../domain/actor.ts';
import type { Keys } from './keys/key-ring.ts';
import { openLockout } from './passwords/lockout.ts';
import type { Log } from '../common/log.ts';
import { openLogins, type Logins } from './passwords/password-login.ts';
import { openMqttClients, type MqttClients } from './accounts/client-records.ts';
import { openChallenges } from './mfa/challenges.ts';
import { openMfa, type Mfa } from './mfa/mfa.ts';
import { checkSeeds, openSeeds } from './mfa/seeds.ts';
import { openMqttPrincipals, type MqttPrincipals } from './accounts/mqtt-logins.ts';
import { openMqttSecrets, type MqttSecrets } from './passwords/mqtt-secrets.ts';
import { openPasswords, passwordId, type Passwords } from './passwords/passwords.ts';
import { openSessions, type Sessions } from './tokens/login-sessions.ts';
import type { TokenList } from './tokens/token-list.ts';
import type { SlowHash } from './passwords/bcrypt-pool.ts';
import type { Store } from '../data/store.ts';
import { telling, type UserLists } from './tokens/token-list-cache.ts';
import type { Tokens } from './tokens/device-tokens.ts';
import { openUsers, type Users } from './accounts/users.ts';
import type { DoorOptions, Documents } from '../data/repository/types.ts';
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
  readonly principals: Documents<PrincipalDocument>;
  readonly credentials: Documents<CredentialDocument>;
  readonly roles: Documents<RoleDocument>;
  readonly authorities: Authorities;
  readonly users: Users;
  readonly groups: Groups;
  readonly logins: Logins;
  readonly mfa: Mfa;
  readonly passwords: Passwords;
  readonly sessions: Sessions;
  readonly mqttSecrets: MqttSecrets;
  readonly mqttPrincipals: MqttPrincipals;
  readonly mqttClients: MqttClients;
  readonly pins: Pins;
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
export const openAccess = async (options: {
  readonly store: Store;
  readonly doors: Omit<DoorOptions<'devices'>, 'collection' | 'key'>;
  readonly devices: Documents<DeviceDocument>;
  readonly tokens: Tokens;
  readonly lists: { readonly tokens: UserLists<TokenList>; readonly certificates: UserLists<readonly CertificateReference[]> };
  readonly ids: DerivedIds;
  readonly keys: Keys;
  readonly feed: Feed;
  readonly slowHash: SlowHash;
  readonly pepper: string;
  readonly config: IdentitySettings;
  readonly log: Log;
  readonly now: () => number;
}): Promise<OpenIdentity> => {
  const { store, doors, devices, tokens, lists, ids, keys, pepper, config, log, now } = options;
  const principals = openDoor({ ...doors, collection: 'principals', key: '_id' });
  const credentials = telling(openDoor({ ...doors, collection: 'credentials', key: '_id' }), ({ uuid }) => {
    lists.tokens.drop(uuid);
    lists.certificates.drop(uuid);
  });
  const roles = openDoor({ ...doors, collection: 'roles', key: '_id' });
  const records = openDoor({ ...doors, collection: 'registry', key: '_id' });
  const authorities = openAuthorities({ principals, roles, now });
  const passwords = openPasswords({ credentials, slowHash: options.slowHash, pepper, now });
  const administrators = openAdministrators(records);
  const accessTokens = openAccessTokens(await keys.key('jwt'));
  const sessions = openSessions({
    store,
    credentials,
    accessTokens,
    authorities,
    tokens,
    ids,
    lists: lists.tokens,
    pepper,
    key: await keys.key('refresh'),
    graceMs: config.refreshGraceMs,
    now,
  });
  const mqttSecrets = openMqttSecrets({
    credentials,
    passwords,
    lockout: openLockout(() => doors.clock.monotonic()),
    pepper,
    key: await keys.key('request-window'),
    now,
  });
  const mqttPrincipals = openMqttPrincipals({ store, principals, mqttSecrets, node: doors.node, now });
  const pins = openPins({
    store,
    credentials,
    byLoginName: (loginName) => identities.byLoginName(loginName),
    principalOf: (uuid) => principals.find(uuid),
    ids,
    lists: lists.certificates,
    now,
  });
  const certificates = openDoor({ ...doors, collection: 'certificates', key: '_id' });
  const trust = openTrust({ store, certificates, keys, feed: options.feed, ids, now });
  const identities: Identities = openIdentities({
    store,
    principals,
    roles,
    records,
    devices,
    passwords,
    mqttSecrets,
    pins,
    sessions,
    tokens,
    ids,
    now,
  });
  const users = openUsers({ identities, principals, roles, authorities, administrators, sessions, pins, ids });
  const lockout = openLockout(() => doors.clock.monotonic());
  const clientRegistry = openClientRegistry({
    store,
    registrations: openDoor({ ...doors, collection: 'registrations', key: '_id' }),
    principals,
    byLoginName: identities.byLoginName,
    window: openRegistrationWindow({ records, feed: options.feed, clock: doors.clock }),
    passwords,
    pins,
    lockout,
    feed: options.feed,
    ids,
    policy: config.passwordPolicy,
    key: await keys.key('registrations'),
    now,
  });
  const logins = openLogins({
    byLoginName: users.byLoginName,
    hashOf: async (uuid) => (await credentials.fresh(passwordId(uuid)))?.hash,
    isAdministrator: async (principal) => isAdministrator(principal, await authorities.rolesOf(principal)),
    passwords,
    lockout,
    canEnrol: config.mfa,
    key: await keys.key('basic'),
    now,
  });
  const seeds = openSeeds(await keys.key('mfa-seeds'));
  await checkSeeds(store, seeds, log);
  const mfa = openMfa({
    principals,
    challenges: openChallenges({ credentials, pepper, now }),
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
  const { rootGroup, firstPassword, passwordChanged } = await firstStart({
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
      authorities,
      users,
      groups: openGroups({ store, devices, tokens, users, now }),
      logins,
      mfa,
      passwords,
      sessions,
      mqttSecrets,
      mqttPrincipals,
      mqttClients: openMqttClients({ store, principals, now }),
      pins,
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
      if (certified.length > 0) for (const actor of await pins.live(certified)) live.add(actor);
      for (const actor of byToken) {
        if (actor.principal !== true || (await authorities.of(actor.uuid)) !== null) live.add(actor);
      }
      return live;
    },
  };
};
