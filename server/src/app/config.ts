import { isIP } from 'node:net';
import type { PasswordPolicy } from '@rollcall/client/contract';
import { defaultPasswordPolicy, passwordProblems, readPasswordPolicy } from '../domain/password-policy.ts';

/** One setting: its environment variable, its default, its description and its parser. */
interface Setting<T> {
  readonly variable: string;
  /** Default where the variable is not set; `undefined` means no default. */
  readonly fallback: T;
  readonly meaning: string;
  /** Parses the text. Throws an Error whose message says what is expected. */
  readonly read: (text: string) => T;
}

const setting = <T>(variable: string, fallback: T, meaning: string, read: (text: string) => T): Setting<T> => ({
  variable,
  fallback,
  meaning,
  read,
});

const wrong = (should: string): never => {
  throw new Error(should);
};

const text = (value: string): string => value;

const whole =
  (least: number, most: number) =>
  (value: string): number => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    return number >= least && number <= most ? number : wrong(`a whole number from ${least} to ${most}`);
  };

const passwordPolicy = (value: string): PasswordPolicy => {
  let given: unknown;
  try {
    given = JSON.parse(value);
  } catch {
    given = undefined;
  }
  return readPasswordPolicy(given) ?? wrong(policyForm);
};

const policyForm = 'JSON such as {"min":8,"lower":1,"upper":1,"numeric":1,"symbol":0}: whole numbers that a password can meet';

const issuer = (value: string): string => (/^[^:]{1,64}$/.test(value) ? value : wrong('1 to 64 characters without a colon'));

const truth = (value: string): boolean => (value === 'true' ? true : value === 'false' ? false : wrong('true or false'));

const origins = (value: string): readonly string[] =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      if (!URL.canParse(part) || new URL(part).origin !== part)
        wrong('exact origins such as https://example.org, comma separated');
      return part;
    });

const secretText = (value: string): string => (value.length >= 16 ? value : wrong('at least 16 characters'));

const isNetwork = (value: string): boolean => {
  const [address = '', bits, ...more] = value.split('/');
  const most = isIP(address) === 4 ? 32 : 128;
  return isIP(address) !== 0 && more.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most));
};

const networks = (value: string): readonly string[] => {
  const all = value.split(',').map((part) => part.trim());
  return all.every(isNetwork) ? all : wrong('addresses or networks such as 10.0.0.0/8, comma separated');
};

const mongodbUrl = (value: string): string =>
  /^mongodb(\+srv)?:\/\//.test(value) ? value : wrong('a URL that begins with mongodb://');

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
/** How much is logged (pino). */
export type LogLevel = (typeof logLevels)[number];

const logLevel = (value: string): LogLevel =>
  logLevels.find((level) => level === value) ?? wrong(`one of ${logLevels.join(', ')}`);

const unauthorizedForms = ['redirect', 'status'] as const;
/** How `/api/client` answers a request without a login (MC-1.2). */
export type Unauthorized = (typeof unauthorizedForms)[number];

const port = whole(0, 65_535);
const none: string | undefined = undefined;
const noPort: number | undefined = undefined;

