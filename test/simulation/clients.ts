import { RegistryError } from '@rollcall/client/contract';
import type { Call, History } from './history.ts';
import type { Process } from './process.ts';
import type { ReplicaSet } from './replica-set.ts';
import type { World } from './world.ts';
import type { RequestId } from '@rollcall/server/internal/domain/revision';

/** How long a client waits for one answer, and how long it repeats a call, in milliseconds. */
const ANSWER_MS = 4_000;
const REPEAT_MS = 60_000;
/** Calls that one client has open at most, and how far its oldest open counter may be behind its newest. */
const OPEN = 4;
const SPREAD = 32;

/** Where clients, documents and sessions of one schedule meet. */
export interface Traffic {
  /** Begins one random action of one random client. */
  act(): void;
  /** Resolves when no call is open any more. */
  readonly open: number;
}

export interface TrafficOptions {
  readonly world: World;
  readonly set: ReplicaSet;
  readonly history: History;
  readonly processes: () => readonly Process[];
  readonly clients: number;
  readonly documents: number;
}

interface Client {
  readonly name: string;
  counter: number;
  readonly open: Set<number>;
  session: string;
  /** The last revision that it has seen of each document. */
  readonly known: Map<string, number>;
}

/** How one sending ended: with a revision, with a code, or not at all. */
type Answer = { readonly rev: number } | { readonly code: string } | null;

