import { isIP } from 'node:net';
import type { PasswordPolicy } from '@rollcall/client/contract';
import { defaultPasswordPolicy, passwordProblems, readPasswordPolicy } from '../domain/password-policy.ts';

/** One setting: where it comes from, what it means, and how its text is read. */
interface Setting<T> {
  readonly variable: string;
  /** Used where the variable is not set; `undefined` means that there is none. */
  readonly fallback: T;
  readonly meaning: string;
  /** Reads the text, or throws an Error that says what it should be. */
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
/** How `/api/client` tells that somebody is not logged in (MC-1.2). */
export type Unauthorized = (typeof unauthorizedForms)[number];

const port = whole(0, 65_535);
const none: string | undefined = undefined;
const noPort: number | undefined = undefined;

/** Every setting of the registry. `.env.example` and the README's table are written from this. */
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
    'Hashing of tokens and passwords, nothing else. Made on first start in the data folder; an existing Meshblu database needs its own one.',
    text,
  ),
  secret: setting(
    'ROLLCALL_SECRET',
    none,
    "Seals the registry's other keys. Made on first start in the data folder; the same on every node.",
    text,
  ),
  adminPassword: setting(
    'ROLLCALL_ADMIN_PASSWORD',
    none,
    'Password of the user admin. Made on first start, printed once, kept in a 0600 file until changed.',
    text,
  ),
  passwordPolicy: setting(
    'ROLLCALL_PASSWORD_POLICY',
    defaultPasswordPolicy,
    'What new passwords must have at least: characters, lower-case and upper-case letters, digits, symbols. A missing member is no rule.',
    passwordPolicy,
  ),
  mfa: setting(
    'ROLLCALL_MFA',
    true,
    'May users enrol in multi-factor authentication, and be held to it? Whoever has enrolled keeps his second factor.',
    truth,
  ),
  mfaIssuer: setting('ROLLCALL_MFA_ISSUER', 'Rollcall', 'What authenticator applications call this registry.', issuer),
  mfaMaxWrongCodes: setting(
    'ROLLCALL_MFA_MAX_WRONG_CODES',
    5,
    'Wrong codes of one user after which no code of his is looked at for a while.',
    whole(1, 1000),
  ),
  mfaBanMs: setting('ROLLCALL_MFA_BAN_MS', 900_000, 'How long that is, in milliseconds.', whole(1_000, 86_400_000)),
  refreshGraceMs: setting(
    'ROLLCALL_REFRESH_GRACE_MS',
    10_000,
    'How long a repeat of a refresh gets the same new tokens, in milliseconds. A later use of the old refresh token ends the login.',
    whole(0, 600_000),
  ),
  openRegistration: setting('ROLLCALL_OPEN_REGISTRATION', true, 'May devices register without credentials?', truth),
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
    'How long the answer to such a ping may take, in milliseconds. Then the connection is closed, and the device goes offline.',
    whole(500, 600_000),
  ),
  legacyPingIntervalMs: setting(
    'ROLLCALL_LEGACY_PING_INTERVAL_MS',
    25_000,
    'How often an Engine.IO 3 client is asked to ping, in milliseconds. Throttled browser tabs need a minute in all.',
    whole(500, 600_000),
  ),
  legacyPingTimeoutMs: setting(
    'ROLLCALL_LEGACY_PING_TIMEOUT_MS',
    60_000,
    'How much later than that the ping may come, in milliseconds.',
    whole(500, 600_000),
  ),
  keepAliveMs: setting(
    'ROLLCALL_KEEP_ALIVE_MS',
    65_000,
    'How long an idle HTTP connection stays open, in milliseconds. Longer than the same time of a proxy, which answers 502 otherwise.',
    whole(1_000, 3_600_000),
  ),
  mqttPort: setting('ROLLCALL_MQTT_PORT', noPort, 'Port for MQTT over TCP. Not set: none.', port),
  mqttsPort: setting('ROLLCALL_MQTTS_PORT', noPort, 'Port for MQTT over TLS. Not set: none.', port),
  mqttsCertFile: setting(
    'ROLLCALL_MQTTS_CERT_FILE',
    none,
    "PEM file with the certificate of the MQTT listener, and its chain. Not set: one of the registry's own authority.",
    text,
  ),
  mqttsKeyFile: setting('ROLLCALL_MQTTS_KEY_FILE', none, 'PEM file with the private key of that certificate.', text),
  mqttDeniedPublish: setting(
    'ROLLCALL_MQTT_DENIED_PUBLISH',
    'ignore',
    'What happens when an MQTT client publishes where it may not: `ignore` acknowledges and drops the message, `close` closes the connection.',
    (value: string): 'ignore' | 'close' => (value === 'ignore' || value === 'close' ? value : wrong('ignore or close')),
  ),
  mqttFilterLevels: setting(
    'ROLLCALL_MQTT_FILTER_LEVELS',
    2_000_000,
    'How many levels the filters of connected MQTT clients may have in all, and those of kept sessions again as many. About 250 bytes of memory each.',
    whole(0, 100_000_000),
  ),
  mqttFilterLevelsPerOwner: setting(
    'ROLLCALL_MQTT_FILTER_LEVELS_PER_OWNER',
    200_000,
    'The same for the clients and sessions of one owner.',
    whole(0, 100_000_000),
  ),
  mqttRetained: setting(
    'ROLLCALL_MQTT_RETAINED',
    100_000,
    'How many MQTT messages may be retained in all.',
    whole(0, 10_000_000),
  ),
  mqttRetainedBytes: setting(
    'ROLLCALL_MQTT_RETAINED_BYTES',
    134_217_728,
    'The same in bytes of their topics and payloads.',
    whole(0, 68_719_476_736),
  ),
  mqttRetainedPerOwner: setting(
    'ROLLCALL_MQTT_RETAINED_PER_OWNER',
    10_000,
    'How many of them may be of one user with his client records, or of the tokens of one group.',
    whole(0, 10_000_000),
  ),
  mqttRetainedBytesPerOwner: setting(
    'ROLLCALL_MQTT_RETAINED_BYTES_PER_OWNER',
    16_777_216,
    'The same in bytes of their topics and payloads.',
    whole(0, 68_719_476_736),
  ),
  origins: setting(
    'ROLLCALL_ORIGINS',
    [] as readonly string[],
    'Exact browser origins allowed beside the same one, comma separated.',
    origins,
  ),
  trustedProxies: setting(
    'ROLLCALL_TRUSTED_PROXIES',
    [] as readonly string[],
    "Addresses and networks of proxies, comma separated. Only from these the client's address is taken from X-Forwarded-For or Forwarded.",
    networks,
  ),
  logLevel: setting('ROLLCALL_LOG_LEVEL', 'info' as LogLevel, `How much is logged: ${logLevels.join(', ')}.`, logLevel),
  privateWebhooks: setting(
    'ROLLCALL_PRIVATE_WEBHOOKS',
    false,
    'May webhooks reach addresses that are not public (this machine, networks of your own)?',
    truth,
  ),
  resumeWindowMs: setting(
    'ROLLCALL_RESUME_WINDOW_MS',
    600_000,
    'How far clients may be behind and still be sent what they missed, in milliseconds.',
    whole(1_000, 86_400_000),
  ),
  resumeWindowChanges: setting(
    'ROLLCALL_RESUME_WINDOW_CHANGES',
    100_000,
    'The same as a number of changes; whichever bound is met first counts.',
    whole(1, 10_000_000),
  ),
  resumeWindowBytes: setting(
    'ROLLCALL_RESUME_WINDOW_BYTES',
    268_435_456,
    'The same in bytes of memory, roughly counted.',
    whole(1_048_576, 68_719_476_736),
  ),
  temporaryClientMs: setting(
    'ROLLCALL_TEMPORARY_CLIENT_MS',
    86_400_000,
    'How long an MQTT client record lives that was made without name, client id or key, in milliseconds.',
    whole(1, 31_536_000_000),
  ),
  mqttClientsUnauthorized: setting(
    'ROLLCALL_MQTT_CLIENTS_UNAUTHORIZED',
    'redirect' as Unauthorized,
    `What /api/client answers to whoever is not logged in: ${unauthorizedForms.join(' (302 to /login) or ')} (401).`,
    (value) => unauthorizedForms.find((form) => form === value) ?? wrong(`one of ${unauthorizedForms.join(', ')}`),
  ),
  archiveBytes: setting(
    'ROLLCALL_ARCHIVE_BYTES',
    4_294_967_296,
    'Largest archive that is taken to be restored, in bytes.',
    whole(1_048_576, 1_099_511_627_776),
  ),
  brokerHookSecret: setting(
    'ROLLCALL_BROKER_HOOK_SECRET',
    none,
    'What an MQTT broker outside has to show to ask /api/broker who may do what: in X-Rollcall-Hook-Secret, as bearer, or as the password of Basic.',
    secretText,
  ),
  brokerHookAddresses: setting(
    'ROLLCALL_BROKER_HOOK_ADDRESSES',
    undefined as readonly string[] | undefined,
    'Addresses and networks from which such a broker may ask, comma separated. Default: this machine; with a secret, any.',
    networks,
  ),
  brokerHooksPerMinute: setting(
    'ROLLCALL_BROKER_HOOKS_PER_MINUTE',
    60_000,
    'Questions that one broker may ask in a clock minute. 0: no limit.',
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
    'Deliveries that one message or change may make in all: to addressees, along stored subscriptions, by forwarding and by webhooks. The others are left out, counted and logged.',
    whole(1, 1_000_000),
  ),
  callsPerMinute: setting(
    'ROLLCALL_CALLS_PER_MINUTE',
    1200,
    'Calls that one device may make in a clock minute. 0: no limit.',
    whole(0, 100_000_000),
  ),
} as const;

