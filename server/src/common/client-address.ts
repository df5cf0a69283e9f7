import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** The address that a request comes from: a text that `ipaddr.js` wrote, or the empty text where the socket is closed. */
export type ClientAddress = (request: Pick<IncomingMessage, 'headers' | 'socket'>) => string;

/** Most addresses of one header that are looked at. */
const maxHops = 64;

/** An address in one form: IPv4 as four decimal numbers, also if it came inside an IPv6 address. Undefined for anything else, zones included. */
const plain = (text: string): string | undefined =>
  isIP(text) !== 0 && !text.includes('%') ? ipaddr.process(text).toString() : undefined;

/** Reads one entry: an address, `IPv4:port`, `[IPv6]` or `[IPv6]:port`. */
const readEntry = (entry: string): string | undefined => {
  const text = entry.trim();
  const bracketed = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(text)?.[1];
  if (bracketed !== undefined) return plain(bracketed);
  return plain(/^([\d.]+):\d{1,5}$/.exec(text)?.[1] ?? text);
};

/** Longest `Forwarded` header that is read, in characters. */
const maxForwarded = 8_192;

/** One `name=value` of an element of `Forwarded`, and what ends it (RFC 7239, section 4). */
const pair = /\s*([!#$%&'*+.^_`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s";,]+))\s*(;|,|$)/y;

/** The `for` of each element of `Forwarded`. An element that cannot be read, and all after it, count as one without an address. */
const readForwarded = (text: string): readonly (string | undefined)[] => {
  const found: (string | undefined)[] = [];
  if (text.length > maxForwarded) return [undefined];
  let address: string | undefined;
  pair.lastIndex = 0;
  for (;;) {
    const match = pair.exec(text);
    if (match === null) return [...found, undefined];
    const [, name = '', quoted, token, end] = match;
    if (name.toLowerCase() === 'for') address = readEntry(quoted ?? token ?? '');
    if (end === ';') continue;
    found.push(address);
    address = undefined;
    if (end === '') return found;
  }
};

/**
 * Makes the function that finds a client's address. `trusted`: addresses and networks of the proxies (CIDR). The walk goes from the peer to the client
 * and ends at the first address that is not trusted, or before an entry that cannot be read. Headers of other peers are ignored.
 */
export const createClientAddress = (trusted: readonly string[]): ClientAddress => {
  const networks = trusted.map((text) => {
    const [address = '', bits] = text.split('/');
    const parsed = ipaddr.process(address);
    const length = parsed.toByteArray().length * 8;
    // An IPv4 network may be written inside IPv6: ::ffff:10.0.0.0/104 is 10.0.0.0/8.
    const isMapped = address.includes(':') && parsed.kind() === 'ipv4';
    return [parsed, bits === undefined ? length : Number(bits) - (isMapped ? 96 : 0)] as const;
  });
  const isTrusted = (address: string): boolean => {
    const parsed = ipaddr.parse(address);
    return networks.some(([network, bits]) => bits >= 0 && network.kind() === parsed.kind() && parsed.match(network, bits));
  };

  return ({ headers, socket }) => {
    const peer = plain(socket.remoteAddress ?? '');
    if (peer === undefined) return socket.remoteAddress ?? '';
    if (networks.length === 0 || !isTrusted(peer)) return peer;
    const walk = (entries: readonly (string | undefined)[]): string => {
      let address = peer;
      for (const next of entries.slice(-maxHops).toReversed()) {
        if (next === undefined) return address;
        address = next;
        if (!isTrusted(address)) return address;
      }
      return address;
    };
    const listed = headers['x-forwarded-for'];
    const list = Array.isArray(listed) ? listed.join(',') : listed;
    const byList = list === undefined ? undefined : walk(list.split(',').slice(-maxHops).map(readEntry));
    const byElements = headers.forwarded === undefined ? undefined : walk(readForwarded(headers.forwarded));
    // A proxy that writes one of the headers may let the other one through: where they differ, nobody is believed.
    return byList !== undefined && byElements !== undefined && byList !== byElements ? peer : (byList ?? byElements ?? peer);
  };
};
