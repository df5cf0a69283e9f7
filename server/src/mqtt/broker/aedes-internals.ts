import type { Aedes, Client } from 'aedes';
import type { Duplex } from 'node:stream';

/** The parts of aedes 1.2 that its declarations leave out, as far as they are used here. */
interface BrokerInternals {
  /** Delivers a packet to its subscribers. `done` is called when all of them have taken it. */
  readonly mq: { emit(packet: unknown, done: () => void): unknown };
  /** The clients that are connected, by client id. */
  readonly clients: Readonly<Record<string, Client | undefined>>;
}

interface ClientInternals {
  readonly conn: Duplex;
  /** The client's subscriptions, by filter. */
  readonly subscriptions: Readonly<Record<string, unknown>>;
  /** Packets seen so far, by broker. A second one with an equal number is a repeat. */
  readonly duplicates: Record<string, number>;
  readonly _parser: Parser;
  connackSent: boolean;
  /** Callbacks that wait until the connection accepts bytes again, one for each packet. */
  readonly _pendingDrains: readonly unknown[];
  /** Stops reading until aedes has admitted the client. */
  pause(): void;
  /** Packets in progress. More is read only when this is zero. */
  _parsingBatch: number;
  /** Reports one packet as processed. */
  _nextBatch(): void;
}

/** A packet as mqtt-packet parses it. */
export interface Parsed {
  readonly cmd: string;
  /** The remaining length. */
  readonly length: number;
  readonly dup: boolean;
  readonly qos: number;
  readonly topic: string | null;
  readonly messageId?: number;
  readonly username?: string;
  readonly password?: Uint8Array;
  readonly will?: { readonly topic: string; readonly qos: number };
  readonly subscriptions?: readonly { readonly topic: string }[];
  readonly unsubscriptions?: readonly string[];
}

/** The parser of mqtt-packet 9. Each step returns true when it has all its bytes. */
export interface Parser {
  readonly packet: Parsed;
  /** The failure of a step. */
  readonly error: Error | null;
  /** Unconsumed bytes, beginning with the current packet. */
  readonly _list: { readonly length: number; slice(start: number, end: number): Buffer; consume(bytes: number): void };
  /** Position in the unconsumed bytes. */
  readonly _pos: number;
  _parseHeader(): boolean;
  _parseLength(): boolean;
  _parsePayload(): boolean;
  _parseString(): string | null;
  _emitError(error: Error): void;
  parse(bytes: Buffer): number;
  /** Adds a listener that gets packets before aedes does. */
  prependListener(event: 'packet', listener: (packet: Parsed) => void): unknown;
}

const internalsOf = (client: Client): ClientInternals => client as unknown as ClientInternals;

export const clientOf = (broker: Aedes, clientId: string): Client | undefined =>
  (broker as unknown as BrokerInternals).clients[clientId];

/** Bytes that the client has not read yet. */
export const backlogOf = (client: Client): number => internalsOf(client).conn.writableLength;

/** Packets that the client has not read yet, approximately. */
export const unreadBy = (client: Client): number => internalsOf(client)._pendingDrains.length;

/**
 * Limits how long a publisher waits for its subscribers, in milliseconds.
 * The wait slows a publisher to the speed of its subscribers. After this time the next message is
 * taken in spite of stalled ones.
 */
export const waitAtMost = (broker: Aedes, ms: number): void => {
  const { mq } = broker as unknown as BrokerInternals;
  const emit = mq.emit.bind(mq);
  mq.emit = (packet, done) => {
    let isDone = false;
    const finish = (): void => {
      clearTimeout(timer);
      if (!isDone) done();
      isDone = true;
    };
    const timer = setTimeout(finish, ms);
    return emit(packet, finish);
  };
};

/** The filters that a connected client subscribes to. */
export const filtersOf = (client: Client): readonly string[] => Object.keys(internalsOf(client).subscriptions);

export const parserOf = (client: Client): Parser => internalsOf(client)._parser;

/** Can anything be sent to a client? */
export const isOpen = (client: Client): boolean => !client.closed && !internalsOf(client).conn.destroyed;

/** Stops reading from a client until aedes has admitted it. */
export const pause = (client: Client): void => internalsOf(client).pause();

/** A count above that of any packets in progress. */
const many = 1_000_000;

/** Stops reading from an admitted client. The function returned resumes. */
export const stopReading = (client: Client): (() => void) => {
  const internals = internalsOf(client);
  internals._parsingBatch += many;
  return () => {
    internals._parsingBatch -= many;
    internals._nextBatch();
  };
};

/** Has CONNACK been sent? Nothing goes out before it [MQTT-3.2.0-1]. */
export const isLetIn = (client: Client): boolean => internalsOf(client).connackSent;

/**
 * Marks CONNACK as sent. aedes does so only after its own event, and holds back packets that come
 * in between.
 */
export const letIn = (client: Client): void => {
  internalsOf(client).connackSent = true;
};

/**
 * Offered packets remembered for each client. A packet comes once for each matching subscription,
 * all at once.
 */
const maxPassed = 64;

/**
 * Notes a packet that was offered to a client, and forgets the oldest in `passed`. aedes itself
 * would never forget one.
 */
export const forgetPacket = (client: Client, passed: string[], id: string): void => {
  passed.push(id);
  if (passed.length <= maxPassed) return;
  const oldest = passed.shift();
  if (oldest !== undefined) delete internalsOf(client).duplicates[oldest];
};

/** Makes aedes forget that a client was offered this packet. */
export const offerAgain = (client: Client, id: string): void => {
  delete internalsOf(client).duplicates[id];
};
