import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Resolves a name to addresses; the system's by default. */
export type Resolve = (hostname: string) => Promise<readonly { readonly address: string; readonly family: number }[]>;

/** A name or address that a webhook must not reach. */
export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError';
}

const systemResolve: Resolve = (hostname) =>
  new Promise((resolve, reject) => {
    lookup(hostname, { all: true }, (error, found) => (error === null ? resolve(found) : reject(error)));
  });

/** The only IPv6 addresses that are routed in the internet (RFC 4291, section 2.4, and IANA's registry of IPv6 address space). */
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Is it an address of the public internet, neither of this machine nor of a private network?
 *
 * An IPv6 address that carries an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo) is not: where it leads is up to a gateway.
 */
export const isPublic = (address: string): boolean => {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  return parsed.range() === 'unicast' && (parsed instanceof ipaddr.IPv4 || parsed.match(globalUnicast));
};

/**
 * A look-up for connections that may go to public addresses only. The connection is made to the very address that was checked, so a name
 * cannot mean another one a moment later.
 */
export const publicLookup =
  (resolve: Resolve = systemResolve): LookupFunction =>
  (hostname, options, callback) => {
    resolve(hostname).then(
      (found) => {
        const [first] = found;
        if (first === undefined || !found.every(({ address }) => isPublic(address))) {
          return callback(new PrivateAddressError(`${hostname} is not a public address`), '', 4);
        }
        if (options.all === true) return callback(null, [...found]);
        return callback(null, first.address, first.family);
      },
      (error: unknown) => callback(error as NodeJS.ErrnoException, '', 4),
    );
  };

/** Refuses a URL whose host is an address that is not public: no look-up is asked for those. */
export const checkHost = (url: URL): void => {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (ipaddr.isValid(host) && !isPublic(host)) throw new PrivateAddressError(`${host} is not a public address`);
};
