import type { Aedes, Client } from 'aedes';
import type { Duplex } from 'node:stream';

/** What aedes 1.2 keeps to itself and its declarations leave out, as far as it is used here. */
interface BrokerInternals {
  /** The clients that are connected, by client id. */
  readonly clients: Readonly<Record<string, Client | undefined>>;
}

interface ClientInternals {
  readonly conn: Duplex;
  /** By filter. */
  readonly subscriptions: Readonly<Record<string, { readonly qos: number } | undefined>>;
  /** The packets that were seen, by broker: a second one with the same number is a repeat. */
  readonly duplicates: Record<string, number>;
  /** The parser of mqtt-packet. */
  readonly _parser: Parser;
}

/** mqtt-packet's parser: `_parseLength` reads the remaining length of a packet and is true when it has it. */
interface Parser {
  packet: { readonly length: number };
  _parseLength(): boolean;
  emit(event: 'error', error: Error): boolean;
}

const internalsOf = (client: Client): ClientInternals => client as unknown as ClientInternals;

export const clientOf = (broker: Aedes, clientId: string): Client | undefined =>
  (broker as unknown as BrokerInternals).clients[clientId];

/** Bytes that the other end has not read yet. */
export const backlogOf = (client: Client): number => internalsOf(client).conn.writableLength;

/** What a connected client subscribes to, with the QoS that it asked for. */
export const subscriptionsOf = (client: Client): readonly (readonly [filter: string, qos: number])[] =>
  Object.entries(internalsOf(client).subscriptions).map(([filter, subscribed]) => [filter, subscribed?.qos ?? 0]);

/**
 * Ends a connection as soon as a packet announces more than `most` bytes: mqtt-packet would wait for all of them, up to 256 MiB.
 */
export const limitPackets = (client: Client, most: number): void => {
  const parser = internalsOf(client)._parser;
  const parseLength = parser._parseLength.bind(parser);
  parser._parseLength = () => {
    const known = parseLength();
    if (!known || parser.packet.length <= most) return known;
    parser.emit('error', new Error(`a packet is larger than ${most} bytes`));
    return false;
  };
};

/** How many packets a client is known to have had: a packet comes once by each matching subscription, all of them at once. */
const mostPassed = 64;

/** Notes a packet that a client has been offered, and forgets the oldest of `passed`: aedes would remember each for ever. */
export const forgetPacket = (client: Client, passed: string[], id: string): void => {
  passed.push(id);
  if (passed.length <= mostPassed) return;
  const oldest = passed.shift();
  if (oldest !== undefined) delete internalsOf(client).duplicates[oldest];
};
