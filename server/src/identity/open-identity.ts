import type { CertificateReference } from '@rollcall/client/contract';
import { openAccessTokens } from './tokens/jwt.ts';
import { isAdministrator } from '../domain/user.ts';
import { openAdministrators } from './accounts/administrators.ts';
import { openAuthorities } from './effective-permissions.ts';
import { openPins } from './certificates/bindings.ts';
import { openTrust } from './certificates/trust-store.ts';
import { openClientRegistry } from './enrollment/requests.ts';
import { openRegistrationWindow } from './enrollment/registration-window.ts';
import type { Config } from '../app/config.ts';
import type { Feed } from '../data/feed/change-feed.ts';
import type { DerivedIds } from '../data/repository/idempotent-ids.ts';
import { openDoor } from '../data/repository/repository.ts';
import { firstStart, type FirstPassword } from './accounts/bootstrap.ts';
import { openGroups } from './accounts/groups.ts';
import { openIdentities, type Identities } from './accounts/principals.ts';
import type { Services } from '../operations/handler.ts';
import type { Actor } from '../domain/actor.ts';
import type { Keys } from './keys/key-ring.ts';
import { openLockout } from './passwords/lockout.ts';
import type { Log } from '../common/log.ts';
import { openLogins } from './passwords/password-login.ts';
import { openMqttClients } from './accounts/client-records.ts';
import { openChallenges } from './mfa/challenges.ts';
import { openMfa } from './mfa/mfa.ts';
import { checkSeeds, openSeeds } from './mfa/seeds.ts';
import { openMqttPrincipals } from './accounts/mqtt-logins.ts';
import { openMqttSecrets } from './passwords/mqtt-secrets.ts';
import { openPasswords, passwordId } from './passwords/passwords.ts';
import { openSessions } from './tokens/login-sessions.ts';
import type { TokenList } from './tokens/token-list.ts';
import type { SlowHash } from './passwords/bcrypt-pool.ts';
import type { Store } from '../store/port.ts';
import { telling, type UserLists } from './tokens/token-list-cache.ts';
import type { Tokens } from './tokens/device-tokens.ts';
import { openUsers } from './accounts/users.ts';
import type { DoorOptions, Documents } from '../data/repository/types.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';

/** Principals, credentials and roles of a registry, and what works with them. */
export interface Access {
  readonly services: Pick<
    Services,
    | 'principals'
    | 'credentials'
    | 'roles'
    | 'authorities'
    | 'users'
    | 'groups'
    | 'logins'
    | 'mfa'
    | 'passwords'
    | 'sessions'
    | 'mqttSecrets'
    | 'mqttPrincipals'
    | 'mqttClients'
    | 'pins'
    | 'trust'
    | 'clientRegistry'
    | 'rootGroup'
    | 'firstPasswordChanged'
  >;
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
  readonly config: Pick<
    Config,
    'dataDir' | 'adminPassword' | 'passwordPolicy' | 'refreshGraceMs' | 'mfa' | 'mfaIssuer' | 'mfaMaxWrongCodes' | 'mfaBanMs'
  >;
  readonly log: Log;
  readonly now: () => number;
}): Promise<Access> => {
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
