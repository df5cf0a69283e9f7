import { RegistryError } from '@rollcall/client/contract';
import type { History, Said, Stay } from './history.ts';
import type { Process } from './process.ts';
import type { Attached } from './realtime.ts';
import type { ReplicaSet } from './replica-set.ts';
import type { World } from './world.ts';
import type { DeviceDocument } from '@rollcall/server/internal/domain/documents/device';

/** How long a peer waits for an answer or for a connection, in milliseconds; how long it sends a message again, and for how long it is away. */
const ANSWER_MS = 4_000;
const REPEAT_MS = 60_000;
const AWAY_MS = 3_000;
/** Longer than a schedule lasts. */
const LONG_MS = 60_000;
/** How long the node's side of a connection may outlive the client's, in milliseconds. */
const HALF_OPEN_MS = 4_000;

/** Devices that are clients of ours: they say things to each other, lose their connections and come back on any node. */
export interface Peers {
  /** One random thing that a random one of them does. */
  act(): void;
}

interface Peer {
  readonly uuid: string;
  cursor: string | undefined;
  process: Process | null;
  attached: Attached | null;
  /** Brought up to date, so that it may send. */
  ready: boolean;
  /** Another one for each attempt to connect. */
  attempt: number;
  sending: boolean;
  said: number;
  readonly known: Set<string>;
}

/** One peer hears only those whom its list names; that list is changed now and then. The others hear everybody. */
const GUARDED = 'peer-0';

