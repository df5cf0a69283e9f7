import { RegistryError } from '@rollcall/client/contract';
import { createConnections, type Connection } from '@rollcall/server/internal/realtime/connections';
import type { ChangeFeed } from '@rollcall/server/internal/data/feed/change-feed';
import { openHistory } from '@rollcall/server/internal/realtime/resume/history';
import { matchingPushes, topicsBy } from '@rollcall/server/internal/realtime/pushes/pushes';
import { readMessage } from '@rollcall/server/internal/domain/message';
import type { Node } from '@rollcall/server/internal/data/cluster/node';
import { openRealtime, type Realtime } from '@rollcall/server/internal/realtime/open-realtime';
import type { Store } from '@rollcall/server/internal/data/store';
import type { Host } from './world.ts';
import type { Repository } from '@rollcall/server/internal/data/repository/types';
import type { DeviceDocument } from '@rollcall/server/internal/domain/documents/device';

/** What comes to a client's end of a connection: an event, its body, and the position that it may resume from. */
export type Got = (event: string, body: Readonly<Record<string, unknown>>, cursor: string | undefined) => void;

/** A client's connection to one node. */
export interface Attached {
  readonly connection: Connection;
  /** Has it ended? */
  readonly left: boolean;
  /** Asks for what was missed after the position that it came with. */
  resume(): Promise<void>;
  leave(): void;
}

/** The realtime side of one node, as a registry has it, without the transports. */
export interface Messaging {
  /** A client of ours connects as this device, and shows it as online; with a cursor it is going to resume from there, without one it gets one. */
  attach(uuid: string, got: Got, cursor?: string): Attached;
  /** One device says something to others. `repeated`: a sending of it may have come through before. */
  say(from: string, to: readonly string[], payload: unknown, repeated?: boolean): Promise<void>;
}

/** Rules that a test breaks on purpose, to see that the checks notice. */
export interface RealtimeBreaks {
  /** Whoever comes back gets what is new before what it missed. */
  readonly anyOrder?: boolean;
  /** Whoever comes back is not brought up to date. */
  readonly noResume?: boolean;
  /** Everybody hears everybody. */
  readonly openLists?: boolean;
  /** A connection that ends still shows its device as online. */
  readonly neverOffline?: boolean;
}

const allowing = (document: DeviceDocument | null): DeviceDocument | null => document && { ...document, sendWhitelist: '*' };

const unused = (): never => {
  throw new Error('nothing in a simulation asks for this');
};

/** Opens it when the node serves; until then everything is refused. */
export const openMessaging = (options: {
  readonly name: string;
  readonly store: Store;
  readonly feed: ChangeFeed;
  readonly node: Node;
  readonly devices: Repository<DeviceDocument>;
  readonly host: Host;
  readonly report: (error: unknown) => void;
  readonly breaks: RealtimeBreaks;
}): Messaging => {
  const { name, store, feed, node, host, report, breaks } = options;
  const devices: Repository<DeviceDocument> = breaks.openLists
    ? { ...options.devices, get: async (uuid) => allowing(await options.devices.get(uuid)) }
    : options.devices;
  const due = matchingPushes([]);
  const history = openHistory(feed, topicsBy(due));
  const connections = createConnections();
  let made = 0;
  let opened: Realtime | undefined;

  void node.ready.then(() => {
    opened = openRealtime(
      {
        store,
        feed,
        history,
        due,
        node,
        devices,
        tokens: { issue: unused, revoke: unused },
        authorities: { of: unused, peek: unused, getFresh: unused, rolesOf: unused },
        ids: { uuid: (purpose) => `${name}/${purpose}/${(made += 1)}` },
        connections,
        ownedBy: unused,
        privateKey: unused,
        alone: false,
        config: { privateWebhooks: false, messageDeliveries: 10_000, resumeWindowMs: 40_000, mfa: false },
        clock: host.clock,
        log: { warn: unused },
        report,
      },
      [],
    );
    opened.follow(async () => undefined);
  });

  const serving = (): Realtime => {
    node.check();
    if (opened === undefined) throw new RegistryError('unavailable');
    return opened;
  };

  return {
    attach(uuid, got, cursor) {
      const { resume, presence, line } = serving();
      const releases: (() => void)[] = [];
      let left = false;
      const leave = (): void => {
        left = true;
        take();
        if (!breaks.neverOffline) offline();
        for (const release of releases.splice(0)) release();
      };
      const connection: Connection = {
        actor: { uuid, credentialId: uuid, hash: '' },
        id: `${name}/${(made += 1)}`,
        takesMetadata: true,
        fanOut: { send: (_, event, body, extras) => got(event, body as Readonly<Record<string, unknown>>, extras?.cursor) },
        end() {
          leave();
          return undefined;
        },
        onLeave: (release) => releases.push(release),
      };
      const resumes = cursor !== undefined && breaks.noResume !== true;
      if (resumes && breaks.anyOrder) releases.push(connections.add({ ...connection, id: `${connection.id}/new` }));
      if (resumes) resume.expect(connection);
      else resume.begins(connection);
      const take = connections.add(connection);
      if (cursor === undefined) got('ready', {}, line.cursor);
      const offline = presence.track(uuid, host.clock.now);
      return {
        connection,
        get left() {
          return left;
        },
        async resume() {
          if (resumes) await serving().resume.resume(connection, cursor);
        },
        leave,
      };
    },
    async say(from, to, payload, repeated = false) {
      await serving().carriage.publish(readMessage({ devices: to, payload }, from, `${from}/${String(payload)}`), repeated);
    },
  };
};
