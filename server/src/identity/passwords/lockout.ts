import { RegistryError } from '@rollcall/client/contract';
import ipaddr from 'ipaddr.js';
import { LRUCache } from 'lru-cache';

/** What a lockout has to know of the user whose name is given. */
export interface LockoutUser {
  readonly secondFactor?: boolean;
  readonly isAdministrator?: boolean;
}

/** Counts failed attempts to log in, so that guessing takes too long. */
export interface Lockout {
  /**
   * Fails with `banned`, which says for how many seconds, while too many attempts have failed.
   *
   * Failures with other names from the same address do not count for a name that has logged in from there before, nor for a user
   * who has still to show a second factor. Of an administrator to whom one of the two applies, ten times as many failures with
   * the own name are taken: others who share the address, and guess, do not lock out the administration.
   */
  check(name: string, address: string, user?: LockoutUser): void;
  fail(name: string, address: string): void;
  /** Forgets what this name failed with from this address, and remembers that it logs in from there. */
  succeed(name: string, address: string): void;
}

const windowMs = 10 * 60_000;
/** Failures of one name from one address. Others who know that name are not locked out by them. */
const maxOfName = 10;
/** Failures from one address, whatever the name. */
const maxOfAddress = 200;
const administratorsFactor = 10;
const maxBuckets = 100_000;
/** Names with an address from which they have logged in. */
const maxKnown = 100_000;

/** What one caller can speak from: an address, or the 64 bits of IPv6 that are given to one network. */
const networkOf = (address: string): string => {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  return parsed.kind() === 'ipv4' ? parsed.toString() : parsed.toByteArray().slice(0, 8).join('.');
};

/**
 * Counts in the memory of this node. `now` in milliseconds of a clock that never goes back: a step of the wall clock neither lengthens a ban nor ends
 * it.
 */
export const createLockout = (now: () => number): Lockout => {
  const known = new LRUCache<string, true>({ max: maxKnown });
  const buckets = new Map<string, { failures: number; until: number }>();
  const names = (name: string, address: string) => [
    [JSON.stringify([name, networkOf(address)]), maxOfName] as const,
    [JSON.stringify([networkOf(address)]), maxOfAddress] as const,
  ];
  const live = (key: string) => {
    const bucket = buckets.get(key);
    if (bucket !== undefined && bucket.until > now()) return bucket;
    buckets.delete(key);
    return undefined;
  };

  return {
    check(name, address, { secondFactor = false, isAdministrator = false } = {}) {
      const own = JSON.stringify([name, networkOf(address)]);
      const isSpared = secondFactor || known.has(own);
      for (const [key, most] of names(name, address)) {
        if (isSpared && key !== own) continue;
        const limit = isSpared && isAdministrator ? most * administratorsFactor : most;
        const bucket = live(key);
        if (bucket === undefined || bucket.failures < limit) continue;
        const seconds = String(Math.ceil((bucket.until - now()) / 1000));
        throw new RegistryError('banned', undefined, { details: [{ path: '', rule: 'retryAfter', message: seconds }] });
      }
    },
    fail(name, address) {
      for (const [key, most] of names(name, address)) {
        const bucket = live(key) ?? { failures: 0, until: now() + windowMs };
        bucket.failures += 1;
        // The ban is counted from the failure that brings it.
        if (bucket.failures === most) bucket.until = now() + windowMs;
        buckets.set(key, bucket);
      }
      while (buckets.size > maxBuckets) for (const oldest of buckets.keys()) if (buckets.delete(oldest)) break;
    },
    succeed(name, address) {
      const own = JSON.stringify([name, networkOf(address)]);
      buckets.delete(own);
      known.set(own, true);
    },
  };
};
