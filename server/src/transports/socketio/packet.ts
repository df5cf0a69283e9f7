import type { ErrorDetail } from '@rollcall/client/contract';
import * as json from '../../common/json/text.ts';
import { maxJsonDepth, readGuarded } from '../../common/json/scan.ts';
import type { Finding } from '../../common/json/scan.ts';
import { maxInputBytes, messageOperations } from '../../common/frame-limits.ts';

/** Socket.IO packet types that clients send (Socket.IO protocol 5, "Packet encoding"). Of a binary event only the refusal is taken. */
export const packetTypes = { connect: 0, disconnect: 1, event: 2, ack: 3, binaryEvent: 5 } as const;

/**
 * Arguments of an event or an acknowledgement; the name and the callback are not counted. Socket.IO spreads them into the listener's arguments, and
 * a list that is too long for that ends the process.
 */
export const maxArguments = 4;

/** Binary attachments of an event that is answered with a refusal; with more, the transport is closed. */
const maxAttachments = 16;

/** A Socket.IO packet of the namespace `/`. */
export interface Packet {
  readonly type: number;
  readonly nsp: string;
  readonly id?: number;
  readonly data?: unknown;
  /** Binary messages that belong to the packet and follow it. Nothing is made of them. */
  readonly attachments?: number;
}

/** Placeholder for arguments that the guard refused. A listener gets `(rejected, acknowledge)`. */
export class Rejected {
  readonly details: readonly ErrorDetail[];
  readonly code: 'invalid-input' | 'too-large';

  constructor(details: readonly ErrorDetail[], code: 'invalid-input' | 'too-large' = 'invalid-input') {
    this.details = details;
    this.code = code;
  }
}

/** Names that Socket.IO emits itself; a client may not use them. */
const reserved: ReadonlySet<unknown> = new Set([
  'connect',
  'connect_error',
  'disconnect',
  'disconnecting',
  'newListener',
  'removeListener',
]);

const refuse = (why: string): never => {
  throw new Error(`Refused packet: ${why}`);
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return refuse('not JSON');
  }
};

const guarded = (text: string, depth: number): unknown => {
  const given = readGuarded(text, depth, parse);
  return 'rule' in given ? refuse(given.rule) : given.value;
};