/** Every setting of the registry. `.env.example` and the README's table are generated from this. */
export const settings = {
  host: setting('ROLLCALL_HOST', '127.0.0.1', 'Address to listen on for HTTP and Socket.IO.', text),
  port: setting('ROLLCALL_PORT', 3000, 'Port for HTTP and Socket.IO. 0 picks a free one.', port),
  dataDir: setting(
    'ROLLCALL_DATA_DIR',
    './data',
    'Folder of the embedded store, the keys and the first password. Mode 0700, used by one process.',
    text,
  ),
  mongodbUrl: setting('ROLLCALL_MONGODB_URL', none, 'A MongoDB replica set to use instead of the embedded store.', mongodbUrl),
  acceptLoss: setting(
    'ROLLCALL_ACCEPT_LOSS',
    false,
    'Start once with a data file of the embedded store that has lost acknowledged changes. Otherwise such a file is refused.',
    truth,
  ),
  pepper: setting(
    'ROLLCALL_PEPPER',
    none,
    'Key for hashing tokens and passwords, used for nothing else. Generated on first start in the data folder. For an existing Meshblu database, set the pepper of that installation.',
    text,
  ),
  secret: setting(
    'ROLLCALL_SECRET',
    none,
    "Key that encrypts the registry's other keys. Generated on first start in the data folder. Every node needs the same value.",
    text,
  ),
  adminPassword: setting(
    'ROLLCALL_ADMIN_PASSWORD',
    none,
    'Password of the user admin. If not set, it is generated on first start, printed once and kept in a file of mode 0600 until it is changed.',
    text,
  ),
  passwordPolicy: setting(
    'ROLLCALL_PASSWORD_POLICY',
    defaultPasswordPolicy,
    'Minimum numbers of characters, lower-case letters, upper-case letters, digits and symbols in a new password. A missing member sets no minimum.',
    passwordPolicy,
  ),
  mfa: setting(
    'ROLLCALL_MFA',
    true,
    'Whether users may enrol in multi-factor authentication and may be required to. Users who have enrolled keep their second factor either way.',
    truth,
  ),
  mfaIssuer: setting('ROLLCALL_MFA_ISSUER', 'Rollcall', 'Name of this registry in authenticator applications.', issuer),
  mfaMaxWrongCodes: setting(
    'ROLLCALL_MFA_MAX_WRONG_CODES',
    5,
    'Number of wrong multi-factor codes after which a user is locked out of entering codes for `ROLLCALL_MFA_BAN_MS`.',
    whole(1, 1000),
  ),
  mfaBanMs: setting(
    'ROLLCALL_MFA_BAN_MS',
    900_000,
    'How long a user is locked out after too many wrong multi-factor codes, in milliseconds.',
    whole(1_000, 86_400_000),
  ),
  refreshGraceMs: setting(
    'ROLLCALL_REFRESH_GRACE_MS',
    10_000,
    'How long a repeated refresh gets the new tokens again, in milliseconds. Using the old refresh token later than that ends the login.',
    whole(0, 600_000),
  ),
  openRegistration: setting('ROLLCALL_OPEN_REGISTRATION', true, 'Whether devices may register without credentials.', truth),
  legacy: setting(
    'ROLLCALL_LEGACY',
    false,
    'Serve Engine.IO 3 clients (socket.io-client 1.x and 2.x, all published Meshblu clients).',
    truth,
  ),
  pingIntervalMs: setting(
    'ROLLCALL_PING_INTERVAL_MS',
    4_000,
    'How often a Socket.IO connection of the main engine is pinged, in milliseconds.',
    whole(500, 600_000),
  ),
  pingTimeoutMs: setting(
    'ROLLCALL_PING_TIMEOUT_MS',
    3_500,
    'How long a Socket.IO client of the main engine may take to answer a ping, in milliseconds. After that the connection is closed and the device goes offline.',
    whole(500, 600_000),
  ),
  legacyPingIntervalMs: setting(
    'ROLLCALL_LEGACY_PING_INTERVAL_MS',
    25_000,
    'Interval at which an Engine.IO 3 client is asked to ping, in milliseconds. With the ping timeout it should exceed one minute, because browsers throttle background tabs.',
    whole(500, 600_000),
  ),
  legacyPingTimeoutMs: setting(
    'ROLLCALL_LEGACY_PING_TIMEOUT_MS',
    60_000,
    'How long after its interval the ping of an Engine.IO 3 client may arrive, in milliseconds. After that the connection is closed.',
    whole(500, 600_000),
  ),
  keepAliveMs: setting(
    'ROLLCALL_KEEP_ALIVE_MS',
    65_000,
    'How long an idle HTTP connection stays open, in milliseconds. Must be longer than the idle timeout of a proxy in front, which otherwise answers 502.',
    whole(1_000, 3_600_000),
  ),
  mqttPort: setting('ROLLCALL_MQTT_PORT', noPort, 'Port for MQTT over TCP. If not set, there is no such listener.', port),
  mqttsPort: setting('ROLLCALL_MQTTS_PORT', noPort, 'Port for MQTT over TLS. If not set, there is no such listener.', port),
  mqttsCertFile: setting(
    'ROLLCALL_MQTTS_CERT_FILE',
    none,
    "PEM file with the certificate of the MQTT over TLS listener and its chain. If not set, the registry's own certificate authority issues one.",
    text,
  ),
  mqttsKeyFile: setting(
    'ROLLCALL_MQTTS_KEY_FILE',
    none,
    'PEM file with the private key of the certificate in `ROLLCALL_MQTTS_CERT_FILE`.',
    text,
  ),
  mqttDeniedPublish: setting(
    'ROLLCALL_MQTT_DENIED_PUBLISH',
    'ignore',
    'What happens when an MQTT client publishes to a topic it is not allowed to: `ignore` acknowledges and drops the message, `close` closes the connection.',
    (value: string): 'ignore' | 'close' => (value === 'ignore' || value === 'close' ? value : wrong('ignore or close')),
  ),
  mqttFilterLevels: setting(
    'ROLLCALL_MQTT_FILTER_LEVELS',
    2_000_000,
    'Maximum number of topic filter levels of all connected MQTT clients together. Kept sessions have a second allowance of this size. A level takes about 250 bytes of memory.',
    whole(0, 100_000_000),
  ),
  mqttFilterLevelsPerOwner: setting(
    'ROLLCALL_MQTT_FILTER_LEVELS_PER_OWNER',
    200_000,
    'Maximum number of topic filter levels of the connected MQTT clients of one owner. The kept sessions of the owner have a second allowance of this size.',
    whole(0, 100_000_000),
  ),
  mqttRetained: setting('ROLLCALL_MQTT_RETAINED', 100_000, 'Maximum number of retained MQTT messages.', whole(0, 10_000_000)),
  mqttRetainedBytes: setting(
    'ROLLCALL_MQTT_RETAINED_BYTES',
    134_217_728,
    'Maximum size of all retained MQTT messages, in bytes of their topics and payloads.',
    whole(0, 68_719_476_736),
  ),
  mqttRetainedPerOwner: setting(
    'ROLLCALL_MQTT_RETAINED_PER_OWNER',
    10_000,
    'Maximum number of retained MQTT messages of one owner: a user with their client records, or the tokens of one group.',
    whole(0, 10_000_000),
  ),
  mqttRetainedBytesPerOwner: setting(
    'ROLLCALL_MQTT_RETAINED_BYTES_PER_OWNER',
    16_777_216,
    'Maximum size of the retained MQTT messages of one owner (a user with their client records, or the tokens of one group), in bytes of their topics and payloads.',
    whole(0, 68_719_476_736),
  ),
  origins: setting(
    'ROLLCALL_ORIGINS',
    [] as readonly string[],
    'Exact browser origins that are allowed in addition to the origin of the registry, comma separated.',
    origins,
  ),
  trustedProxies: setting(
    'ROLLCALL_TRUSTED_PROXIES',
    [] as readonly string[],
    "Addresses and networks of trusted proxies, comma separated. The client's address is read from X-Forwarded-For or Forwarded only if the request comes from one of them.",
    networks,
  ),
  logLevel: setting('ROLLCALL_LOG_LEVEL', 'info' as LogLevel, `How much is logged: ${logLevels.join(', ')}.`, logLevel),
  privateWebhooks: setting(
    'ROLLCALL_PRIVATE_WEBHOOKS',
    false,
    'Whether webhooks may reach addresses that are not public (this machine, private networks).',
    truth,
  ),
  resumeWindowMs: setting(
    'ROLLCALL_RESUME_WINDOW_MS',
    600_000,
    'Maximum age of the changes in the change buffer, in milliseconds. A client that reconnects within this time is sent the changes it missed.',
    whole(1_000, 86_400_000),
  ),
  resumeWindowChanges: setting(
    'ROLLCALL_RESUME_WINDOW_CHANGES',
    100_000,
    'Maximum number of changes in the change buffer. The first bound that is reached applies.',
    whole(1, 10_000_000),
  ),
  resumeWindowBytes: setting(
    'ROLLCALL_RESUME_WINDOW_BYTES',
    268_435_456,
    'Maximum size of the change buffer, in bytes of memory (an estimate).',
    whole(1_048_576, 68_719_476_736),
  ),
  temporaryClientMs: setting(
    'ROLLCALL_TEMPORARY_CLIENT_MS',
    86_400_000,
    'Lifetime of a temporary MQTT client record, one created without name, client id or key, in milliseconds.',
    whole(1, 31_536_000_000),
  ),
  mqttClientsUnauthorized: setting(
    'ROLLCALL_MQTT_CLIENTS_UNAUTHORIZED',
    'redirect' as Unauthorized,
    `How /api/client answers a request without a login: ${unauthorizedForms.join(' (302 to /login) or ')} (401).`,
    (value) => unauthorizedForms.find((form) => form === value) ?? wrong(`one of ${unauthorizedForms.join(', ')}`),
  ),
  archiveBytes: setting(
    'ROLLCALL_ARCHIVE_BYTES',
    4_294_967_296,
    'Largest archive that a restore accepts, in bytes.',
    whole(1_048_576, 1_099_511_627_776),
  ),
  brokerHookSecret: setting(
    'ROLLCALL_BROKER_HOOK_SECRET',
    none,
    'Shared secret of an external MQTT broker that sends authorization requests to /api/broker. It is sent in X-Rollcall-Hook-Secret, as a bearer token, or as the password of Basic authentication.',
    secretText,
  ),
  brokerHookAddresses: setting(
    'ROLLCALL_BROKER_HOOK_ADDRESSES',
    undefined as readonly string[] | undefined,
    'Addresses and networks from which an external MQTT broker may send requests to /api/broker, comma separated. By default only this machine, or any address if `ROLLCALL_BROKER_HOOK_SECRET` is set.',
    networks,
  ),
  brokerHooksPerMinute: setting(
    'ROLLCALL_BROKER_HOOKS_PER_MINUTE',
    60_000,
    'Requests to /api/broker that one external MQTT broker may make in a clock minute. 0 means no limit.',
    whole(0, 100_000_000),
  ),
  messageBytes: setting(
    'ROLLCALL_MESSAGE_BYTES',
    262_144,
    'Largest message to devices, in bytes of JSON, over Socket.IO, HTTP and MQTT.',
    whole(65_536, 1_048_576),
  ),
  messageDeliveries: setting(
    'ROLLCALL_MESSAGE_DELIVERIES',
    10_000,
    'Maximum number of deliveries of one message or change: to addressees, along stored subscriptions, by forwarding and by webhooks. Further deliveries are dropped, counted and logged.',
    whole(1, 1_000_000),
  ),
  callsPerMinute: setting(
    'ROLLCALL_CALLS_PER_MINUTE',
    1200,
    'Calls that one device may make in a clock minute. 0 means no limit.',
    whole(0, 100_000_000),
  ),
} as const;

