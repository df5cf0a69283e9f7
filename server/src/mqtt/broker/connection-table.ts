import type { Actor } from '../../domain/actor.ts';
import type { Connection, Connections } from '../../realtime/connections.ts';
import type { RegistryBridge } from '../registry-bridge.ts';
import { commandTopic } from '../../domain/topic-rights.ts';
import { matches } from '../subscription-index.ts';
import { backlogOf } from './aedes-internals.ts';
import type { ClientSession } from './client-session.ts';
import { encodeCommand, encodeMeshbluEvent, createMqttFanOut, type EncodedEvent } from './event-encoding.ts';

/**
 * Registers MQTT clients in the table of connections: for themselves, and for the devices that they
 * represent.
 */
export interface ConnectionTable {
  /** The connection of the client itself. `link` is called once the session exists. */
  connectionOf(link: () => ClientSession, actor: Actor, id: string): Connection;
  /** Registers a client, and shows its device as online. */
  join(link: ClientSession): void;
  /**
   * Registers a client as representing a device.
   * It subscribes to the commands of one serial number, or to all commands with the serial number
   * as client id.
   */
  subscribeToCommands(link: ClientSession, filter: string): Promise<void>;
  /** Messages for this device go out to the client as commands for its serial number. */
  representDevice(link: ClientSession, device: string, serial: string): void;
  /** Removes a client and the devices that it represents from the table. */
  leave(link: ClientSession): void;
}

/** Devices that one connection may represent. */
const maxDevicesPerLink = 1_000;

/** Creates the table. */
export const createConnectionTable = (kit: {
  readonly connections: Connections;
  readonly hold: (uuid: string, provenAt: () => number) => () => void;
  readonly provenAt: (link: ClientSession) => number;
  readonly ingest: Pick<RegistryBridge, 'deviceOf'>;
  readonly tell: (link: ClientSession, told: EncodedEvent, message: string | undefined) => void;
  /** Called once for each session whose client has left. */
  readonly left: (link: ClientSession) => void;
}): ConnectionTable => {
  const { connections, tell } = kit;

  /** Releases of each session, called when its client leaves. */
  const releases = new Map<ClientSession, (() => void)[]>();
  const spokenFor = new Map<ClientSession, Set<string>>();

  const heldBy = (link: ClientSession): (() => void)[] => {
    const held = releases.get(link) ?? [];
    releases.set(link, held);
    return held;
  };

  const join = (link: ClientSession, connection: Connection): void => {
    heldBy(link).push(
      connections.add(connection),
      kit.hold(connection.device ?? connection.actor.uuid, () => kit.provenAt(link)),
    );
  };

  const subscribeToCommands = async (link: ClientSession, filter: string): Promise<void> => {
    const { topicToken, serialNumber } = link.identity;
    if (topicToken === undefined) return;
    const commands = commandTopic(topicToken, '');
    const own = serialNumber ?? link.client.id;
    const named = filter.startsWith(commands) && !/[+#/]/.test(filter.slice(commands.length));
    const serial = named ? filter.slice(commands.length) : own;
    if (!named && !matches(filter, commandTopic(topicToken, own))) return;
    const device = await kit.ingest.deviceOf(link.identity, serial);
    if (device !== null) representDevice(link, device, serial);
  };

  const representDevice = (link: ClientSession, device: string, serial: string): void => {
    const spoken = spokenFor.get(link) ?? new Set<string>();
    spokenFor.set(link, spoken);
    const { topicToken, actor } = link.identity;
    if (spoken.has(device) || topicToken === undefined || link.ended || spoken.size >= maxDevicesPerLink) return;
    spoken.add(device);
    const topic = commandTopic(topicToken, serial);
    join(
      link,
      connectionOf(() => link, actor, `${link.id}/${device}`, device, topic),
    );
  };

  /**
   * A connection in the table: the client's own, or with a command topic that of a device it
   * represents.
   */
  const connectionOf = (link: () => ClientSession, actor: Actor, id: string, uuid: string, commands?: string): Connection => ({
    actor,
    ...(uuid !== actor.uuid && { device: uuid }),
    id,
    takesMetadata: false,
    fanOut: createMqttFanOut(
      (event, data) =>
        commands === undefined
          ? encodeMeshbluEvent(event, data, topicOf(link(), uuid, data))
          : encodeCommand(event, data, commands),
      (told, message) => tell(link(), told, message),
    ),
    end: (told) => end(link(), told === undefined ? undefined : encodeMeshbluEvent(told.event, told.data, uuid)),
    pending: () => backlogOf(link().client),
    onLeave: (release) => void heldBy(link()).push(release),
  });

  /**
   * The topic of an event: the sending device's for broadcasts that the client subscribes to,
   * otherwise its own.
   */
  const topicOf = (link: ClientSession, own: string, data: unknown): string => {
    const { fromUuid: from, devices } = (data ?? {}) as { readonly fromUuid?: unknown; readonly devices?: unknown };
    const isAddressed = Array.isArray(devices) ? devices.includes(own) : devices === own;
    return typeof from === 'string' && from !== own && !isAddressed && link.filters.has(from) ? from : own;
  };

  const end = (link: ClientSession, told?: EncodedEvent): Promise<unknown> => {
    if (!link.ended) {
      if (told !== undefined) tell(link, told, undefined);
      link.ended = true;
      // Waiting messages and the answer to its own call go out first.
      void link
        .settled()
        .then(() => link.following)
        .finally(() => setImmediate(() => setImmediate(() => link.client.close())));
      leave(link);
    }
    return link.settled();
  };

  const leave = (link: ClientSession): void => {
    for (const release of releases.get(link)?.splice(0) ?? []) release();
    releases.delete(link);
    spokenFor.delete(link);
    link.outgoing.leave();
    kit.left(link);
  };

  return {
    connectionOf: (link, actor, id) => connectionOf(link, actor, id, actor.uuid),
    join: (link) => join(link, link.connection),
    subscribeToCommands,
    representDevice,
    leave,
  };
};