/** The settings of one registry. */
export type Config = { readonly [K in keyof typeof settings]: (typeof settings)[K] extends Setting<infer T> ? T : never };

/** Thrown with every bad setting at once, one line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** What is wrong between settings, whatever they were read from. */
const contradictions = ({ passwordPolicy: given, adminPassword }: Config): readonly string[] => {
  const policy = readPasswordPolicy(given);
  if (policy === undefined) return [`ROLLCALL_PASSWORD_POLICY: must be ${policyForm}`];
  if (adminPassword === undefined) return [];
  return passwordProblems(policy, adminPassword, '').map(({ message }) => `ROLLCALL_ADMIN_PASSWORD: must have ${message}`);
};

/** The settings of a program that gives some of them itself; what is missing has its default. Fails with a `ConfigError`. */
export const completeConfig = (options: Partial<Config>): Config => {
  const config: Config = { ...loadConfig({}), ...options };
  const problems = contradictions(config);
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  return { ...config, passwordPolicy: readPasswordPolicy(config.passwordPolicy) ?? defaultPasswordPolicy };
};

/**
 * Reads the settings from environment variables. Empty ones count as not set; an unknown `ROLLCALL_…` name is refused, as it is
 * most likely a misspelt one.
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

/** Read by the command line tool, not by the registry. */
const clientVariables = new Set(['ROLLCALL_URL', 'ROLLCALL_UUID', 'ROLLCALL_TOKEN']);