/** The values of all settings of one registry. */
export type Config = { readonly [K in keyof typeof settings]: (typeof settings)[K] extends Setting<infer T> ? T : never };

/** Error that lists every invalid setting, one line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Problems that only show when several settings are checked together. */
const contradictions = ({ passwordPolicy: given, adminPassword }: Config): readonly string[] => {
  const policy = readPasswordPolicy(given);
  if (policy === undefined) return [`ROLLCALL_PASSWORD_POLICY: must be ${policyForm}`];
  if (adminPassword === undefined) return [];
  return passwordProblems(policy, adminPassword, '').map(({ message }) => `ROLLCALL_ADMIN_PASSWORD: must have ${message}`);
};

/** Completes a partial configuration with the defaults. Throws a `ConfigError`. */
export const completeConfig = (options: Partial<Config>): Config => {
  const config: Config = { ...loadConfig({}), ...options };
  const problems = contradictions(config);
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  return { ...config, passwordPolicy: readPasswordPolicy(config.passwordPolicy) ?? defaultPasswordPolicy };
};

/**
 * Reads the settings from environment variables. Throws a `ConfigError`.
 * An empty variable counts as not set.
 * An unknown `ROLLCALL_…` variable is refused, because it is most likely misspelt.
 */
export const loadConfig = (environment: Readonly<Record<string, string | undefined>>): Config => {
  const problems: string[] = [];
  const known = new Set<string>(Object.values(settings).map(({ variable }) => variable));
  for (const variable of Object.keys(environment)) {
    if (variable.startsWith('ROLLCALL_') && !known.has(variable) && !clientVariables.has(variable))
      problems.push(`${variable}: there is no such setting`);
  }
  const entries = Object.entries(settings).map(([name, row]: [string, Setting<unknown>]) => {
    const given = environment[row.variable];
    if (given === undefined || given === '') return [name, row.fallback] as const;
    try {
      return [name, row.read(given)] as const;
    } catch (error) {
      problems.push(`${row.variable}: must be ${error instanceof Error ? error.message : 'another value'}`);
      return [name, row.fallback] as const;
    }
  });
  const config = Object.fromEntries(entries) as Config;
  problems.push(...contradictions(config));
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  return config;
};

/** Variables that the command line tool reads, not the registry. */
const clientVariables = new Set(['ROLLCALL_URL', 'ROLLCALL_UUID', 'ROLLCALL_TOKEN']);