/** The first element of a JSON list, if it is text: the name of an event that will not be parsed. */
const firstText = (text: string): string | undefined => {
  const [head] = /^\s{0,9}\[\s{0,9}(?=")/.exec(text) ?? [];
  return head === undefined ? undefined : json.meaning(text, head.length, json.endOfString(text, head.length));
};

const toDetail = ({ rule, message, steps }: Finding): ErrorDetail => {
  const argument = Number(steps[0]?.slice(1));
  return { path: steps.slice(1).join(''), rule, message: argument > 1 ? `${message} (argument ${argument})` : message };
};

/** A refused event. It is answered only if it has an acknowledgement. */
const rejected = (id: number | undefined, name: string | undefined, detail: ErrorDetail): Packet =>
  id === undefined ? refuse(detail.rule) : { type: packetTypes.event, nsp: '/', id, data: [name ?? '', new Rejected([detail])] };

const wrongName: ErrorDetail = { path: '', rule: 'event', message: 'An event begins with its name, a text that is not reserved' };
const noBinary: ErrorDetail = { path: '', rule: 'binary', message: 'Binary arguments are not taken' };

const event = (id: number | undefined, text: string): Packet => {
  const given = readGuarded(text, maxJsonDepth + 1, parse);
  if ('rule' in given) return rejected(id, firstText(text) ?? refuse('not an event'), toDetail(given));
  const { value: data } = given;
  if (!Array.isArray(data) || data.length === 0) return refuse('not an event');
  if (data.length > maxArguments + 1) return refuse('too many arguments');
  if (typeof data[0] !== 'string' || reserved.has(data[0])) return rejected(id, undefined, wrongName);
  return id === undefined ? { type: packetTypes.event, nsp: '/', data } : { type: packetTypes.event, nsp: '/', id, data };
};

/** `<attachments>-<id>[...]`. */
const binaryEvent = (text: string): Packet => {
  const [head, count = '', id = ''] = /^(\d{1,2})-(\d{1,15})(?=\[)/.exec(text) ?? [];
  if (head === undefined || Number(count) > maxAttachments) return refuse('binary');
  const name = firstText(text.slice(head.length)) ?? refuse('not an event');
  return { ...rejected(Number(id), name, noBinary), attachments: Number(count) };
};

const ack = (id: number | undefined, text: string): Packet => {
  const data = guarded(text, maxJsonDepth + 1);
  return id !== undefined && Array.isArray(data) && data.length <= maxArguments
    ? { type: packetTypes.ack, nsp: '/', id, data }
    : refuse('not an acknowledgement');
};

const connect = (text: string): Packet => {
  if (text === '') return { type: packetTypes.connect, nsp: '/' };
  const data = guarded(text, maxJsonDepth);
  const isObject = typeof data === 'object' && data !== null && !Array.isArray(data);
  return isObject ? { type: packetTypes.connect, nsp: '/', data } : refuse('CONNECT without an object');
};

/** Splits a packet into its acknowledgement id and the JSON that follows. */
const split = (data: string): { readonly start: number; readonly id: number | undefined; readonly text: string } => {
  const start = data.startsWith('/,', 1) ? 3 : 1;
  let at = start;
  while (data.charCodeAt(at) >= json.zero && data.charCodeAt(at) <= json.nine) at += 1;
  if (at - start > 15) return refuse('acknowledgement id out of range');
  return { start, id: at > start ? Number(data.slice(start, at)) : undefined, text: data.slice(at) };
};

/** Reads a packet that only a message to devices may be long enough to need, and even that only up to `maxFrameBytes`. */
const readLong = (data: string, bytes: number, maxFrameBytes: number): Packet => {
  const { id, text } = split(data);
  if (data.charCodeAt(0) - json.zero !== packetTypes.event) return refuse('too large');
  const name = firstText(text);
  if (bytes <= maxFrameBytes && name !== undefined && messageOperations.has(name)) return event(id, text);
  if (id === undefined || name === undefined || reserved.has(name)) return refuse('too large');
  return { type: packetTypes.event, nsp: '/', id, data: [name, new Rejected([], 'too-large')] };
};

/**
 * Reads a packet, and refuses what the registry never wants to see before it is parsed (ME-7).
 *
 * A refused event that waits for an acknowledgement comes back as `[event, Rejected]`, to be answered. Anything else refused throws:
 * broken rules in an event without acknowledgement, more arguments than `maxArguments`, namespaces other than `/`, what is no packet at all.
 * What is no message to devices is refused beyond `maxInputBytes`, and a message beyond `maxFrameBytes`, before either is parsed.
 */
export const readPacket = (data: string, maxFrameBytes = maxInputBytes): Packet => {
  const bytes = data.length * 3 > maxInputBytes ? Buffer.byteLength(data) : 0;
  if (bytes > maxInputBytes) return readLong(data, bytes, maxFrameBytes);
  if (data.charCodeAt(0) - json.zero === packetTypes.binaryEvent) return binaryEvent(data.slice(1));
  const { start, id, text } = split(data);
  switch (data.charCodeAt(0) - json.zero) {
    case packetTypes.event:
      return event(id, text);
    case packetTypes.ack:
      return ack(id, text);
    case packetTypes.connect:
      return id === undefined ? connect(text) : refuse('CONNECT with an id');
    case packetTypes.disconnect:
      return data.length === start ? { type: packetTypes.disconnect, nsp: '/' } : refuse('DISCONNECT with a payload');
    default:
      return refuse('unknown or binary type');
  }
};