export const openTraffic = ({ world, set, history, processes, clients: count, documents }: TrafficOptions): Traffic => {
  const { random } = world;
  let sessions = 0;
  let created = 0;
  let revokes = 0;
  let open = 0;

  const enrol = (): string => {
    const session = `session-${(sessions += 1)}`;
    const insert = (): void => void set.insert('tokens', { _id: session, uuid: session, hashedToken: session, metadata: {} });
    set.whenUp(insert);
    return session;
  };

  const uuids = Array.from({ length: documents }, (_, index) => `device-${index}`);
  // Documents of an old database: the registry has never written them.
  for (const uuid of uuids) set.insert('devices', { _id: `old-${uuid}`, uuid, effects: [], by: '', open: true });
  const clients: Client[] = Array.from({ length: count }, (_, index) => ({
    name: `client-${index}`,
    counter: 0,
    open: new Set(),
    session: enrol(),
    known: new Map(),
  }));

  const pause = (ms: number): Promise<void> => new Promise((resolve) => void world.after(ms, resolve));

  /** One sending: its answer, or null if it was not there in time. Some answers get lost on the way to the client. */
  const send = (
    work: (process: Process) => Promise<number>,
    chosen: (process: Process) => void = () => undefined,
  ): Promise<Answer> =>
    new Promise((resolve) => {
      const process = random.pick(processes());
      chosen(process);
      const cancel = world.after(ANSWER_MS, () => resolve(null));
      const answer = (value: Answer): void => {
        if (random.chance(0.03)) return;
        cancel();
        resolve(value);
      };
      world.after(random.between(0.1, 3), () =>
        process.host.enter(() => {
          work(process).then(
            (rev) => answer({ rev }),
            (error: unknown) => {
              if (error instanceof RegistryError) return answer({ code: error.code });
              history.alarms.push(
                `${process.name}: a call failed: ${String(error)} ${error instanceof Error ? error.stack : ''}`,
              );
              answer({ code: 'internal' });
            },
          );
        }),
      );
    });

  const withLogin =
    (session: string, work: (process: Process) => Promise<number>) =>
    async (process: Process): Promise<number> => {
      try {
        return await work(process);
      } catch (error) {
        if (!(error instanceof RegistryError && error.code === 'unauthenticated')) throw error;
        await process.login(session);
        return work(process);
      }
    };

  /** Sends a call until its newest sending is answered for good. */
  const perform = async (
    client: Client,
    call: Call,
    work: (process: Process, request: RequestId | null) => Promise<number>,
  ): Promise<void> => {
    const counter = call.numbered ? (client.counter += 1) : 0;
    client.open.add(counter);
    open += 1;
    history.calls.push(call);
    const until = world.time + REPEAT_MS;
    for (let again = 0; world.time < until; again += 1) {
      call.sendings += 1;
      const request = call.numbered ? { actor: client.name, instance: client.name, counter, again } : null;
      let chosen!: Process;
      call.begun = world.time;
      const answer = await send(
        withLogin(call.session, (process) => work(process, request)),
        (process) => (chosen = process),
      );
      call.answered = world.time;
      call.stale = chosen.connection.staleUntil >= call.begun;
      call.behind = set.behindUntil >= call.begun;
      call.outcome = answer === null ? null : 'rev' in answer ? 'done' : answer.code;
      call.rev = answer !== null && 'rev' in answer ? answer.rev : null;
      const retry = answer === null || ('code' in answer && ['unavailable', 'busy', 'internal'].includes(answer.code));
      if (!retry || !call.numbered) break;
      await pause(random.between(50, 800));
    }
    if (call.rev !== null && call.kind !== 'remove') client.known.set(call.uuid, call.rev);
    client.open.delete(counter);
    open -= 1;
  };

  const callOf = (client: Client, kind: Call['kind'], uuid: string, more: Partial<Call> = {}): Call => ({
    kind,
    effect: `${client.name}/${history.calls.length}`,
    session: client.session,
    uuid,
    expectedRev: undefined,
    fickle: false,
    begun: 0,
    answered: 0,
    stale: false,
    behind: false,
    numbered: true,
    sendings: 0,
    outcome: null,
    rev: null,
    ...more,
  });

  const update = (client: Client): void => {
    const uuid = random.pick(uuids);
    const expectedRev = random.chance(0.2) ? client.known.get(uuid) : undefined;
    const call = callOf(client, 'update', uuid, { expectedRev, numbered: random.chance(0.8), fickle: random.chance(0.1) });
    void perform(client, call, (process, request) => process.update(call, request));
  };

  const create = (client: Client): void => {
    const uuid = `device-new-${(created += 1)}`;
    const call = callOf(client, 'create', uuid);
    void perform(client, call, (process, request) => process.create(call.session, uuid, request!, call.effect));
    uuids[random.whole(0, uuids.length - 1)] = uuid;
  };

  const remove = (client: Client): void => {
    const uuid = random.pick(uuids);
    const call = callOf(client, 'remove', uuid);
    void perform(client, call, (process, request) => process.remove(call.session, uuid, request!, call.effect));
  };

  const read = async (client: Client): Promise<void> => {
    const uuid = random.pick(uuids);
    const { session } = client;
    let chosen!: Process;
    const begun = world.time;
    const answer = await send(
      withLogin(session, (process) => process.read(session, uuid)),
      (process) => (chosen = process),
    );
    if (answer && 'rev' in answer) {
      history.reads.push({
        begun,
        node: chosen.name,
        uuid,
        rev: answer.rev,
        stale: chosen.connection.staleUntil >= begun,
        behind: set.behindUntil >= begun,
      });
    }
  };

  const revoke = async (client: Client): Promise<void> => {
    const { session } = client;
    client.session = enrol();
    const counter = (revokes += 1);
    const begun = world.time;
    open += 1;
    for (let again = 0; again < 12; again += 1) {
      let time = 0;
      const request = { actor: 'admin', instance: 'admin', counter, again };
      const answer = await new Promise<Answer>((resolve) => {
        world.after(20_000, () => resolve(null));
        void send(async (process) => {
          await process.revoke(session, request);
          time = world.time;
          history.revoked.push({ session, begun, time });
          resolve({ rev: 0 });
          return 0;
        }).then((value) => value !== null && 'code' in value && resolve(value));
      });
      if (answer !== null && ('rev' in answer || !['unavailable', 'busy'].includes(answer.code))) break;
      await pause(500);
    }
    open -= 1;
  };

  const admit = async (): Promise<void> => {
    const uuid = random.pick(uuids);
    await send((process) => process.admit(uuid, random.chance(0.8)).then(() => 0));
  };

  const resume = (): void => {
    const running = processes().filter(({ host }) => !host.stopped);
    const past = history.feeds.filter(({ position }) => position !== 'resync').slice(-600);
    if (past.length === 0 || running.length === 0) return;
    const process = random.pick(running);
    const from = random.pick(past).position;
    const got = process.feed.since(`feed.${from}`);
    history.resumes.push({
      node: process.name,
      from,
      to: process.feed.position,
      got: got === 'resync' ? got : got.map(({ position }) => position),
    });
  };

  return {
    get open() {
      return open;
    },
    act() {
      const client = random.pick(clients);
      if (client.open.size >= OPEN || client.counter - Math.min(client.counter, ...client.open) >= SPREAD) return;
      const dice = random.next();
      if (dice < 0.5) update(client);
      else if (dice < 0.78) void read(client);
      else if (dice < 0.84) void admit();
      else if (dice < 0.88) create(client);
      else if (dice < 0.9) remove(client);
      else if (dice < 0.95) void revoke(client);
      else resume();
    },
  };
};