export const openPeers = (options: {
  readonly world: World;
  readonly set: ReplicaSet;
  readonly history: History;
  readonly processes: () => readonly Process[];
  readonly count: number;
}): Peers => {
  const { world, set, history, processes, count } = options;
  const { random } = world;
  const peers: Peer[] = Array.from({ length: count }, (_, index) => ({
    uuid: `peer-${index}`,
    cursor: undefined,
    process: null,
    attached: null,
    ready: false,
    attempt: 0,
    sending: false,
    said: 0,
    known: new Set(),
  }));
  for (const { uuid } of peers) set.insert('devices', { _id: uuid, uuid, effects: [], by: '', open: true, sendWhitelist: ['*'] });

  const way = (): number => random.between(0.1, random.chance(0.05) ? 40 : 2);

  /** The client's side of the connection is no more; the node's side may not notice for a while. */
  const drop = (peer: Peer, awayMs: number): void => {
    const { attached, process } = peer;
    peer.attempt += 1;
    peer.attached = null;
    peer.process = null;
    peer.ready = false;
    if (attached !== null && process !== null)
      world.after(random.chance(0.3) ? random.between(0, HALF_OPEN_MS) : 1, () => process.host.enter(() => leave(attached)));
    world.after(awayMs, () => connect(peer));
  };

  const leave = (attached: Attached): void => {
    if (!attached.left) attached.leave();
  };

  const received = (peer: Peer, process: Process, event: string, body: Readonly<Record<string, unknown>>): void => {
    if (event === 'resync') history.resyncs.push({ uuid: peer.uuid, time: world.time });
    if (event === 'config' && body['uuid'] === peer.uuid)
      history.known.set(peer.uuid, Number((body['meshblu'] as { readonly rev: number }).rev));
    if (event !== 'message') return;
    const id = String(body['payload']);
    const isNew = !peer.known.has(id);
    peer.known.add(id);
    history.heard.push({ uuid: peer.uuid, id, node: process.name, time: world.time, isNew });
  };

  const connect = (peer: Peer): void => {
    const attempt = (peer.attempt += 1);
    const isCurrent = (): boolean => peer.attempt === attempt;
    const process = random.pick(processes());
    const again = (): void => {
      if (isCurrent()) drop(peer, random.between(50, 800));
    };
    world.after(ANSWER_MS, () => {
      if (isCurrent() && peer.attached === null) again();
    });
    let newestArrival = 0;
    const toClient = (run: () => void): void => {
      newestArrival = Math.max(newestArrival, world.time + way());
      world.at(newestArrival, () => isCurrent() && run());
    };
    world.after(way(), () =>
      process.host.enter(() => {
        try {
          const attached = process.messaging.attach(
            peer.uuid,
            (event, body, cursor) => {
              if (event === 'message')
                history.handed.push({ uuid: peer.uuid, id: String(body['payload']), ...lateness(process), time: world.time });
              toClient(() => {
                if (peer.cursor === undefined && cursor !== undefined) history.arrivals.set(peer.uuid, world.time);
                peer.cursor = cursor ?? peer.cursor;
                received(peer, process, event, body);
              });
            },
            peer.cursor,
          );
          const stay: Stay = { uuid: peer.uuid, node: process.name, from: world.time, to: null };
          history.stays.push(stay);
          attached.connection.onLeave(() => void (stay.to = world.time));
          attached.connection.onLeave(() => toClient(() => drop(peer, random.between(10, 500))));
          if (!isCurrent()) return leave(attached);
          peer.process = process;
          peer.attached = attached;
          watch(peer, process, isCurrent);
          bringUp(peer, process, attached, isCurrent, toClient);
        } catch (error) {
          if (!(error instanceof RegistryError)) throw error;
          toClient(again);
        }
      }),
    );
  };

  /** Notices when the process at the other end is no more. */
  const watch = (peer: Peer, process: Process, isCurrent: () => boolean): void => {
    world.after(random.between(20, 1_000), () => {
      if (!isCurrent()) return;
      if (process.host.alive) watch(peer, process, isCurrent);
      else drop(peer, random.between(10, 500));
    });
  };

  /** Asks for what was missed until it has come. */
  const bringUp = (
    peer: Peer,
    process: Process,
    attached: Attached,
    isCurrent: () => boolean,
    toClient: (run: () => void) => void,
  ): void => {
    attached.resume().then(
      () => toClient(() => void (peer.ready = true)),
      () => {
        const again = (): void => {
          if (isCurrent()) process.host.enter(() => bringUp(peer, process, attached, isCurrent, toClient));
        };
        world.after(random.between(50, 500), again);
      },
    );
  };

  /** How late what this node knows may be at this moment. */
  const lateness = (process: Process) => ({
    node: process.name,
    stale: process.connection.staleUntil >= world.time,
    behind: set.behindUntil >= world.time,
  });

  const pause = (ms: number): Promise<void> => new Promise((resolve) => void world.after(ms, resolve));

  /** One sending over the connection that there is; true if it was acknowledged in time. */
  const sendOnce = (peer: Peer, said: Said, repeated: boolean): Promise<boolean> =>
    new Promise((resolve) => {
      const { process, attempt } = peer;
      const cancel = world.after(ANSWER_MS, () => resolve(false));
      const answer = (isDone: boolean): void => {
        world.after(way(), () => {
          if (peer.attempt !== attempt) return;
          cancel();
          resolve(isDone);
        });
      };
      world.after(way(), () =>
        process?.host.enter(() => {
          if (peer.attempt !== attempt) return;
          process.messaging.say(peer.uuid, said.to, said.id, repeated).then(
            () => answer(true),
            () => answer(false),
          );
        }),
      );
    });

  /** Sends a message until it is acknowledged; the next one comes after it. */
  const say = async (peer: Peer): Promise<void> => {
    peer.sending = true;
    const others = peers.filter((other) => other !== peer).map(({ uuid }) => uuid);
    const to = random.chance(0.5) ? [random.pick(others)] : others;
    peer.said += 1;
    const said: Said = { id: `${peer.uuid}#${peer.said}`, from: peer.uuid, to, sentAt: world.time, acknowledgedAt: null };
    history.said.push(said);
    let sendings = 0;
    while (world.time < said.sentAt + REPEAT_MS) {
      if (peer.ready) {
        sendings += 1;
        if (await sendOnce(peer, said, sendings > 1)) {
          said.acknowledgedAt = world.time;
          break;
        }
      }
      await pause(random.between(20, 200));
    }
    peer.sending = false;
  };

  const admit = (): void => {
    const process = random.pick(processes());
    const sendWhitelist = peers.filter(() => random.chance(0.6)).map(({ uuid }) => uuid);
    process.host.enter(() => {
      const change = (before: DeviceDocument | null) =>
        before === null ? null : { next: { ...before, sendWhitelist }, visible: true as const };
      // A node that does not serve loads nothing.
      if (process.node.state === 'serving') void process.devices.update(GUARDED, null, change).catch(() => undefined);
    });
  };

  for (const peer of peers) world.after(random.between(2_500, 4_000), () => connect(peer));

  return {
    act() {
      const peer = random.pick(peers);
      const dice = random.next();
      if (dice < 0.8) {
        if (!peer.sending) void say(peer);
      } else if (dice < 0.93) {
        if (peer.attached !== null) drop(peer, random.chance(0.1) ? LONG_MS : random.between(5, AWAY_MS));
      } else admit();
    },
  };
};
