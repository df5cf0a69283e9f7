import { compilePermissions, type Grant, type Permissions } from './permissions.ts';

/** Who an MQTT client is, as far as topics depend on it (DM-5). */
export interface Holder {
  readonly uuid: string;
  /**
   * What the kind of the principal brings with it: a device, a user, an MQTT token, an MQTT client
   * record.
   */
  readonly kind: 'device' | 'user' | 'mqttToken' | 'mqttClient';
  /** The first level of a token's topics. */
  readonly topicToken?: string;
  /** The only serial number that a token may speak for. */
  readonly serialNumber?: string;
  /** The name of the account that a client record belongs to. */
  readonly account?: string;
}

/** What a client may do with topics, as far as it needs no roles. */
export interface OwnRights {
  write(topic: string): boolean;
  /** `filter` may have wildcards: then everything it matches has to be covered. */
  read(filter: string): boolean;
}

/** The topics on which Meshblu's MQTT clients ask for something (DM-5). */
export const jobTopics = ['message', 'update', 'whoami', 'generateAndStoreToken', 'resetToken', 'getPublicKey'] as const;
export type JobTopic = (typeof jobTopics)[number];
export const isJobTopic = (topic: string): topic is JobTopic => (jobTopics as readonly string[]).includes(topic);

/** Where an MQTT token's device gets its commands (MT-5). */
export const commandTopic = (topicToken: string, serialNumber: string): string => `${topicToken}/server/commands/${serialNumber}`;

const tree = (resource: string, operation: Grant['operation']): Grant => ({ context: 'mqtt', resource, operation });

const ownGrants = ({ kind, topicToken, serialNumber, account }: Holder): readonly Grant[] => {
  if (kind === 'mqttToken' && topicToken !== undefined) {
    if (serialNumber === undefined) return [tree(`${topicToken}/#`, 'readWrite')];
    const serial = serialNumber.toLowerCase();
    return [tree(`${topicToken}/${serial}/#`, 'write'), tree(commandTopic(topicToken, serial), 'read')];
  }
  return kind === 'mqttClient' && account !== undefined ? [tree(`users/${account}/#`, 'readWrite')] : [];
};

/** A token that is bound to a serial number compares it without regard to case (MT-2). */
const foldSerial = (topic: string): string => {
  const levels = topic.split('/');
  const at = levels[1] === 'server' && levels[2] === 'commands' ? 3 : 1;
  const serial = levels[at];
  if (serial !== undefined) levels[at] = serial.toLowerCase();
  return levels.join('/');
};

/**
 * The topics that a client has by what it is: its own tree, its own uuid, and for devices and users
 * Meshblu's job topics.
 */
export const ownRights = (holder: Holder): OwnRights => {
  const own: Permissions = compilePermissions(ownGrants(holder));
  const fold = holder.serialNumber === undefined ? (topic: string): string => topic : foldSerial;
  const asks = holder.kind === 'device' || holder.kind === 'user';
  return {
    write: (topic) => own.allow('mqtt', 'write', fold(topic)) || (asks && isJobTopic(topic)),
    read: (filter) => filter === holder.uuid || own.allow('mqtt', 'read', fold(filter)),
  };
};

/** Can this be a topic or a filter, of so many bytes at most (MQTT 3.1.1, section 4.7.3)? */
export const isTopic = (text: string, maxBytes: number): boolean =>
  text !== '' && !text.includes('\0') && Buffer.byteLength(text) <= maxBytes;

/** Can this filter be the uuid of a device, whose broadcasts come on it? */
export const isDeviceTopic = (filter: string): boolean => !/[+#/]/.test(filter);

const shared = /^\$share\/[^/]+\//;

/** The filter that a shared subscription shares (AC-5.2). */
export const filterOf = (subscription: string): string => subscription.replace(shared, '');

/** The topic that a publish goes to: the prefix stands in front of it literally (AC-5.3). */
export const publishedTopic = (prefix: string, topic: string): string => `${prefix}${topic}`;

/** May this topic be published to? The broker's own topics may not, whatever a role says. */
export const mayPublish = (own: OwnRights, roles: Permissions | undefined, topic: string): boolean =>
  !topic.startsWith('$SYS') && (own.write(topic) || roles?.allow('mqtt', 'write', topic) === true);

/** May this filter be subscribed to, or a message on this topic be delivered? */
export const mayRead = (own: OwnRights, roles: Permissions | undefined, filter: string): boolean =>
  own.read(filter) || roles?.allow('mqtt', 'read', filter) === true;
