import type { ErrorDetail } from '@rollcall/client/contract';
import * as json from './json-text.ts';
import { maxDepth, read } from './scan.ts';
import type { Finding } from './scan.ts';

/** Socket.IO packet types that the registry takes (Socket.IO protocol 5, "Packet encoding"); the others are binary, or the server's. */
export const packetTypes = { connect: 0, disconnect: 1, event: 2, ack: 3 } as const;

/** A Socket.IO packet of the namespace `/`. */
export interface Packet {
  readonly type: number;
  readonly nsp: string;
  readonly id?: number;
  readonly data?: unknown;
}

/** Stands in the place of the arguments that the guard refused: a listener gets `(rejected, acknowledge)`. */
export class Rejected {
  readonly details: readonly ErrorDetail[];

  constructor(details: readonly ErrorDetail[]) {
    this.details = details;
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
  const given = read(text, depth, parse);
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

const event = (id: number | undefined, text: string): Packet => {
  const given = read(text, maxDepth + 1, parse);
  if ('rule' in given && id === undefined) return refuse(given.rule);
  const data = 'rule' in given ? [firstText(text), new Rejected([toDetail(given)])] : given.value;
  if (!Array.isArray(data) || typeof data[0] !== 'string' || reserved.has(data[0])) return refuse('not an event');
  return id === undefined ? { type: packetTypes.event, nsp: '/', data } : { type: packetTypes.event, nsp: '/', id, data };
};

const ack = (id: number | undefined, text: string): Packet => {
  const data = guarded(text, maxDepth + 1);
  return id !== undefined && Array.isArray(data)
    ? { type: packetTypes.ack, nsp: '/', id, data }
    : refuse('not an acknowledgement');
};

const connect = (text: string): Packet => {
  if (text === '') return { type: packetTypes.connect, nsp: '/' };
  const data = guarded(text, maxDepth);
  const isObject = typeof data === 'object' && data !== null && !Array.isArray(data);
  return isObject ? { type: packetTypes.connect, nsp: '/', data } : refuse('CONNECT without an object');
};

/**
 * Reads a packet, and refuses what the registry never wants to see before it is parsed (decisions, section 7).
 *
 * A refused event that waits for an acknowledgement comes back as `[event, Rejected]`, to be answered. Anything else refused throws:
 * broken rules nobody can be told about, binary packets, namespaces other than `/`, what is no packet at all.
 */
export const readPacket = (data: string): Packet => {
  const start = data.startsWith('/,', 1) ? 3 : 1;
  let at = start;
  while (data.charCodeAt(at) >= json.zero && data.charCodeAt(at) <= json.nine) at += 1;
  if (at - start > 15) return refuse('acknowledgement id out of range');
  const id = at > start ? Number(data.slice(start, at)) : undefined;
  const text = data.slice(at);
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
