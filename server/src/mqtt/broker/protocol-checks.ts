import { isUtf8 } from 'node:buffer';
import type { Client } from 'aedes';
import { isLetIn, parserOf, stopReading, type Parsed } from './aedes-internals.ts';

/** CONNACK with return code 1: a protocol level that is not served (MQTT 3.1.1, section 3.2.2.3). */
const unacceptableLevel = Buffer.of(0x20, 2, 0, 1);
/** By protocol name. MQTT 3.1 has level 3 under a name of its own; published Meshblu clients say that name and level 4. */
const levels: Readonly<Record<string, readonly number[]>> = { MQTT: [4], MQIsdp: [3, 4] };

/** Does the variable header of a CONNECT name a protocol that is served, with a level that is not? */
const isOtherLevel = (bytes: Uint8Array): boolean => {
  const length = Buffer.from(bytes.subarray(0, 2)).readUInt16BE();
  const served = levels[Buffer.from(bytes.subarray(2, 2 + length)).toString('latin1')];
  const level = bytes[2 + length];
  // Bit 7 is how bridges announce themselves to one another.
  return served !== undefined && level !== undefined && !served.includes(level & 0x7f);
};

/** MQTT 3.1.1, section 4.7.1: `#` alone on the last level, `+` alone on any. */
const isFilter = (filter: string): boolean =>
  filter !== '' &&
  filter
    .split('/')
    .every((level, at, { length }) => level === '+' || (level === '#' && at === length - 1) || !/[+#]/.test(level));

const isTopicName = (topic: string): boolean => topic !== '' && !/[+#]/.test(topic);

/**
 * What MQTT 3.1.1 forbids in a packet and mqtt-packet lets pass; undefined if it is as it has to be. `read` is how many bytes of it were read,
 * without the payload of a PUBLISH.
 */
const faultOf = (packet: Parsed, read: number): string | undefined => {
  const { cmd, length, messageId = 0 } = packet;
  // mqtt-packet reads on into the next packet where this one is too short.
  if (read > length) return 'it is cut off';
  switch (cmd) {
    case 'connect':
      if (read !== length) return 'there is something behind it [MQTT-3.1.4-1]';
      if (packet.password !== undefined && packet.username === undefined) return 'a password without a name [MQTT-3.1.2-22]';
      if (packet.will !== undefined && packet.will.qos > 2) return 'a will with QoS 3 [MQTT-3.1.2-14]';
      return packet.will === undefined || isTopicName(packet.will.topic) ? undefined : 'no topic of a will [MQTT-4.7.1-1]';
    case 'publish':
      if (packet.dup && packet.qos === 0) return 'a repeat with QoS 0 [MQTT-3.3.1-2]';
      if (packet.qos > 0 && messageId < 1) return 'no packet identifier [MQTT-2.3.1-1]';
      return isTopicName(packet.topic ?? '') ? undefined : 'no topic name [MQTT-3.3.2-2]';
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return length === 2 && messageId > 0 ? undefined : 'no packet identifier [MQTT-2.3.1-1]';
    case 'subscribe':
    case 'unsubscribe': {
      const filters = packet.unsubscriptions ?? packet.subscriptions?.map(({ topic }) => topic) ?? [];
      if (read !== length) return 'there is something behind it';
      if (messageId < 1) return 'no packet identifier [MQTT-2.3.1-1]';
      if (filters.length === 0) return 'no filter [MQTT-3.8.3-3] [MQTT-3.10.3-2]';
      return filters.every(isFilter) ? undefined : 'a filter that is none [MQTT-4.7.1-2] [MQTT-4.7.1-3]';
    }
    case 'pingreq':
    case 'disconnect':
      return length === 0 ? undefined : 'there is something behind it';
    default:
      return 'a packet that no server takes';
  }
};

/** One of these is carried out in several steps, and aedes would mix them with those of the next packet. */
const awaited: ReadonlySet<string> = new Set(['subscribe', 'unsubscribe']);

/**
 * Ends a connection, without an answer, when it breaks the protocol in a way that mqtt-packet
 * accepts (MQTT 3.1.1, section 4.8).
 * It also ends it as soon as a packet announces more than `most` bytes: mqtt-packet would wait for
 * all of them, up to 256 MiB.
 *
 * Packets after CONNECT, SUBSCRIBE and UNSUBSCRIBE are not read before those are answered. The
 * function returned reports the answer.
 * Packets after DISCONNECT are not read at all.
 */
export const addProtocolChecks = (client: Client, most: number): (() => void) => {
  const parser = parserOf(client);
  const fail = (what: string): false => {
    parser._emitError(new Error(what));
    return false;
  };
  let goOn: (() => void) | undefined;
  let hasLeft = false;

  const parseHeader = parser._parseHeader.bind(parser);
  parser._parseHeader = () => {
    if (hasLeft) parser._list.consume(parser._list.length);
    return goOn === undefined && !hasLeft && parseHeader();
  };

  const parseLength = parser._parseLength.bind(parser);
  parser._parseLength = () => {
    const known = parseLength();
    return known && parser.packet.length > most ? fail(`a packet is larger than ${most} bytes`) : known;
  };

  const parsePayload = parser._parsePayload.bind(parser);
  parser._parsePayload = () => {
    const { packet, _list } = parser;
    const { cmd, length } = packet;
    if (_list.length < length) return false;
    if (cmd === 'connect' && length > 2 && isOtherLevel(_list.slice(0, length))) {
      client.conn.write(unacceptableLevel);
      return fail('a protocol level that is not served [MQTT-3.1.2-2]');
    }
    if (!parsePayload() || parser.error) return false;
    const fault = faultOf(packet, parser._pos);
    if (fault !== undefined) return fail(`${cmd}: ${fault}`);
    if (cmd === 'connect') goOn = () => undefined;
    else if (isLetIn(client) && awaited.has(cmd)) goOn = stopReading(client);
    hasLeft ||= cmd === 'disconnect';
    return true;
  };

  const parseString = parser._parseString.bind(parser);
  parser._parseString = () => {
    const start = parser._pos + 2;
    const text = parseString();
    if (text === null || text.includes('\0')) return null;
    // The character that stands for what is no UTF-8 may be meant as itself.
    return text.includes('\uFFFD') && !isUtf8(parser._list.slice(start, parser._pos)) ? null : text;
  };

  return () => {
    const go = goOn;
    if (go === undefined) return;
    // The parser may be in the middle of handing out the packet that is answered.
    queueMicrotask(() => {
      if (goOn !== go) return;
      goOn = undefined;
      parser.parse(Buffer.alloc(0));
      go();
    });
  };
};
